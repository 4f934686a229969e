// What the leader knows of one peer's log, and how much it sends it (5.3; flow control as in
// consensus.md 3.6).
//
//   probe      where the logs part is looked for: one message, then its answer or a heartbeat's
//   replicate  sent ahead of the answers, within a window
//   snapshot   the entries it needs are gone: nothing but heartbeats until it has the tree
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "base/ids.h"
#include "consensus/engine.h"
#include "consensus/raft/options.h"

namespace synod::consensus::raft {

class Progress {
 public:
  enum class State : std::uint8_t { kProbe, kReplicate, kSnapshot };

  // What is known of a peer when its link comes up: nothing. Its log is tried at `sent` first.
  void reset(Zxid sent, SteadyTimeMs now);

  [[nodiscard]] State state() const { return state_; }
  // It has everything up to here, on disk.
  [[nodiscard]] Zxid match() const { return match_; }
  // What goes next comes after this.
  [[nodiscard]] Zxid sent() const { return sent_; }
  [[nodiscard]] bool may_send(const Options& options) const;

  void on_sent(Zxid prev, Zxid end, std::size_t bytes, SteadyTimeMs now);
  void on_match(Zxid match);
  // Is it an answer to what is on its way, and not to something older?
  [[nodiscard]] bool is_refusal_fresh(Zxid prev) const;
  void probe(Zxid sent);
  // The answer to a probe sent before that is waited for no longer.
  void resume(SteadyTimeMs sent_before);

  // ---- entries from the disk
  [[nodiscard]] bool is_reading() const { return is_reading_; }
  void begin_reading() { is_reading_ = true; }
  // False: they are not wanted any more.
  [[nodiscard]] bool on_read();
  void end_reading() { is_reading_ = is_reading_void_ = false; }

  // ---- a tree
  [[nodiscard]] std::optional<LinkId> snapshot_link() const { return snapshot_link_; }
  void begin_snapshot(LinkId link);
  void snapshot_sent(Zxid zxid) { snapshot_ = zxid; }
  void snapshot_gone(Zxid retry_at, SteadyTimeMs now);

  // ---- signs of life
  SteadyTimeMs heard_at;
  bool has_memory = false;  // it said so in this term: it counts
  bool is_joined = false;   // it answered in this term: what it sends is meant for this leader
  std::uint64_t round = 0;  // of the last heartbeat that it answered
  Zxid told;                // what is committed of what it was sent, as it heard last
  // For its replica, once it was told of the commits up to there.
  struct Held {
    Zxid after;
    ServiceMessage message;
  };
  std::deque<Held> held;
  // Of a peer without memory: what it may have acknowledged and forgotten lies before this, and who
  // led then is known to lead no more once that round is confirmed.
  struct Recovery {
    Zxid least;
    std::uint64_t round = 0;
  };
  std::optional<Recovery> recovery;

 private:
  struct InFlight {
    Zxid end;
    std::size_t bytes;
  };
  void stop_sending();

  State state_ = State::kProbe;
  Zxid match_;
  Zxid sent_;
  Zxid probed_;  // prev of the last message
  SteadyTimeMs probed_at_;
  bool is_paused_ = false;  // probing
  std::deque<InFlight> in_flight_;
  std::size_t in_flight_bytes_ = 0;
  bool is_reading_ = false;
  bool is_reading_void_ = false;
  std::optional<LinkId> snapshot_link_;
  std::optional<Zxid> snapshot_;
};

}  // namespace synod::consensus::raft
