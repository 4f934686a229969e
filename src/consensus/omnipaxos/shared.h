// What the roles and their engine share. It outlives the roles.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "consensus/journal.h"
#include "consensus/native/peer_links.h"
#include "consensus/omnipaxos/ballot.h"
#include "consensus/omnipaxos/messages.h"
#include "consensus/omnipaxos/options.h"
#include "consensus/omnipaxos/quorums.h"
#include "consensus/outbox.h"

namespace synod::consensus::omnipaxos {

// What was asked of the log on disk, by number: who asked may be gone, or ask for something else,
// when the answer comes. One at a time for each link.
class LogReads {
 public:
  explicit LogReads(Outbox& outbox) : outbox_(outbox) {}

  std::uint64_t ask(LinkId link, Zxid after, Zxid up_to);
  // Which one this is an answer to.
  std::optional<std::uint64_t> answered(LinkId link, bool is_last);
  void unlinked(LinkId link) { asked_.erase(link); }

 private:
  struct Asked {
    std::uint64_t number;
    effect::ReadLog range;
  };
  Outbox& outbox_;
  std::uint64_t last_ = 0;
  std::map<LinkId, std::deque<Asked>> asked_;  // the first is being read
};

struct Shared {
  const Options& options;
  const Quorums& quorums;
  Outbox& outbox;
  Journal& journal;
  native::PeerLinks& links;
  Status& status;
  LogReads reads;
  SteadyTimeMs now;
  std::optional<LinkId> installing;  // a tree, on this link
  std::uint64_t last_number = 0;     // of promises, fetches and wishes
  Zxid configuration;                // that this server is in: its membership's version
  Servers connected;
  Servers peers;  // whose addresses are known

  [[nodiscard]] Ballot promised() const { return {journal.accepted_epoch()}; }
  // In this configuration. Rounds of the one before come before all of it, whatever their numbers
  // (consensus.md 4.11): a straggler may have accepted the stop-sign once more, in a round above
  // those in which the next configuration has decided things since.
  [[nodiscard]] Ballot accepted_round() const;
  // All that a promise claims is on disk, and stays as it is.
  [[nodiscard]] bool is_settled() const { return journal.is_settled() && !installing; }
  // Somebody: a tree came in place of a log that was longer, and what it lacks may have been
  // accepted. Whatever of that was chosen is in this server's log, from where the tree came. Kept
  // in place of a vote, which binds nobody here; the round that it was taken for ends it, once
  // accepted.
  [[nodiscard]] ServerId covered_by() const;
  // The newest configuration that this server has begun to enter; it takes part in none before. The
  // mark of that stands in the same place.
  [[nodiscard]] Zxid entered() const;

  void promise(Ballot ballot);
  void accept_round(Ballot ballot);
  // Promises a round that nobody leads, above all of the configurations before.
  void enter(Zxid configuration);
  // A stop-sign only once it is durable here: whoever starts a configuration holds all before it.
  void commit(Zxid up_to);
  // The configuration has decided its stop-sign.
  [[nodiscard]] bool is_stopped() const {
    return journal.configurations().decided().version != configuration.value;
  }
  void install(ServerId from, LinkId link, const SnapshotHead& head, Bytes first_bytes);
  void send(ServerId peer, const Message& message) {
    links.send(peer, encode(configuration, message));
  }
  void set_status(Status changed);

 private:
  // In force until a round is accepted after it was made.
  [[nodiscard]] std::int64_t mark() const {
    return journal.current_epoch() < journal.accepted_epoch() ? journal.voted_for().value : 0;
  }
};

}  // namespace synod::consensus::omnipaxos
