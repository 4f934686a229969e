// One server, deterministic: engine, primary, state and storage ports as one state machine. Events
// go in by the calls below, all from one thread (the core's); what follows goes out through the
// file port and into the outputs of connections.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/random.h"
#include "consensus/engine.h"
#include "primary/primary.h"
#include "replica/client_connection.h"
#include "replica/connection_throttle.h"
#include "replica/flush_pacer.h"
#include "replica/lane.h"
#include "replica/links.h"
#include "replica/reaper.h"
#include "replica/session_tracker.h"
#include "replica/snapshotter.h"
#include "state/state.h"
#include "storage/data_directory.h"
#include "storage/file_port.h"
#include "storage/log_writer.h"
#include "storage/recovery.h"

namespace synod::replica {

// What the replica needs from whoever runs it.
class Host {
 public:
  // Between these two calls no connection thread reads the state or touches a connection.
  virtual void pause_readers() = 0;
  virtual void resume_readers() = 0;

 protected:
  ~Host() = default;
};

struct Options {
  storage::DataDirectory directory;
  storage::RecoveryOptions recovery;
  state::OwnerRules owner_rules;
  primary::Options primary;
  SnapshotOptions snapshots;
  ReaperOptions reaper;
  ConnectionThrottleOptions connection_throttle;
  std::uint64_t log_preallocate_bytes = std::uint64_t{64} << 20;  // preAllocSize
  std::uint64_t log_size_limit_bytes = 0;                         // txnLogSizeLimitInKb; 0: none
  bool is_flushing = true;                                        // forceSync
  std::int64_t log_warning_threshold_ms = 1000;                   // fsync.warningthresholdms
  std::int64_t tick_ms = 2000;
  std::size_t max_outstanding = 1000;  // globalOutstandingLimit
  std::uint8_t server_id = 1;          // in session ids; a standalone Java server uses 1 too
  std::uint64_t seed = 0;
};

struct Time {
  SteadyTimeMs steady;
  WallTimeMs wall;
};

class Replica {
 public:
  // Recovers the directory; blocks. An error says what to do about it.
  [[nodiscard]] static Result<std::unique_ptr<Replica>> open(
      storage::FilePort& files, Links& links, Host& host, std::unique_ptr<consensus::Engine> engine,
      Options options, Time now);

  // A new connection thread. Lanes live as long as the replica.
  Lane& add_lane();

  // Events. After each of them lanes may hold stirred connections, and failure() may be set.
  void advance(Time now);  // lanes hold submissions
  void tick(Time now);     // at least four times a tick, and at next_deadline()
  void io_done(storage::IoToken token, Result<void> result, Time now);

  // Events of links to other servers: see links.h. Numbers of accepted links are even.
  void accepted(consensus::LinkId link, consensus::Port port, Time now);
  void linked(consensus::LinkId link, Time now);
  void unlinked(consensus::LinkId link, Time now);
  void received(consensus::LinkId link, BytesView bytes, Time now);
  void drained(consensus::LinkId link, Time now);

  // Of the engine; nothing: it waits for events only.
  [[nodiscard]] std::optional<SteadyTimeMs> next_deadline() const {
    return engine_->next_deadline();
  }
  [[nodiscard]] const consensus::Status& status() const { return engine_->status(); }

  // The log waits for a moment before its next batch; the host then calls hold_over() some 100
  // microseconds later (the next tick ends the wait at the latest).
  [[nodiscard]] bool is_holding() const {
    return !is_log_busy_ && unwritten_ > 0 && pacer_.should_wait(unwritten_);
  }
  void hold_over(Time now);

  // Nothing is on its way to the log, and nothing waits to go there.
  [[nodiscard]] bool is_idle() const {
    return !is_log_busy_ && !log_.has_pending() && in_flight_.empty();
  }
  // The last word to the disk, blocking; only when idle, and then nothing else may be called.
  [[nodiscard]] Result<void> stop();

  // Set once, for good: the log could not be written or flushed. Nothing is answered any more; the
  // process must end (and never retry: what a failed flush lost stays lost).
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
  // Things that an operator should hear of; told once.
  [[nodiscard]] std::vector<std::string> take_warnings() { return std::exchange(warnings_, {}); }

  [[nodiscard]] const state::State& state() const { return *state_; }
  [[nodiscard]] const storage::RecoveryReport& recovery() const { return recovery_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Lane>>& lanes() const { return lanes_; }
  [[nodiscard]] std::size_t outstanding() const {
    return outstanding_.load(std::memory_order_relaxed);
  }  // any thread
  [[nodiscard]] std::size_t session_count() const { return sessions_.size(); }

 private:
  // Something to be done once everything up to `after` is applied; with a transaction: once that
  // is.
  struct InFlight {
    enum class Kind : std::uint8_t { kTxn, kResume, kSync, kError } kind{};
    Zxid after;
    SharedBytes txn;
    std::shared_ptr<ClientConnection> from;  // null: the server's own
    SessionId session;                       // kResume
    std::int32_t timeout_ms = 0;             // kResume
    jute::ErrorCode error{};                 // kError
  };

  Replica(storage::FilePort& files, Links& links, Host& host,
          std::unique_ptr<consensus::Engine> engine, Options options,
          std::unique_ptr<state::State> state, storage::RecoveryReport recovery,
          storage::PurgeInput files_there, Time now);

  void gather();
  [[nodiscard]] bool is_admitted(const Submission& submission, Time now);
  void take(Submission submission, Time now);
  void open_session(Submission submission, Time now);
  void propose(const primary::Request& request, std::shared_ptr<ClientConnection> from, Time now);
  void queue(InFlight item) {
    in_flight_.push_back(std::move(item));
    outstanding_.store(in_flight_.size(), std::memory_order_relaxed);
  }
  void take_effects();
  void carry_out(const consensus::Effect& effect);
  void append(const consensus::Entry& entry);
  void write_log(Time now);
  void warn_of_slow_log(Time now);
  bool apply_committed(Time now);
  void spread_congestion();
  void finish(const InFlight& item, Time now);
  void apply(const InFlight& item, Time now);
  void after_session_txn(const jute::Txn& txn, const InFlight& item, Time now);
  void resume(const InFlight& item, Time now);
  void expire_sessions(Time now);
  void reap(Time now);
  [[nodiscard]] SessionId next_session_id();
  void run(Time now);

  storage::FilePort& files_;
  Links& links_;
  Host& host_;
  Options options_;
  std::unique_ptr<state::State> state_;
  storage::RecoveryReport recovery_;
  primary::Primary primary_;
  std::unique_ptr<consensus::Engine> engine_;
  storage::FileHandleSource handles_;
  storage::LogWriter log_;
  Snapshotter snapshotter_;
  SessionTracker sessions_;
  Reaper reaper_;
  ConnectionThrottle throttle_;
  std::vector<std::unique_ptr<Lane>> lanes_;

  std::vector<Submission> inbox_;
  std::deque<InFlight> in_flight_;
  std::atomic<std::size_t> outstanding_ = 0;  // its size, for others to read
  Zxid proposed_;
  Zxid committed_;
  Zxid appended_;              // handed to the log
  Zxid on_its_way_;            // in the batch being written
  std::size_t unwritten_ = 0;  // transactions appended, in no batch yet
  FlushPacer pacer_;
  bool is_log_busy_ = false;
  SteadyTimeMs log_busy_since_;
  storage::IoToken log_token_{};
  std::int64_t last_session_id_ = 0;
  std::uint64_t digest_mismatches_ = 0;
  std::optional<Error> failure_;
  std::vector<std::string> warnings_;
};

}  // namespace synod::replica
