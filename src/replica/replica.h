// One server, deterministic: engine, primary, state and storage ports as one state machine. Events
// go in by the calls below, all from one thread (the core's); what follows goes out through the
// file port and into the outputs of connections.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
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
#include "replica/digest_log.h"
#include "replica/journal.h"
#include "replica/lane.h"
#include "replica/links.h"
#include "replica/log_feeder.h"
#include "replica/reaper.h"
#include "replica/service_records.h"
#include "replica/session_tracker.h"
#include "replica/snapshot_sender.h"
#include "replica/snapshot_stream.h"
#include "replica/snapshotter.h"
#include "state/state.h"
#include "storage/data_directory.h"
#include "storage/file_port.h"
#include "storage/recovery.h"

namespace synod::replica {

// What the replica needs from whoever runs it.
class Host {
 public:
  // Between these two calls no connection thread reads the state or touches a connection.
  virtual void pause_readers() = 0;
  virtual void resume_readers() = 0;
  // This membership is decided (Membership::to_text()): whoever starts this server again starts it
  // with that. On disk when it returns; an error ends this server as one of its log's does.
  [[nodiscard]] virtual Result<void> configured(std::string_view /*membership*/) { return {}; }

 protected:
  ~Host() = default;
};

class ReadersPaused {
 public:
  explicit ReadersPaused(Host& host) : host_(host) { host_.pause_readers(); }
  ~ReadersPaused() { host_.resume_readers(); }
  ReadersPaused(const ReadersPaused&) = delete;
  ReadersPaused& operator=(const ReadersPaused&) = delete;

 private:
  Host& host_;
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
  // A peer that lags gets entries from the log on disk while that is no larger than this part of
  // the newest snapshot (snapshotSizeFactor; 0: always, negative: never).
  double snapshot_size_factor = 0.33;
  bool is_flushing = true;                       // forceSync
  std::int64_t log_warning_threshold_ms = 1000;  // fsync.warningthresholdms
  std::int64_t tick_ms = 2000;
  // Of an ensemble's member, for /zookeeper/config, as its files say it; empty: the node is left
  // alone.
  std::string config_text;
  Zxid config_version;
  std::size_t min_voters = 2;  // a reconfig leaves no fewer (1: standaloneEnabled=false)
  // Sessions that only this server knows of, as long as they make no ephemeral node.
  bool has_local_sessions = false;       // localSessionsEnabled
  bool upgrades_local_sessions = false;  // localSessionsUpgradingEnabled
  bool leader_serves = true;             // leaderServes
  // Clients are kept for so long while nobody serves them (syncLimit ticks).
  std::int64_t max_pause_ms = 10'000;
  std::size_t max_outstanding = 1000;  // globalOutstandingLimit
  std::uint8_t server_id = 1;          // in session ids; a standalone Java server uses 1 too
  std::uint64_t seed = 0;
};

// Bytes of what a leader proposed since it leads; -1: nothing yet.
struct ProposalSizes {
  std::int64_t last = -1;
  std::int64_t min = -1;
  std::int64_t max = -1;
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
  [[nodiscard]] std::vector<consensus::Instance> instances() const { return engine_->instances(); }
  [[nodiscard]] const ProposalSizes& proposal_sizes() const { return proposal_sizes_; }

  // The log waits for a moment before its next batch; the host then calls hold_over() some 100
  // microseconds later (the next tick ends the wait at the latest).
  [[nodiscard]] bool is_holding() const { return journal_.is_holding(); }
  void hold_over(Time now);

  // Nothing is on its way to the log, and nothing waits to go there.
  [[nodiscard]] bool is_idle() const { return is_log_idle() && outstanding() == 0; }
  // Nothing is on its way to the log. Of a member that hears of the others no more this is all
  // there is to wait for: what it proposed or forwarded nobody will answer.
  [[nodiscard]] bool is_log_idle() const { return journal_.is_idle(); }
  // The last word to the disk, blocking; only when the log is idle, and then nothing else may be
  // called.
  [[nodiscard]] Result<void> stop();

  // Set once, for good: the log could not be written or flushed. Nothing is answered any more; the
  // process must end (and never retry: what a failed flush lost stays lost).
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
  // Things that an operator should hear of; told once.
  [[nodiscard]] std::vector<std::string> take_warnings() { return std::exchange(warnings_, {}); }

