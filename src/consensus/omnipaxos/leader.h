// Leading a round (consensus.md 4.7): a read quorum promises, the longest of what they accepted
// last becomes the round's beginning, a write quorum accepts that, then entries are proposed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "consensus/engine.h"
#include "consensus/membership.h"
#include "consensus/omnipaxos/follower_link.h"
#include "consensus/omnipaxos/messages.h"
#include "consensus/omnipaxos/shared.h"
#include "consensus/omnipaxos/trees.h"

namespace synod::consensus::omnipaxos {

class Leader {
 public:
  Leader(Shared& shared, Ballot ballot);

  void start();
  // Why this server leads no longer; nothing while it does.
  [[nodiscard]] const std::optional<std::string>& ended() const { return ended_; }
  [[nodiscard]] bool has_no_counters_left() const { return has_no_counters_left_; }
  // Says so to who follows.
  void resign();
  [[nodiscard]] Ballot ballot() const { return ballot_; }
  [[nodiscard]] bool is_accepting() const { return phase_ == Phase::kAccept; }
  // After each round of heartbeats.
  void check_quorum(const Servers& heard);

  void tick();
  [[nodiscard]] SteadyTimeMs next_deadline() const { return std::min(next_beat_, next_touches_); }

  void up(ServerId peer);  // or it asks to be prepared
  void down(ServerId peer);
  // Of this round.
  void on(ServerId from, Promise& promise);
  void on(ServerId from, Fetched& fetched);
  void on(ServerId from, const Accepted& accepted);
  void on(ServerId from, const Confirmed& confirmed);
  void on_refusal(ServerId from);
  void deliver(ServerId from, const ServiceMessage& message);

  void snapshot(ServerId peer, LinkId link, const SnapshotHead& head, Bytes first_bytes);
  void snapshot_linked(ServerId peer, LinkId link) { trees_.linked(peer, link); }
  void snapshot_lost(ServerId peer, LinkId link) { trees_.lost(peer, link); }

  // The disk has got on: what waited for it goes on.
  void advance();
  void was_cut();
  void log_read(std::uint64_t number, std::optional<std::vector<Entry>>&& entries, bool is_last);

  // What comes behind a stop-sign is dropped: nobody is told of it, and this round's end follows.
  void propose(Entry entry);
  [[nodiscard]] Zxid next_zxid() const;
  void read_index(std::uint64_t token);
  void send_to_learner(LinkId link, const ServiceMessage& message);

  // Once a turn, before its effects are taken: entries to one follower leave in one piece.
  void flush();

 private:
  enum class Phase : std::uint8_t {
    kSavingPromise,  // its own
    kPrepare,        // promises are awaited
    kCutting,        // what differs from the log to take over leaves ours
    kFetching,       // the rest of it comes
    kInstalling,     // as a tree
    kSavingLog,      // until it is on disk
    kSavingRound,    // and that we have accepted it
    kAccept,
  };
  using Followers = std::map<ServerId, FollowerLink>;

  // ---- taking over
  void choose_when_promised();
  [[nodiscard]] bool is_covered(ServerId by) const;
  [[nodiscard]] std::optional<ServerId> maximal() const;  // nothing: it is our own
  void take_over_from(ServerId server);
  void fetch();
  void fetch_tree();
  void lose_source(ServerId peer);
  void taken_over();
  void accept();
  void synchronise(ServerId server);

  // ---- accepting
  void decide_what_a_quorum_has();
  [[nodiscard]] std::optional<Zxid> accepted_by_quorum() const;
  void roll_over_when_due();

  // ---- reads
  void start_round();
  void ask_to_confirm();
  void check_round();
  [[nodiscard]] bool is_confirmed(std::uint64_t round, ServerId by_others_than) const;
  void take_back_vouched();

  void end(std::string reason);

  Shared* shared_;
  Ballot ballot_;
  Trees trees_;
  Phase phase_ = Phase::kSavingPromise;
  std::optional<std::string> ended_;
  bool has_no_counters_left_ = false;
  Followers followers_;             // those that are up
  std::optional<ServerId> source_;  // whose log is taken over
  Zxid inherited_;                  // ends here
  std::uint32_t dropped_ = 0;       // proposals behind the stop-sign
  SteadyTimeMs next_beat_;
  SteadyTimeMs next_touches_;

  struct PendingRead {
    std::uint64_t token = 0;
    Zxid committed;  // when it was asked
  };
  std::uint64_t last_round_ = 0;  // of Confirm
  std::uint64_t read_round_ = 0;
  std::vector<PendingRead> reading_;  // answered when a quorum has confirmed
  std::vector<PendingRead> waiting_;  // came meanwhile: the next round's
};

}  // namespace synod::consensus::omnipaxos
