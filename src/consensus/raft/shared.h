// What the parts of the engine share. It outlives the roles.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/random.h"
#include "consensus/journal.h"
#include "consensus/native/peer_links.h"
#include "consensus/outbox.h"
#include "consensus/raft/configuration.h"
#include "consensus/raft/messages.h"
#include "consensus/raft/options.h"

namespace synod::consensus::raft {

class Shared {
 public:
  Shared(const Options& of, Outbox& to, Journal& log, native::PeerLinks& peers,
         const Configuration& who)
      : options(of), outbox(to), journal(log), links(peers), configuration(who) {}

  const Options& options;
  Outbox& outbox;
  Journal& journal;
  native::PeerLinks& links;
  const Configuration& configuration;
  Status status;
  SteadyTimeMs now;
  Random random{0};
  const EntryForms* forms = nullptr;
  // A cut or another's tree is under way: the log is not what it will be, and nothing is appended.
  bool is_log_changing = false;

  // ---- currentTerm and votedFor
  void start(const Beginning& beginning);
  [[nodiscard]] std::uint32_t term() const { return term_; }
  // What is sent from now on leaves when that is on disk. A server without memory knows its term
  // only while it runs: written down it would pass for memory after a crash.
  void enter_term(std::uint32_t term, ServerId voted_for);
  [[nodiscard]] ServerId voted_for() const { return journal.voted_for(); }
  void gain_memory(ServerId voted_for);

  // ---- to others
  void send(ServerId to, const Message& message);
  void send_at_once(ServerId to, const Message& message);
  void epochs_saved();
  void peer_down(ServerId peer);
  // For a peer whose messages make no sense, or may be of a time that is over.
  void break_link(ServerId peer, std::string reason);

  void set_status(Status changed);
  // As what this server follows.
  [[nodiscard]] Role learner_role() const;
  [[nodiscard]] SteadyTimeMs in(std::int64_t ms) const { return {now.value + ms}; }

 private:
  std::uint32_t term_ = 0;
  std::vector<std::pair<ServerId, Bytes>> unsent_;  // waits for the epochs to be on disk
};

}  // namespace synod::consensus::raft