  [[nodiscard]] const state::State& state() const { return *state_; }
  // Of transactions applied since the start, readers paused.
  [[nodiscard]] const DigestLog& digests() const { return digests_; }
  [[nodiscard]] const storage::RecoveryReport& recovery() const { return recovery_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Lane>>& lanes() const { return lanes_; }
  // Requests under way here. Any thread.
  [[nodiscard]] std::size_t outstanding() const {
    return outstanding_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t session_count() const { return sessions_.size() + local_.size(); }

 private:
  using LinkId = consensus::LinkId;
  using Connection = std::shared_ptr<ClientConnection>;

  // Something to be done once everything up to `after` is applied.
  struct Waiter {
    enum class Kind : std::uint8_t { kResume, kSync, kRevalidate } kind{};
    Zxid after;
    Connection from;              // null: a learner's
    LinkId learner;               // kSync, kRevalidate
    std::uint64_t ticket = 0;     // kSync
    std::uint64_t token = 0;      // kSync: of the read index it waits for; 0: for none
    SessionId session;            // kResume, kRevalidate
    std::int32_t timeout_ms = 0;  // kResume
  };
  // A session on its way into the log: who hears of it.
  struct Opening {
    Connection from;  // null: a client of `learner`
    LinkId learner;
    bool was_local = false;  // and is connected here
  };
  // A session that the leader was asked about.
  struct Revalidating {
    Connection from;
    std::int32_t timeout_ms = 0;
    bool is_kept = false;  // it was connected here before there was this leader
  };
  struct Syncing {  // a client's sync
    Connection from;
    std::uint64_t ticket = 0;
  };
  // A tree that comes from the leader, or is on its way to the disk.
  struct Receiving {
    LinkId link;
    Zxid zxid;
    std::unique_ptr<SnapshotIntake> intake;  // null: it is complete
    Bytes rest;                              // came behind it
    SteadyTimeMs heard_at;
    bool is_link_gone = false;
  };

  Replica(storage::FilePort& files, Links& links, Host& host,
          std::unique_ptr<consensus::Engine> engine, Options options,
          std::unique_ptr<state::State> state, std::vector<consensus::Configuration> configurations,
          storage::RecoveryReport recovery, storage::PurgeInput files_there, Time now);

  // ---- replica.cc: the turn, the engine's effects, the log and the tree
  void run(Time now);
  bool tell_answers(Time now);
  bool take_effects(Time now);
  void carry_out(const consensus::effect::Append& append, Time now);
  void carry_out(const consensus::effect::Cut& cut, Time now);
  void carry_out(const consensus::effect::SaveEpochs& epochs, Time now);
  void carry_out(const consensus::effect::Commit& commit, Time now);
  void carry_out(const consensus::effect::StatusChanged& change, Time now);
  void carry_out(const consensus::effect::Configured& configured, Time now);
  void carry_out(const consensus::effect::Dial& dial, Time now);
  void carry_out(const consensus::effect::Send& send, Time now);
  void carry_out(const consensus::effect::Close& close, Time now);
  void carry_out(const consensus::effect::SendSnapshot& snapshot, Time now);
  void carry_out(const consensus::effect::ReceiveSnapshot& snapshot, Time now);
  void carry_out(const consensus::effect::ReadLog& range, Time now);
  void carry_out(const consensus::effect::Deliver& delivery, Time now);
  void carry_out(const consensus::effect::ReadIndex& index, Time now);
  void carry_out(const consensus::effect::Warn& warning, Time now);
  void link_gone(LinkId link);
  void drop_link(LinkId link, const std::string& why);
  void start_snapshot();
  [[nodiscard]] bool is_due(Zxid after) const;
  bool apply_committed(Time now);
  void apply_next(Time now);
  void apply(const consensus::Entry& entry, Time now);
  void after_session_txn(const jute::Txn& txn, const state::ApplyResult& result, Time now);
  [[nodiscard]] Connection connection_of(SessionId session) const;
  bool answer(ClientConnection& connection, std::int32_t cxid, const state::ApplyResult& result,
              Time now);
  void count_outstanding();
  // Uncommitted transactions may be in it: nothing of it may be served, or written as a snapshot.
  [[nodiscard]] bool is_provisional() const {
    return is_tree_stale_ || committed_ < state_->applied();
  }

  // ---- replacing.cc: another tree takes the place of this one
  void was_cut(std::optional<Zxid> last, Time now);
  void take_snapshot_bytes(BytesView bytes, Time now);
  void drop_stalled_snapshot(Time now);
  void snapshot_link_gone();
  void installed(std::unique_ptr<state::State> tree, Time now);
  void replace_tree(state::State& by, Time now);
  void note_config(Time now);

  // ---- serving.cc: clients
  void gather();
  bool take_submissions(Time now);
  void take(Submission submission, Time now);
  void abandon_former_connection(const Submission& submission);
  [[nodiscard]] bool is_admitted(const Submission& submission, Time now);
  void open_session(Submission submission, Time now);
  void sync(Syncing syncing);
  void finish(const Waiter& waiter, Time now);
  void resume(const Waiter& waiter, Time now);
  void gone(const Connection& connection, Time now);
  void start_serving(Time now);
  void stop_serving(Time now);
  void end_all_clients();
  [[nodiscard]] SessionId next_session_id();
  // The engine may know better already than the effects carried out so far.
  [[nodiscard]] bool is_serving() const {
    return status_.is_serving && engine_->status().is_serving;
  }
  [[nodiscard]] bool is_leading() const { return status_.role == consensus::Role::kLeading; }

  template <class Visit>
  void for_each_client(const Visit& visit) const {
    sessions_.for_each_connection(visit);
    local_.for_each_connection(visit);
  }

  // ---- local_sessions.cc
  void open_local_session(const Connection& from, std::int32_t timeout_ms, Time now);
  [[nodiscard]] bool resume_local_session(const Submission& submission, Time now);
  [[nodiscard]] bool is_settled_here(const Submission& submission, Time now);
  void upgrade(const Connection& from, SessionId session, Time now);
  void expire_local_sessions(Time now);
  [[nodiscard]] bool may_be_local(SessionId session) const;

  // Clients had better try elsewhere: another server serves, or this one is no member (any more).
  [[nodiscard]] bool is_turning_clients_away() const;

  // ---- leading.cc: what only the leader does
  [[nodiscard]] std::optional<jute::ErrorCode> propose(const primary::Request& request, Time now);
  void plan_membership(primary::Request& request);
  void propose_write(Submission submission, Time now);
  void await_read_index(Waiter waiter);
  void ask_read_index();
  void take_forwarded(LinkId learner, consensus::ServiceMessage message, Time now);
  void answer_forwarded_sync(LinkId learner, Time now);
  void release(ClientConnection& connection, SessionId session);
  void propose_forwarded(LinkId learner, primary::Request request, Time now);
  void take_touches(BytesView touches, Time now);
  void revalidate(LinkId learner, BytesView question, Time now);
  void answer_revalidation(LinkId learner, SessionId session);
  void expire_sessions(Time now);
  void reap(Time now);

  // ---- learning.cc: what only followers and observers do
  void forward(const primary::Request& request);
  void forward_write(Submission submission, Time now);
  void forward_sync(Syncing syncing);
  void ask_about(SessionId session, Revalidating question);
  void take_revalidated(BytesView answer, Time now);
  void take_synced();
  void send_touches(Time now);

  storage::FilePort& files_;
  Links& links_;
  Host& host_;
  Options options_;
  std::unique_ptr<state::State> state_;  // always this object: others refer to it
  storage::RecoveryReport recovery_;
  primary::Primary primary_;
  std::unique_ptr<consensus::Engine> engine_;
  storage::FileHandleSource handles_;
  Snapshotter snapshotter_;
  Journal journal_;
  SnapshotSender sender_;
  LogFeeder feeder_;
  SessionTracker sessions_;
  SessionTracker local_;  // local sessions of this server
  Reaper reaper_;
  ConnectionThrottle throttle_;
  std::vector<std::unique_ptr<Lane>> lanes_;

  // The log's end as the tree has not got it yet.
  std::deque<consensus::Entry> uncommitted_;
  Zxid committed_;
  // The log was cut below what is in the tree, and the tree is not yet what the disk now says.
  bool is_tree_stale_ = false;
  Zxid cut_after_;                          // what the last cut asked for
  std::vector<consensus::Entry> cut_tail_;  // gone with it, the last first
  // The tree came from a Java leader, who changed it while sending: its digest means something only
  // when everything that was on its way then is applied.
  bool is_digest_muted_ = false;
  std::optional<Receiving> receiving_;

  consensus::Status status_;  // as far as the effects have been carried out
  std::vector<Submission> inbox_;
  std::deque<Waiter> waiters_;  // those of a read index aside, `after` never falls
  std::map<SessionId, Opening> opening_;
  std::atomic<std::size_t> outstanding_ = 0;  // for others to read
  SteadyTimeMs paused_since_;
  std::int64_t last_session_id_ = 0;

  // Of the leader.
  Zxid proposed_;
  ProposalSizes proposal_sizes_;
  std::uint64_t last_read_index_ = 0;
  bool wants_read_index_ = false;
  // A Java learner takes the answer to a sync for the next thing its session waits for: what it
  // forwarded after a sync is not even looked at before that is answered.
  struct BehindSync {
    int syncs = 0;  // without an answer
    std::deque<consensus::ServiceMessage> held;
  };
  std::map<LinkId, BehindSync> behind_sync_;

  // Of a learner.
  std::size_t forwarded_ = 0;  // writes without an answer
  std::deque<Syncing> syncs_asked_;
  std::multimap<SessionId, Revalidating> revalidating_;
  SteadyTimeMs touches_sent_;

  std::uint64_t digest_mismatches_ = 0;
  DigestLog digests_;
  std::optional<Error> failure_;
  std::vector<std::string> warnings_;
};

}  // namespace synod::replica
