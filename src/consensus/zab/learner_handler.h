// The leader's side of one learner's link: from FOLLOWERINFO to the stream of proposals and commits
// (reference, quorum protocol 4.2, 4.4, 5.4).
//
// On the link: LEADERINFO | DIFF, TRUNC or SNAP | what was missed, each PROPOSAL with its COMMIT |
// NEWLEADER | what is not committed yet, and everything from now on, PROPOSAL and COMMIT each once,
// in order | UPTODATE somewhere in between. All before NEWLEADER is committed by the time of
// UPTODATE, so no COMMIT behind NEWLEADER is for a PROPOSAL before it (trap 7).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "consensus/engine.h"
#include "consensus/zab/packets.h"
#include "consensus/zab/shared.h"
#include "consensus/zab/sync_plan.h"

namespace synod::consensus::zab {

class LearnerHandler {
 public:
  enum class Stage : std::uint8_t {
    kGreeting,    // FOLLOWERINFO or OBSERVERINFO is awaited
    kRegistered,  // LEADERINFO is owed, once the epoch is known
    kPromising,   // ACKEPOCH is awaited
    kPromised,    // the sync is owed, once the leader's own currentEpoch is on disk
    kSyncing,     // entries are being read from the log
    kNewLeader,   // NEWLEADER is sent: its ACK is awaited
    kAccepted,    // UPTODATE is owed, once the leader is established
    kUpToDate,
  };

  LearnerHandler(Shared& shared, LinkId link);

  [[nodiscard]] LinkId link() const { return link_; }
  [[nodiscard]] Stage stage() const { return stage_; }
  [[nodiscard]] ServerId server() const { return server_; }
  [[nodiscard]] bool is_observer() const { return is_observer_; }
  [[nodiscard]] Zxid last_logged() const { return last_logged_; }
  // Its word counts wherever it votes: it acknowledges what it logs, and what it promised and
  // acknowledged it still knows.
  [[nodiscard]] bool counts() const { return !is_observer_ && has_memory_; }
  // Live traffic goes to it.
  [[nodiscard]] bool is_forwarded() const { return stage_ >= Stage::kNewLeader; }
  [[nodiscard]] bool is_up_to_date() const { return stage_ == Stage::kUpToDate; }

  PacketReader& reader() { return reader_; }

  // ---- the way in
  void registered(ServerId server, bool is_observer, bool has_memory);
  void send_leader_info(std::uint32_t epoch);
  void promised(Zxid last_logged);
  void sync(std::uint32_t epoch);
  void log_read(std::optional<std::vector<Entry>> entries, bool is_end);
  void accepted() { stage_ = Stage::kAccepted; }
  void send_up_to_date();

  // ---- broadcast
  void send(const QuorumPacket& packet);
  void send_encoded(BytesView packets);  // whole packets
  void proposal_sent(Zxid zxid);
  // To an observer: it is committed. With a designated leader it is a change of the membership.
  void inform(const Entry& entry, std::optional<ServerId> designated = {});
  // What the leader says to a question; nothing is sent to one that cannot have asked.
  void answer(const ServiceMessage& message);
  void acknowledged(Zxid zxid);
  [[nodiscard]] Zxid acked() const { return acked_; }

  // ---- signs of life
  void ping(Zxid last_proposed);
  void ping_answered() { ++pings_answered_; }
  void heard() { heard_at_ = shared_->now; }
  [[nodiscard]] bool is_in_touch() const;
  // Something it owes is overdue: what, for a log line.
  [[nodiscard]] std::optional<std::string_view> overdue() const;

  // A round of PINGs that proves we still lead: it has answered a PING sent since it was put in.
  void enter_round() { round_ping_ = pings_sent_; }
  void leave_round() { round_ping_.reset(); }
  [[nodiscard]] bool is_in_round() const { return round_ping_.has_value(); }
  [[nodiscard]] bool has_confirmed() const {
    return round_ping_ && pings_answered_ >= *round_ping_;
  }

  // What was sent leaves together; before any other effect on the link, and at the end of a turn.
  void flush();

  [[nodiscard]] std::optional<std::string> take_failure() { return std::exchange(failure_, {}); }

 private:
  [[nodiscard]] Zxid cut() const;
  void begin(const SyncPlan& plan);
  void begin_with_snapshot();
  void read_log(Zxid after);
  void continue_sync();
  void send_missed(const Entry& entry);
  void send_new_leader();

  Shared* shared_;
  LinkId link_;
  PacketReader reader_;
  Stage stage_ = Stage::kGreeting;
  Bytes output_;
  std::optional<std::string> failure_;

  // From kRegistered on.
  ServerId server_;
  bool is_observer_ = false;
  bool has_memory_ = true;
  Zxid last_logged_;  // as ACKEPOCH said

  // While syncing.
  std::uint32_t epoch_ = 0;
  bool is_begun_ = false;  // DIFF, TRUNC or SNAP is sent
  bool gets_snapshot_ = false;
  Zxid sent_;  // it has, or was sent, everything up to here

  // From kNewLeader on.
  Zxid acked_;
  Zxid last_sent_;                   // proposal
  std::optional<Zxid> awaited_ack_;  // one at a time: of the oldest proposal not acknowledged
  SteadyTimeMs awaited_since_;
  std::uint64_t pings_sent_ = 0;  // since UPTODATE: those before are not answered
  std::uint64_t pings_answered_ = 0;
  std::optional<std::uint64_t> round_ping_;
  SteadyTimeMs heard_at_;
};

}  // namespace synod::consensus::zab
