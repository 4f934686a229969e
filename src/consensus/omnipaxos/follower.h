// Following and observing (consensus.md 4.7): a promise, the leader's log in place of what differs
// from it, then entries as they come.
//
// A session begins with Prepare and ends with the connection. Whatever was under way then may be
// missing, so nothing of the leader is taken any more until it prepares this server anew.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "consensus/engine.h"
#include "consensus/omnipaxos/messages.h"
#include "consensus/omnipaxos/shared.h"
#include "consensus/omnipaxos/trees.h"

namespace synod::consensus::omnipaxos {

class Follower {
 public:
  explicit Follower(Shared& shared);

  // From the round's leader, of a round not below what was promised.
  void prepare(Ballot ballot);
  // Of the round that is promised.
  void on(const Fetch& fetch);
  void on(const AcceptSync& sync);
  void on(AcceptDecide& accept);
  void on(const Decide& decide);
  void on_resigned();
  void deliver(ServerId from, const ServiceMessage& message);

  void down(ServerId peer);
  void snapshot(ServerId peer, LinkId link, const SnapshotHead& head, Bytes first_bytes);
  void snapshot_linked(ServerId peer, LinkId link) { trees_.linked(peer, link); }
  void snapshot_lost(ServerId peer, LinkId link) { trees_.lost(peer, link); }

  void tick();
  [[nodiscard]] std::optional<SteadyTimeMs> next_deadline() const;

  // The disk has got on: what waited for it goes on.
  void advance();
  void was_cut();
  void log_read(std::uint64_t number, std::optional<std::vector<Entry>>&& entries, bool is_last);

  void send_to_leader(const ServiceMessage& message);
  void end();

 private:
  enum class Phase : std::uint8_t {
    kRecover,        // until a Prepare comes
    kPromising,      // the promise is on its way to the disk
    kPromised,       // the leader fetches what it lacks, or says AcceptSync
    kCutting,        // what differs from the leader's log leaves ours
    kSynchronising,  // its log comes
    kSavingRound,    // it is on disk; that we have accepted it is not yet
    kAccepting,
  };

  [[nodiscard]] ServerId leader() const { return shared_->promised().server(); }
  void recover();
  void ask_to_be_prepared();
  void send_promise();
  void send_fetched(std::vector<Entry> entries, bool is_end);
  void send_from_memory();
  void begin_to_synchronise();
  void accept_round_when_due();
  void send_accepted();
  void commit();
  void refuse_leader(std::string why);

  Shared* shared_;
  Trees trees_;
  Phase phase_ = Phase::kRecover;
  SteadyTimeMs next_tick_;

  // Of the log that the leader fetches here.
  std::uint64_t fetch_ = 0;
  Zxid fetched_;
  std::optional<std::uint64_t> read_;

  AcceptSync sync_;
  std::vector<Message> held_;  // while cutting
  Zxid decided_;
  Zxid accepted_;  // said to be
};

}  // namespace synod::consensus::omnipaxos
