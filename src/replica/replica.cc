#include "replica/replica.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/mutation.h"
#include "jute/codec.h"
#include "replica/entry_forms.h"
#include "replica/recovery_loader.h"

namespace synod::replica {
namespace {

using jute::OpCode;

// So many transactions are applied before readers get their turn again.
constexpr int kApplySlice = 256;

Journal::Options journal_options(const Options& options) {
  return {.directory = options.directory,
          .log = {.log_dir = options.directory.logs(),
                  .preallocate_bytes = options.log_preallocate_bytes,
                  .size_limit_bytes = options.log_size_limit_bytes,
                  .is_flushing = options.is_flushing},
          .compression = options.snapshots.compression,
          .warning_threshold_ms = options.log_warning_threshold_ms};
}

const EntryForms kEntryForms;

consensus::Beginning beginning_of(storage::RecoveryReport& recovery,
                                  std::vector<consensus::Configuration> configurations,
                                  std::uint64_t seed, Time now) {
  std::vector<consensus::Entry> recent;
  recent.reserve(recovery.recent.size());
  for (storage::LoggedEntry& entry : std::exchange(recovery.recent, {})) {
    recent.push_back({entry.zxid, std::move(entry.bytes)});
  }
  return {.last_logged = std::max(recovery.last_zxid, Zxid{}),
          .recent = std::move(recent),
          .epoch_ends = std::exchange(recovery.epoch_ends, {}),
          .configurations = std::move(configurations),
          .accepted_epoch = recovery.promised_epoch(),
          .current_epoch = recovery.synchronised_epoch(),
          .voted_for = recovery.voted_for(),
          .has_memory = recovery.has_memory && recovery.last_zxid != storage::kNoDatabase,
          .now = now.steady,
          .seed = seed,
          .forms = &kEntryForms};
}

}  // namespace

// ---- start and stop ---------------------------------------------------------------------------

Result<std::unique_ptr<Replica>> Replica::open(storage::FilePort& files, Links& links, Host& host,
                                               std::unique_ptr<consensus::Engine> engine,
                                               Options options, Time now) {
  RecoveryLoader loader(options.owner_rules);
  auto recovery = storage::recover(files, options.directory, options.recovery, loader);
  if (!recovery) return std::unexpected(recovery.error());
  if (recovery->last_zxid == storage::kNoDatabase && !options.recovery.is_member) {
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
  auto tree = loader.finish();
  std::unique_ptr<Replica> replica(new Replica(
      files, links, host, std::move(engine), std::move(options), std::move(tree),
      loader.take_configurations(), std::move(*recovery), std::move(*files_there), now));
  // Java refuses a directory that holds a log and no snapshot.
  // ZooKeeper takes one of a tail that may be cut off again; only there bug 20 can be seen.
  const bool is_mutant =
      is_mutated(Mutation::kSnapshotOfUncommitted) || is_mutated(Mutation::kSnapshotSurvivesTrunc);
  if ((is_without_snapshot && !replica->is_provisional()) ||
      (is_mutant && replica->is_provisional())) {
    if (auto taken = replica->snapshotter_.take_now(*replica->state_); !taken)
      return std::unexpected(taken.error());
  }
  return replica;
}

Replica::Replica(storage::FilePort& files, Links& links, Host& host,
                 std::unique_ptr<consensus::Engine> engine, Options options,
                 std::unique_ptr<state::State> state,
                 std::vector<consensus::Configuration> configurations,
                 storage::RecoveryReport recovery, storage::PurgeInput files_there, Time now)
    : files_(files),
      links_(links),
      host_(host),
      options_(std::move(options)),
      state_(std::move(state)),
      recovery_(std::move(recovery)),
      primary_(*state_, options_.primary),
      engine_(std::move(engine)),
      snapshotter_(files, handles_, options_.directory, options_.snapshots, std::move(files_there),
                   options_.seed),
      journal_(files, handles_, snapshotter_,
               {options_.directory.snapshots(), recovery_.accepted_epoch, recovery_.current_epoch,
                recovery_.vote},
               journal_options(options_), std::max(recovery_.last_zxid, Zxid{})),
      sender_(links, *state_),
      feeder_(files, links, options_.directory, options_.snapshot_size_factor),
      sessions_(options_.tick_ms),
      local_(options_.tick_ms),
      reaper_(options_.reaper),
      throttle_(options_.connection_throttle, options_.seed, now.steady),
      paused_since_(now.steady) {
  const auto time = static_cast<std::uint64_t>(now.wall.value);
  last_session_id_ =
      static_cast<std::int64_t>((std::uint64_t{options_.server_id} << 56) | ((time << 24) >> 8));
  for (const auto& [id, timeout_ms] : state_->sessions()) sessions_.add(id, timeout_ms, now.steady);
  note_config(now);
  engine_->start(beginning_of(recovery_, std::move(configurations), options_.seed, now));
  run(now);
}

Lane& Replica::add_lane() {
  lanes_.push_back(std::make_unique<Lane>(*state_));
  lanes_.back()->is_paused = !status_.is_serving;
  return *lanes_.back();
}

Result<void> Replica::stop() {
  SYNOD_ASSERT(is_log_idle());
  return files_.perform(journal_.stop());
}

// ---- events -----------------------------------------------------------------------------------

void Replica::advance(Time now) { run(now); }

void Replica::tick(Time now) {
  if (failure_) return;
  engine_->tick(now.steady);
  journal_.hold_over();
  drop_stalled_snapshot(now);
  if (is_serving()) expire_local_sessions(now);
  if (is_serving() && is_leading()) {
    expire_sessions(now);
    reap(now);
  }
  run(now);
  const bool is_paused_too_long =
      !status_.is_serving && now.steady.value - paused_since_.value > options_.max_pause_ms;
  if (is_paused_too_long || is_turning_clients_away()) end_all_clients();
}

void Replica::io_done(storage::IoToken token, Result<void> result, Time now) {
  if (failure_) return;
  engine_->tick(now.steady);
  if (snapshotter_.io_done(token, result)) {
    if (const auto problem = snapshotter_.take_failure()) {
      warnings_.push_back("a snapshot could not be written, the next attempt follows later: " +
                          problem->text);
    }
  } else if (!feeder_.io_done(token, result)) {
    const bool is_of_journal = journal_.io_done(token, result, now.steady);
    SYNOD_ASSERT(is_of_journal);
  }
  run(now);
}

void Replica::hold_over(Time now) {
  journal_.hold_over();
  journal_.advance(now.steady);
}

void Replica::accepted(LinkId link, consensus::Port port, Time now) {
  if (failure_) return;
  engine_->tick(now.steady);
  engine_->accepted(link, port);
  run(now);
}

void Replica::linked(LinkId link, Time now) {
  if (failure_) return;
  engine_->tick(now.steady);
  engine_->linked(link);
  run(now);
}

void Replica::unlinked(LinkId link, Time now) {
  if (failure_) return;
  engine_->tick(now.steady);
  link_gone(link);
  if (receiving_ && receiving_->link == link)
    snapshot_link_gone();
  else
    engine_->unlinked(link);
  run(now);
}

void Replica::received(LinkId link, BytesView bytes, Time now) {
  if (failure_) return;
  engine_->tick(now.steady);
  if (receiving_ && receiving_->link == link)
    take_snapshot_bytes(bytes, now);
  else
    engine_->received(link, bytes);
  run(now);
}

void Replica::drained(LinkId link, Time now) {
  if (failure_) return;
  sender_.drained(link);
  run(now);
}

// ---- the turn ---------------------------------------------------------------------------------

// Answering may free requests that waited in their connections, what is durable lets the engine go
// on, and so forth: it goes round until all is still.
void Replica::run(Time now) {
  bool is_progress = true;
  while (is_progress && !failure_) {
    gather();
    is_progress = take_submissions(now);
    ask_read_index();
    is_progress |= take_effects(now);
    is_progress |= apply_committed(now);
    journal_.advance(now.steady);
    feeder_.advance(journal_.durable());
    is_progress |= tell_answers(now);
  }
  count_outstanding();
}

// What the disk has done, told to the engine.
bool Replica::tell_answers(Time now) {
  for (std::string& warning : journal_.take_warnings()) warnings_.push_back(std::move(warning));
  if (journal_.failure()) failure_ = journal_.failure();
  if (failure_) return false;
  std::vector<Answer> answers = journal_.take_answers();
  for (Answer& answer : answers) {
    if (const auto* durable = std::get_if<answer::Durable>(&answer)) {
      engine_->durable(durable->up_to);
    } else if (const auto* cut = std::get_if<answer::WasCut>(&answer)) {
      was_cut(cut->last, now);
    } else if (auto* tree = std::get_if<answer::Installed>(&answer)) {
      installed(std::move(tree->tree), now);
    } else {
      engine_->epochs_saved();
    }
  }
  std::vector<LogFeeder::Part> parts = feeder_.take_parts();
  for (LogFeeder::Part& part : parts) {
    engine_->log_read(part.link, std::move(part.entries), part.is_end);
  }
  return !answers.empty() || !parts.empty();
}

bool Replica::take_effects(Time now) {
  bool is_progress = false;
  while (!failure_) {
    const consensus::Effects effects = engine_->drain();
    if (effects.empty()) break;
    is_progress = true;
    for (const consensus::Effect& effect : effects) {
      std::visit([&](const auto& what) { carry_out(what, now); }, effect);
      if (failure_) break;  // what is behind it may say that it was done
    }
  }
  return is_progress;
}

// ---- the log ----------------------------------------------------------------------------------

void Replica::carry_out(const consensus::effect::Append& append, Time /*now*/) {
  uncommitted_.push_back(append.entry);
  if (journal_.append(append.entry)) start_snapshot();
}

// Never of what may yet be cut; and a learner's snapshot has the tree's one walk for as long as it
// takes. It stays due until it can be taken.
void Replica::start_snapshot() {
  if (is_provisional() || sender_.is_sending()) return;
  journal_.start_file();
  snapshotter_.start(*state_);
}

void Replica::carry_out(const consensus::effect::Cut& cut, Time /*now*/) {
  cut_tail_.clear();
  for (; !uncommitted_.empty() && uncommitted_.back().zxid > cut.after; uncommitted_.pop_back())
    cut_tail_.push_back(std::move(uncommitted_.back()));
  if (cut.after < state_->applied()) is_tree_stale_ = true;
  cut_after_ = cut.after;
  journal_.cut(cut.after);
}

void Replica::carry_out(const consensus::effect::SaveEpochs& epochs, Time /*now*/) {
  journal_.save_epochs(epochs);
}

void Replica::carry_out(const consensus::effect::Commit& commit, Time /*now*/) {
  committed_ = std::max(committed_, commit.up_to);
}

// ---- links ------------------------------------------------------------------------------------

void Replica::carry_out(const consensus::effect::Dial& dial, Time /*now*/) {
  links_.dial(dial.link, dial.server, dial.port, dial.endpoints);
}

void Replica::carry_out(const consensus::effect::Send& send, Time /*now*/) {
  if (is_mutated(Mutation::kSnapStopsWrites) && sender_.is_sending()) return;
  if (!sender_.send(send.link, send.bytes))
    drop_link(send.link, "the learner is too slow in taking the tree");
}

void Replica::carry_out(const consensus::effect::Close& close, Time /*now*/) {
  if (!close.reason.empty()) warnings_.push_back("a link to another server: " + close.reason);
  link_gone(close.link);
  if (receiving_ && receiving_->link == close.link) snapshot_link_gone();
  links_.close(close.link);
}

void Replica::link_gone(LinkId link) {
  sender_.gone(link);
  feeder_.gone(link);
  behind_sync_.erase(link);
  std::erase_if(waiters_,
                [&](const Waiter& waiter) { return !waiter.from && waiter.learner == link; });
  std::erase_if(opening_, [&](const auto& opening) {
    return !opening.second.from && opening.second.learner == link;
  });
}

// What is nonsense on a link costs that link, and no more.
void Replica::drop_link(LinkId link, const std::string& why) {
  warnings_.push_back("a link to another server was closed: " + why);
  link_gone(link);
  links_.close(link);
  engine_->unlinked(link);
}

void Replica::carry_out(const consensus::effect::SendSnapshot& snapshot, Time now) {
  apply_committed(now);
  SYNOD_ASSERT(!is_tree_stale_ && is_due(snapshot.zxid));
  snapshotter_.give_up();
  sender_.start(snapshot.link);
}

void Replica::carry_out(const consensus::effect::ReceiveSnapshot& snapshot, Time now) {
  SYNOD_ASSERT(!receiving_);
  receiving_ =
      Receiving{.link = snapshot.link,
                .zxid = snapshot.zxid,
                .intake = std::make_unique<SnapshotIntake>(options_.owner_rules, snapshot.zxid),
                .rest = {},
                .heard_at = now.steady};
  take_snapshot_bytes(snapshot.first_bytes, now);
}

void Replica::carry_out(const consensus::effect::ReadLog& range, Time /*now*/) {
  feeder_.start(range.link, range.after, range.up_to);
}

void Replica::carry_out(const consensus::effect::Warn& warning, Time /*now*/) {
  warnings_.push_back(warning.text);
}

// ---- what the engine decides, and what others say ---------------------------------------------

void Replica::carry_out(const consensus::effect::StatusChanged& change, Time now) {
  // Whether a learner votes is no matter to its clients.
  consensus::Status as_before = change.status;
  if (!is_leading() && as_before.role != consensus::Role::kLeading) as_before.role = status_.role;
  if (status_.is_serving && as_before == status_) {
    status_ = change.status;
    return;
  }
  if (status_.is_serving) {
    apply_committed(now);  // who waits for that is answered yet
    stop_serving(now);
  }
  status_ = change.status;
  if (!status_.is_serving) return;
  apply_committed(now);
  start_serving(now);
}

void Replica::carry_out(const consensus::effect::Deliver& delivery, Time now) {
  if (!is_serving()) return;
  using Kind = consensus::ServiceMessage::Kind;
  const consensus::ServiceMessage& message = delivery.message;
  switch (message.kind) {
    case Kind::kRequest:
      return take_forwarded(delivery.from, message, now);
    case Kind::kTouches:
      return take_touches(message.data, now);
    case Kind::kRevalidate:
      return revalidate(delivery.from, message.data, now);
    case Kind::kRevalidated:
      return take_revalidated(message.data, now);
    case Kind::kSynced:
      return take_synced();
    case Kind::kTouchesWanted:
      return send_touches(now);
  }
}

void Replica::carry_out(const consensus::effect::ReadIndex& index, Time /*now*/) {
  for (Waiter& waiter : waiters_) {
    if (waiter.token == 0 || waiter.token > index.token) continue;
    waiter.token = 0;
    waiter.after = std::max(waiter.after, index.zxid);
  }
}

// ---- committed transactions -------------------------------------------------------------------

bool Replica::is_due(Zxid after) const {
  return uncommitted_.empty() || uncommitted_.front().zxid > after;
}

// True: something was applied or finished.
bool Replica::apply_committed(Time now) {
  if (is_tree_stale_) return false;
  const auto can_finish = [&] {
    return !waiters_.empty() && waiters_.front().token == 0 && is_due(waiters_.front().after);
  };
  const auto can_apply = [&] {
    return !uncommitted_.empty() && uncommitted_.front().zxid <= committed_;
  };
  bool is_progress = false;
  while (can_finish() || can_apply()) {
    const ReadersPaused paused(host_);
    for (int i = 0; i < kApplySlice && !failure_; ++i) {
      if (can_finish()) {
        const Waiter waiter = std::move(waiters_.front());
        waiters_.pop_front();
        finish(waiter, now);
      } else if (can_apply()) {
        const consensus::Entry entry = std::move(uncommitted_.front());
        uncommitted_.pop_front();
        apply(entry, now);
      } else {
        break;
      }
      is_progress = true;
    }
    if (failure_) return false;
  }
  return is_progress;
}

// The order is the promise: the change, then everyone's events, then the reply.
void Replica::apply(const consensus::Entry& entry, Time now) {
  if (entry.zxid <= state_->applied()) return;  // the tree came with it
  const auto txn = jute::decode_txn(*entry.bytes);
  if (!txn) {
    failure_ = Error{ErrorKind::kMalformed,
                     fmt::format("the leader committed 0x{:x}, which this server cannot read: {}",
                                 entry.zxid.value, txn.error().text)};
    return;
  }
  const state::ApplyResult& result = state_->apply(*txn);
  primary_.applied(txn->header.zxid);
  if (result.is_digest_mismatch && !is_digest_muted_ && digest_mismatches_++ == 0) {
    warnings_.push_back(
        fmt::format("the tree's digest differs from the one predicted for zxid 0x{:x}; "
                    "please report this",
                    txn->header.zxid.value));
  }
  if (!is_digest_muted_) digests_.note(txn->header.zxid, state_->tree().digest());
  const state::ChangeList& changes = state_->changes();
  for (const auto& lane : lanes_) {
    for (std::size_t i = 0; i < changes.size(); ++i) lane->watches.fire(changes[i]);
  }
  if (txn->header.type == OpCode::kCreateSession || txn->header.type == OpCode::kCloseSession) {
    after_session_txn(*txn, result, now);
  } else if (const auto connection = connection_of(txn->header.client_id)) {
    if (!answer(*connection, txn->header.cxid, result, now)) connection->note_foreign_write();
  }
}

Replica::Connection Replica::connection_of(SessionId session) const {
  auto connection = sessions_.connection_of(session);
  return connection || local_.size() == 0 ? connection : local_.connection_of(session);
}

// False: it was not this connection's request.
bool Replica::answer(ClientConnection& connection, std::int32_t cxid,
                     const state::ApplyResult& result, Time now) {
  if (!connection.answer(cxid, result, now.steady)) return false;
  if (forwarded_ > 0) --forwarded_;
  return true;
}

void Replica::after_session_txn(const jute::Txn& txn, const state::ApplyResult& result, Time now) {
  const SessionId session = txn.header.client_id;
  if (txn.header.type == OpCode::kCloseSession) {
    const auto connection = sessions_.connection_of(session);
    sessions_.remove(session);
    if (!connection) return;
    if (!answer(*connection, txn.header.cxid, result, now)) connection->end();
    return;
  }
  const std::int32_t timeout_ms = std::get<jute::CreateSessionTxn>(txn.record).timeout_ms;
  sessions_.add(session, timeout_ms, now.steady);
  const auto opening = opening_.extract(session);
  if (opening.empty()) return;
  const auto& [from, learner, was_local] = opening.mapped();
  if (!from) return (void)sessions_.move_to(session, learner, now.steady);
  if (was_local) local_.remove(session);
  if (from->is_gone()) return;
  if (!was_local) from->session_opened(session, timeout_ms);
  sessions_.attach(session, timeout_ms, from, now.steady);
}

void Replica::count_outstanding() {
  const std::size_t count =
      (status_.is_serving ? uncommitted_.size() : 0) + waiters_.size() + forwarded_;
  outstanding_.store(count, std::memory_order_relaxed);
  const bool is_congested = count >= options_.max_outstanding;
  if (lanes_.empty() || lanes_.front()->is_core_congested == is_congested) return;
  const ReadersPaused paused(host_);
  for (const auto& lane : lanes_) lane->is_core_congested = is_congested;
}

}  // namespace synod::replica
