#include "replica/journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/mutation.h"
#include "storage/log_cut.h"
#include "storage/purge.h"
#include "storage/snapshot_install.h"

namespace synod::replica {

Journal::Journal(storage::FilePort& files, storage::FileHandleSource& handles,
                 Snapshotter& snapshotter, storage::EpochKeeper epochs, Options options,
                 Zxid last_logged)
    : files_(files),
      handles_(handles),
      snapshotter_(snapshotter),
      epochs_(std::move(epochs)),
      options_(std::move(options)),
      log_(options_.log, handles),
      appended_(last_logged),
      on_its_way_(last_logged),
      durable_(last_logged) {
  snapshotter_.log_is_durable(durable_);
}

// ---- what is asked for ------------------------------------------------------------------------

bool Journal::append(const consensus::Entry& entry) {
  if (tasks_.empty()) return write(entry);
  tasks_.back().entries_behind.push_back(entry);
  return false;
}

bool Journal::write(const consensus::Entry& entry) {
  const bool opens_file = log_.bytes_in_file() == 0;
  log_.append(entry.zxid, entry.bytes);
  appended_ = entry.zxid;
  ++unwritten_;
  if (opens_file) snapshotter_.log_opened(entry.zxid);
  snapshotter_.log_grew(log_.bytes_in_file());
  return snapshotter_.appended(entry.bytes->size());
}

void Journal::save_epochs(const consensus::effect::SaveEpochs& epochs) {
  tasks_.push_back({epochs, {}});
}

void Journal::cut(Zxid after) { tasks_.push_back({Cut{after, {}}, {}}); }

void Journal::install(std::unique_ptr<state::State> tree) {
  tasks_.push_back({Install{std::move(tree), nullptr, false}, {}});
}

// The batch on its way, if there is one, is a slice of the new snapshot. It is left to end by
// itself, and the task with it.
bool Journal::drop_install() {
  // Not one that was dropped before and is still ending.
  const auto found = std::ranges::find_if(tasks_, [](const Task& task) {
    const auto* install = std::get_if<Install>(&task.what);
    return install != nullptr && !install->is_dropped && !install->is_abandoned;
  });
  SYNOD_ASSERT(found != tasks_.end());
  auto& install = std::get<Install>(found->what);
  if (install.is_replacing) return false;
  SYNOD_ASSERT(found->entries_behind.empty());  // nothing is appended before it is answered
  if (install.writer)
    install.is_dropped = true;
  else
    tasks_.erase(found);
  return true;
}

// ---- the disk ---------------------------------------------------------------------------------

// Group commit: what arrives while a batch is being written goes into the next. A task waits for
// all that was appended before it, and nothing waits for a moment's patience then.
void Journal::advance(SteadyTimeMs now) {
  while (!is_busy_ && !failure_) {
    if (log_.has_pending()) {
      if (tasks_.empty() && pacer_.should_wait(unwritten_)) return;
      pacer_.written(std::exchange(unwritten_, 0));
      on_its_way_ = appended_;
      return submit(log_.take_batch(), now);
    }
    if (tasks_.empty()) return;
    const std::size_t tasks_before = tasks_.size();
    std::visit([&](auto& task) { start(task, now); }, tasks_.front().what);
    if (tasks_.size() == tasks_before) return;
  }
}

void Journal::start(SaveEpochs& task, SteadyTimeMs now) {
  storage::FileBatch batch = epochs_.save(task.accepted, task.current, task.voted_for, handles_);
  if (batch.empty()) return finish_task(answer::EpochsSaved{});
  is_task_busy_ = true;
  submit(std::move(batch), now);
}

void Journal::start(Cut& task, SteadyTimeMs now) {
  if (!is_quiet()) return;
  auto plan = storage::plan_cut(files_, options_.directory, task.after, handles_);
  if (!plan) {
    warnings_.push_back("the log cannot be cut: " + plan.error().text);
    return finish_task(answer::WasCut{});
  }
  task.last = plan->last;
  if (plan->batch.empty()) return finish_task(answer::WasCut{plan->last});
  storage::FileBatch batch = log_.end_at(plan->last);
  std::ranges::move(plan->batch, std::back_inserter(batch));
  is_task_busy_ = true;
  submit(std::move(batch), now);
}

void Journal::start(Install& task, SteadyTimeMs now) {
  if (task.is_dropped) {
    task.is_dropped = false;
    is_task_busy_ = true;
    storage::FileBatch batch = task.writer->file().abandon();
    task.is_abandoned = true;
    return submit(std::move(batch), now);
  }
  if (!is_quiet()) return;
  if (!task.writer) {
    task.writer = std::make_unique<StateWriter>(
        *task.tree,
        storage::SnapshotWriter::Options{.directory = options_.directory.snapshots(),
                                         .zxid = {},
                                         .compression = options_.compression},
        handles_, /*is_fuzzy=*/true);  // a Java leader went on changing it while it sent it
  }
  if (!task.writer->has_more()) return replace_directory(task, now);
  is_task_busy_ = true;
  submit(task.writer->next_batch(), now);
}

void Journal::replace_directory(Install& task, SteadyTimeMs now) {
  auto plan =
      storage::plan_install(files_, options_.directory, task.writer->file().file(), handles_);
  if (!plan) {
    failure_ = plan.error();
    return;
  }
  storage::FileBatch batch = task.writer->file().release();
  std::ranges::move(log_.end_at(task.tree->applied()), std::back_inserter(batch));
  std::ranges::move(*plan, std::back_inserter(batch));
  if (is_mutated(Mutation::kSnapNotFlushed)) {
    std::erase_if(batch, [](const storage::FileOp& op) {
      return std::holds_alternative<storage::op::Flush>(op) ||
             std::holds_alternative<storage::op::FlushDirectory>(op);
    });
  }
  task.is_replacing = is_task_busy_ = true;
  submit(std::move(batch), now);
}

// Nobody else works in the directory, and the log is at rest.
bool Journal::is_quiet() {
  if (!snapshotter_.is_running()) return true;
  snapshotter_.give_up();
  return !snapshotter_.is_running();
}

void Journal::submit(storage::FileBatch batch, SteadyTimeMs now) {
  is_busy_ = true;
  busy_since_ = now;
  ++token_.value;
  files_.submit(storage::IoLane::kLog, token_, std::move(batch));
}

bool Journal::io_done(storage::IoToken token, const Result<void>& result, SteadyTimeMs now) {
  if (token != token_ || !is_busy_) return false;
  is_busy_ = false;
  if (!result) {
    if (!is_mutated(Mutation::kErrorLeavesHole) || is_task_busy_) {
      failure_ = result.error();
      return true;
    }
    log_.roll();
  }
  if (is_task_busy_) {
    is_task_busy_ = false;
    finish_step();
    return true;
  }
  warn_if_slow(now);
  durable_ = on_its_way_;
  log_.note_flushed(durable_);
  snapshotter_.log_is_durable(durable_);
  answers_.emplace_back(answer::Durable{durable_});
  pacer_.flushed(unwritten_);
  return true;
}

void Journal::finish_step() {
  auto& what = tasks_.front().what;
  if (std::holds_alternative<SaveEpochs>(what)) return finish_task(answer::EpochsSaved{});
  if (const auto* cut = std::get_if<Cut>(&what)) {
    appended_ = on_its_way_ = durable_ = *cut->last;
    directory_changed();
    return finish_task(answer::WasCut{cut->last});
  }
  auto& install = std::get<Install>(what);
  if (install.is_abandoned) return end_task();  // nobody waits for an answer
  if (!install.is_replacing) return;            // the next slice follows
  appended_ = on_its_way_ = durable_ = install.tree->applied();
  install.writer.reset();
  directory_changed();
  finish_task(answer::Installed{std::move(install.tree)});
}

void Journal::directory_changed() {
  snapshotter_.log_is_durable(durable_);
  auto files_there = storage::survey(files_, options_.directory);
  if (!files_there) {
    failure_ = files_there.error();
    return;
  }
  snapshotter_.replaced(std::move(*files_there));
}

void Journal::finish_task(Answer answer) {
  answers_.push_back(std::move(answer));
  end_task();
}

// What was appended behind the task goes to the log now, as far as the next one.
void Journal::end_task() {
  const std::vector<consensus::Entry> entries = std::move(tasks_.front().entries_behind);
  tasks_.pop_front();
  for (const consensus::Entry& entry : entries) write(entry);
}

void Journal::warn_if_slow(SteadyTimeMs now) {
  const std::int64_t took_ms = now.value - busy_since_.value;
  if (took_ms <= options_.warning_threshold_ms) return;
  warnings_.push_back(fmt::format(
      "writing and flushing the transaction log took {} ms (fsync.warningthresholdms is "
      "{}): every write waited for it; give the log a disk of its own (dataLogDir)",
      took_ms, options_.warning_threshold_ms));
}

}  // namespace synod::replica
