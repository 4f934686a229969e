// The leader's side of one follower's or observer's session: from Prepare to the stream of entries.
//
// On the connection: Prepare | Promise | AcceptSync, AcceptDecide … | Accepted … In between, where
// needed, a tree on a link of its own, and then a Promise that begins anew from there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "consensus/engine.h"
#include "consensus/omnipaxos/messages.h"
#include "consensus/omnipaxos/shared.h"

namespace synod::consensus::omnipaxos {

class FollowerLink {
 public:
  FollowerLink(Shared& shared, Ballot ballot, ServerId server)
      : shared_(&shared), ballot_(ballot), server_(server) {}

  void prepare();
  void promised(Promise promise);
  void refused();

  // It has forgotten what it promised. It is taken back once others, who then still promise
  // nothing higher, have said so after it came: whatever it forgot can come to nothing without one
  // of them.
  void await_vouchers(std::uint64_t round) { vouched_round_ = round; }
  void vouched();
  [[nodiscard]] std::optional<std::uint64_t> awaits_vouchers_of() const { return vouched_round_; }

  // False: it needs a tree.
  [[nodiscard]] bool synchronise(Zxid end);
  // False: what it lacks is not in the log any more.
  [[nodiscard]] bool log_read(std::optional<std::vector<Entry>>&& entries, bool is_last);
  void await_tree() { stage_ = Stage::kTree; }
  // What is in the log and decided, and not said yet; as much as the window allows.
  void stream();
  // False: it claims what it was never sent.
  [[nodiscard]] bool accepted(Zxid up_to);
  void confirmed(std::uint64_t number) { confirmed_ = number; }
  // Behind all that is logged and decided now.
  void send(const ServiceMessage& message);

  // Its promise for this round, while the session lasts.
  [[nodiscard]] const std::optional<Promise>& promise() const { return promise_; }
  // Its promise stands by itself for all it ever accepted.
  [[nodiscard]] bool is_complete() const { return counts() && promise_->covered_by == ServerId{}; }
  // How far it has accepted this round; nothing: it has not yet.
  [[nodiscard]] std::optional<Zxid> accepted_up_to() const { return accepted_; }
  // What it says now it will remember.
  [[nodiscard]] bool counts() const;
  [[nodiscard]] bool is_refusing() const { return stage_ == Stage::kRefused; }
  [[nodiscard]] bool is_in_step() const { return stage_ == Stage::kStreaming && accepted_; }
  [[nodiscard]] bool is_reading(std::uint64_t number) const {
    return stage_ == Stage::kReading && read_ == number;
  }
  [[nodiscard]] std::uint64_t confirmed_round() const { return confirmed_; }

 private:
  enum class Stage : std::uint8_t {
    kPreparing,  // the promise is awaited
    kPromised,   // AcceptSync is owed, once the leader has accepted its own round
    kTree,       // another promise is awaited, behind a tree
    kReading,    // what follows next comes from the log on disk
    kStreaming,
    kRefused,  // it has promised more to somebody else
  };

  void read_log(Zxid after);
  void send_sync();
  void send_entries(std::vector<Entry> entries);
  void send_decided();

  Shared* shared_;
  Ballot ballot_;
  ServerId server_;
  Stage stage_ = Stage::kPreparing;
  std::optional<Promise> promise_;

  Zxid end_;   // of what the leader took over
  Zxid sent_;  // it has, or was sent, everything up to here
  bool is_sync_sent_ = false;
  Zxid decided_sent_;
  std::optional<std::uint64_t> read_;
  std::optional<Zxid> accepted_;
  struct Sent {
    Zxid up_to;
    std::size_t bytes;
  };
  std::deque<Sent> in_flight_;
  std::size_t in_flight_bytes_ = 0;
  std::uint64_t confirmed_ = 0;
  std::optional<std::uint64_t> vouched_round_;
  struct Held {
    Zxid after;
    ServiceMessage message;
  };
  std::deque<Held> held_;
};

}  // namespace synod::consensus::omnipaxos
