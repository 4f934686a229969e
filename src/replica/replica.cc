#include "replica/replica.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "jute/codec.h"
#include "replica/recovery_loader.h"

namespace synod::replica {
namespace {

using jute::ErrorCode;
using jute::OpCode;

// So many transactions are applied before readers get their turn again.
constexpr int kApplySlice = 256;
constexpr int kReapedPerTick = 1000;

class ReadersPaused {
 public:
  explicit ReadersPaused(Host& host) : host_(host) { host_.pause_readers(); }
  ~ReadersPaused() { host_.resume_readers(); }
  ReadersPaused(const ReadersPaused&) = delete;
  ReadersPaused& operator=(const ReadersPaused&) = delete;

 private:
  Host& host_;
};

storage::LogWriter::Options log_options(const Options& options) {
  return {.log_dir = options.directory.logs(),
          .preallocate_bytes = options.log_preallocate_bytes,
          .size_limit_bytes = options.log_size_limit_bytes,
          .is_flushing = options.is_flushing};
}

}  // namespace

// ---- start and stop ---------------------------------------------------------------------------

Result<std::unique_ptr<Replica>> Replica::open(storage::FilePort& files, Links& links, Host& host,
                                               std::unique_ptr<consensus::Engine> engine,
                                               Options options, Time now) {
  RecoveryLoader loader(options.owner_rules);
  auto recovery = storage::recover(files, options.directory, options.recovery, loader);
  if (!recovery) return std::unexpected(recovery.error());
  if (recovery->last_zxid == storage::kNoDatabase) {
    return fail(
        ErrorKind::kRefused,
        options.directory.data_dir +
            ": the data directory is empty and zookeeper.db.autocreate is false. Create the file " +
            options.directory.data_log_dir + "/initialize to start with an empty tree.");
  }
  if (loader.digest_mismatches() != 0) {
    recovery->warnings.push_back(
        fmt::format("{} transactions on disk carry a tree digest that differs from ours; the tree "
                    "was loaded as logged",
                    loader.digest_mismatches()));
  }
  auto files_there = storage::survey(files, options.directory);
  if (!files_there) return std::unexpected(files_there.error());
  const bool is_without_snapshot = !recovery->snapshot;
  std::unique_ptr<Replica> replica(new Replica(files, links, host, std::move(engine),
                                               std::move(options), loader.finish(),
                                               std::move(*recovery), std::move(*files_there), now));
  // Java refuses a directory that holds a log and no snapshot.
  if (is_without_snapshot) {
    if (auto taken = replica->snapshotter_.take_now(*replica->state_); !taken)
      return std::unexpected(taken.error());
  }
  return replica;
}

Replica::Replica(storage::FilePort& files, Links& links, Host& host,
                 std::unique_ptr<consensus::Engine> engine, Options options,
                 std::unique_ptr<state::State> state, storage::RecoveryReport recovery,
                 storage::PurgeInput files_there, Time now)
    : files_(files),
      links_(links),
      host_(host),
      options_(std::move(options)),
      state_(std::move(state)),
      recovery_(std::move(recovery)),
      primary_(*state_, options_.primary),
      engine_(std::move(engine)),
      log_(log_options(options_), handles_),
      snapshotter_(files, handles_, options_.directory, options_.snapshots, std::move(files_there),
                   options_.seed),
      sessions_(options_.tick_ms),
      reaper_(options_.reaper),
      throttle_(options_.connection_throttle, options_.seed, now.steady) {
  engine_->start({.last_logged = recovery_.last_zxid,
                  .recent = {},
                  .accepted_epoch = 0,
                  .current_epoch = 0,
                  .has_memory = true,
                  .now = now.steady,
                  .seed = options_.seed});
  proposed_ = committed_ = appended_ = recovery_.last_zxid;
  const auto time = static_cast<std::uint64_t>(now.wall.value);
  last_session_id_ =
      static_cast<std::int64_t>((std::uint64_t{options_.server_id} << 56) | ((time << 24) >> 8));
  for (const auto& [id, timeout_ms] : state_->sessions()) sessions_.add(id, timeout_ms, now.steady);
  take_effects();
}

Lane& Replica::add_lane() {
  lanes_.push_back(std::make_unique<Lane>(*state_));
  return *lanes_.back();
}

Result<void> Replica::stop() {
  SYNOD_ASSERT(is_idle());
  return files_.perform(log_.stop());
}

// ---- events -----------------------------------------------------------------------------------

void Replica::advance(Time now) { run(now); }

void Replica::tick(Time now) {
  if (failure_) return;
  pacer_.moment_over();
  expire_sessions(now);
  reap(now);
  run(now);
}

void Replica::io_done(storage::IoToken token, Result<void> result, Time now) {
  if (snapshotter_.io_done(token, result)) {
    if (const auto problem = snapshotter_.take_failure()) {
      warnings_.push_back("a snapshot could not be written, the next attempt follows later: " +
                          problem->text);
    }
    return;
  }
  SYNOD_ASSERT(token == log_token_ && is_log_busy_);
  is_log_busy_ = false;
  warn_of_slow_log(now);
  if (!result) {
    failure_ = result.error();
    return;
  }
  log_.note_flushed(on_its_way_);
  engine_->durable(on_its_way_);
  pacer_.flushed(unwritten_);
  run(now);
}

void Replica::hold_over(Time now) {
  pacer_.moment_over();
  write_log(now);
}

// ---- links ------------------------------------------------------------------------------------

void Replica::accepted(consensus::LinkId link, consensus::Port port, Time now) {
  engine_->tick(now.steady);
  engine_->accepted(link, port);
  run(now);
}

void Replica::linked(consensus::LinkId link, Time now) {
  engine_->tick(now.steady);
  engine_->linked(link);
  run(now);
}

void Replica::unlinked(consensus::LinkId link, Time now) {
  engine_->tick(now.steady);
  engine_->unlinked(link);
  run(now);
}

void Replica::received(consensus::LinkId link, BytesView bytes, Time now) {
  engine_->tick(now.steady);
  engine_->received(link, bytes);
  run(now);
}

void Replica::drained(consensus::LinkId /*link*/, Time now) { run(now); }

// ---- the turn ---------------------------------------------------------------------------------

// Answering may free requests that waited in their connections, so it goes round until all is
// still.
void Replica::run(Time now) {
  bool is_progress = true;
  while (is_progress && !failure_) {
    gather();
    for (Submission& submission : std::exchange(inbox_, {})) take(std::move(submission), now);
    take_effects();
    is_progress = apply_committed(now);
  }
  write_log(now);
}

void Replica::gather() {
  const ReadersPaused paused(host_);
  std::size_t large_request_bytes = 0;
  for (const auto& lane : lanes_) large_request_bytes += lane->large_request_bytes;
  for (const auto& lane : lanes_) {
    lane->large_request_bytes_elsewhere = large_request_bytes - lane->large_request_bytes;
    for (Submission& submission : lane->submitted) inbox_.push_back(std::move(submission));
    lane->submitted.clear();
  }
}

// ---- requests become proposals ----------------------------------------------------------------

void Replica::take(Submission submission, Time now) {
  if (!is_admitted(submission, now)) {
    const ReadersPaused paused(host_);
    return submission.from->end("too many sessions at a time (connection_throttle_tokens)");
  }
  switch (submission.kind) {
    case Submission::Kind::kOpenSession:
      return open_session(std::move(submission), now);
    case Submission::Kind::kResumeSession:
      return queue({.kind = InFlight::Kind::kResume,
                    .after = proposed_,
                    .txn = nullptr,
                    .from = std::move(submission.from),
                    .session = submission.request.session,
                    .timeout_ms = submission.timeout_ms});
    case Submission::Kind::kWrite:
      return propose(submission.request, std::move(submission.from), now);
    case Submission::Kind::kSync:
      return queue({.kind = InFlight::Kind::kSync,
                    .after = proposed_,
                    .txn = nullptr,
                    .from = std::move(submission.from),
                    .session = {}});
    case Submission::Kind::kGone: {
      const ReadersPaused paused(host_);
      return sessions_.detach(submission.from->session(), *submission.from, now.steady);
    }
  }
}

bool Replica::is_admitted(const Submission& submission, Time now) {
  switch (submission.kind) {
    case Submission::Kind::kOpenSession:
      return throttle_.admits_new(now.steady);
    case Submission::Kind::kResumeSession:
      return throttle_.admits_resumed(now.steady);
    case Submission::Kind::kWrite:
    case Submission::Kind::kSync:
    case Submission::Kind::kGone:
      return true;
  }
  return true;
}

void Replica::open_session(Submission submission, Time now) {
  primary::Request request{
      .session = next_session_id(), .type = OpCode::kCreateSession, .body = {}, .ids = nullptr};
  request.body = jute::encode(jute::CreateSessionTxn{submission.timeout_ms});
  propose(request, std::move(submission.from), now);
}

SessionId Replica::next_session_id() {
  SessionId id;
  do {
    id = {++last_session_id_};
  } while (id.value == INT64_MIN ||
           state_->sessions().contains(id));  // that number marks containers
  return id;
}

void Replica::propose(const primary::Request& request, std::shared_ptr<ClientConnection> from,
                      Time now) {
  const Zxid zxid = engine_->next_zxid();
  primary::Prepared prepared = primary_.prepare(request, zxid, now.wall);
  if (prepared.txn.empty()) {
    if (from) {
      queue({.kind = InFlight::Kind::kError,
             .after = proposed_,
             .txn = nullptr,
             .from = std::move(from),
             .session = {},
             .error = prepared.error});
    }
    return;
  }
  auto txn = std::make_shared<const Bytes>(std::move(prepared.txn));
  engine_->propose({zxid, txn});
  proposed_ = zxid;
  queue({.kind = InFlight::Kind::kTxn,
         .after = zxid,
         .txn = std::move(txn),
         .from = std::move(from),
         .session = {}});
}

// ---- the log ----------------------------------------------------------------------------------

void Replica::take_effects() {
  for (const consensus::Effect& effect : engine_->drain()) carry_out(effect);
}

void Replica::carry_out(const consensus::Effect& effect) {
  if (const auto* to_append = std::get_if<consensus::effect::Append>(&effect)) {
    append(to_append->entry);
  } else if (const auto* commit = std::get_if<consensus::effect::Commit>(&effect)) {
    committed_ = std::max(committed_, commit->up_to);
  }
}

void Replica::append(const consensus::Entry& entry) {
  const bool opens_file = log_.bytes_in_file() == 0;
  log_.append(entry.zxid, entry.bytes);
  appended_ = entry.zxid;
  ++unwritten_;
  if (opens_file) snapshotter_.log_opened(entry.zxid);
  snapshotter_.log_grew(log_.bytes_in_file());
  if (snapshotter_.appended(entry.bytes->size())) {
    log_.roll();
    snapshotter_.start(*state_);
  }
}

// Group commit: what arrives while a batch is being written goes into the next.
void Replica::write_log(Time now) {
  if (is_log_busy_ || failure_ || !log_.has_pending() || pacer_.should_wait(unwritten_)) return;
  is_log_busy_ = true;
  pacer_.written(std::exchange(unwritten_, 0));
  log_busy_since_ = now.steady;
  on_its_way_ = appended_;
  ++log_token_.value;
  files_.submit(storage::IoLane::kLog, log_token_, log_.take_batch());
}

void Replica::warn_of_slow_log(Time now) {
  const std::int64_t took_ms = now.steady.value - log_busy_since_.value;
  if (took_ms <= options_.log_warning_threshold_ms) return;
  warnings_.push_back(fmt::format(
      "writing and flushing the transaction log took {} ms (fsync.warningthresholdms is "
      "{}): every write waited for it; give the log a disk of its own (dataLogDir)",
      took_ms, options_.log_warning_threshold_ms));
}

// ---- committed transactions -------------------------------------------------------------------

// True: at least one item was finished.
bool Replica::apply_committed(Time now) {
  bool is_progress = false;
  while (!in_flight_.empty() && in_flight_.front().after <= committed_) {
    const ReadersPaused paused(host_);
    for (int i = 0;
         i < kApplySlice && !in_flight_.empty() && in_flight_.front().after <= committed_; ++i) {
      const InFlight item = std::move(in_flight_.front());
      in_flight_.pop_front();
      outstanding_.store(in_flight_.size(), std::memory_order_relaxed);
      finish(item, now);
      is_progress = true;
    }
  }
  spread_congestion();
  return is_progress;
}

void Replica::spread_congestion() {
  const bool is_congested = in_flight_.size() >= options_.max_outstanding;
  if (lanes_.empty() || lanes_.front()->is_core_congested == is_congested) return;
  const ReadersPaused paused(host_);
  for (const auto& lane : lanes_) lane->is_core_congested = is_congested;
}

void Replica::finish(const InFlight& item, Time now) {
  switch (item.kind) {
    case InFlight::Kind::kTxn:
      return apply(item, now);
    case InFlight::Kind::kResume:
      return resume(item, now);
    case InFlight::Kind::kSync:
      return item.from->answer_sync(now.steady);
    case InFlight::Kind::kError:
      return item.from->answer_error(item.error, now.steady);
  }
}

// The order is the promise: the change, then everyone's events, then the reply.
void Replica::apply(const InFlight& item, Time now) {
  const auto txn = jute::decode_txn(*item.txn);
  SYNOD_ASSERT(txn.has_value());  // we encoded it ourselves
  const state::ApplyResult& result = state_->apply(*txn);
  primary_.applied(txn->header.zxid);
  if (result.is_digest_mismatch && digest_mismatches_++ == 0) {
    warnings_.push_back(
        fmt::format("the tree's digest differs from the one predicted for zxid 0x{:x}; "
                    "please report this",
                    txn->header.zxid.value));
  }
  const state::ChangeList& changes = state_->changes();
  for (const auto& lane : lanes_) {
    for (std::size_t i = 0; i < changes.size(); ++i) lane->watches.fire(changes[i]);
  }
  if (txn->header.type == OpCode::kCreateSession || txn->header.type == OpCode::kCloseSession) {
    after_session_txn(*txn, item, now);
  } else if (item.from) {
    item.from->answer(result, now.steady);
  }
}

void Replica::after_session_txn(const jute::Txn& txn, const InFlight& item, Time now) {
  const SessionId session = txn.header.client_id;
  if (txn.header.type == OpCode::kCreateSession) {
    const std::int32_t timeout_ms = std::get<jute::CreateSessionTxn>(txn.record).timeout_ms;
    sessions_.add(session, timeout_ms, now.steady);
    if (!item.from || item.from->is_gone()) return;
    item.from->session_opened(session, timeout_ms);
    sessions_.attach(session, timeout_ms, item.from, now.steady);
    return;
  }
  const auto connection = sessions_.connection_of(session);
  sessions_.remove(session);
  if (item.from) item.from->answer(state::ApplyResult{}, now.steady);
  if (connection && connection != item.from) connection->end();
}

void Replica::resume(const InFlight& item, Time now) {
  if (!sessions_.contains(item.session) || !primary_.is_open(item.session)) {
    return item.from->session_refused();
  }
  if (item.from->is_gone()) return;
  const auto before = sessions_.attach(item.session, item.timeout_ms, item.from, now.steady);
  if (before && before != item.from) before->end();
  item.from->session_opened(item.session, item.timeout_ms);
}

// ---- what time brings -------------------------------------------------------------------------

void Replica::expire_sessions(Time now) {
  std::vector<SessionId> expired;
  {
    const ReadersPaused paused(host_);
    expired = sessions_.expire(now.steady);
  }
  for (const SessionId session : expired) {
    if (!primary_.is_open(session)) continue;  // it is closing already
    propose({.session = session, .type = OpCode::kCloseSession, .body = {}, .ids = nullptr},
            nullptr, now);
  }
}

void Replica::reap(Time now) {
  for (int i = 0; i < kReapedPerTick; ++i) {
    auto path = reaper_.next(state_->tree(), now.steady, now.wall);
    if (!path) return;
    propose(
        {.session = {}, .type = OpCode::kDeleteContainer, .body = std::move(*path), .ids = nullptr},
        nullptr, now);
  }
}

}  // namespace synod::replica
