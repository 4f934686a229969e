#include "storage/log_cut.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutation.h"
#include "storage/flushed_mark.h"
#include "storage/log_format.h"
#include "storage/log_reader.h"
#include "storage/snapshot_reader.h"

namespace synod::storage {
namespace {

// To read a snapshot for its seal alone.
class NoSink final : public SnapshotSink {
 public:
  void session(SessionId, std::int32_t) override {}
  void acl(std::int64_t, jute::AclList) override {}
  Result<void> node(std::string_view, const NodeImage&) override { return {}; }
};

class Cutter {
 public:
  Cutter(FilePort& files, const DataDirectory& directory, Zxid after, FileHandleSource& handles)
      : files_(files), directory_(directory), after_(after), handles_(handles) {}

  Result<CutPlan> plan();

 private:
  // Where the log will end: behind the last record that stays.
  struct Place {
    std::size_t log = 0;  // index of its file
    std::uint64_t offset = 0;
    Zxid zxid;
  };

  Result<void> choose_base();
  Result<void> find_place();
  Result<bool> read_log(std::size_t index);
  Result<void> take(const LogFile& log, const LogRecord& record, bool is_first_in_file);
  Result<void> check_end(const LogFile& log, const LogEnd& end) const;
  void remove_snapshots(FileBatch& batch);
  void cut_logs(FileBatch& batch);

  FilePort& files_;
  const DataDirectory& directory_;
  Zxid after_;
  FileHandleSource& handles_;

  std::vector<LogFile> logs_;         // oldest first
  std::vector<std::string> too_new_;  // snapshots
  Zxid last_;                         // of what is sure to stay: snapshot, then records
  std::optional<Place> place_;
  bool is_more_behind_ = false;  // records above the cut
};

Result<CutPlan> Cutter::plan() {
  if (auto chosen = choose_base(); !chosen) return std::unexpected(chosen.error());
  if (auto found = find_place(); !found) return std::unexpected(found.error());
  CutPlan plan{.last = last_, .batch = {}};
  remove_snapshots(plan.batch);
  if (is_more_behind_) cut_logs(plan.batch);
  return plan;
}

// The newest snapshot that can stay. One that another server wrote while it went on (fuzzy) may
// hold more than its name says.
Result<void> Cutter::choose_base() {
  const auto in_logs = files_.list(directory_.logs());
  if (!in_logs) return std::unexpected(in_logs.error());
  logs_ = logs_among(*in_logs);
  const auto in_snapshots = files_.list(directory_.snapshots());
  if (!in_snapshots) return std::unexpected(in_snapshots.error());
  const std::vector<SnapshotFile> snapshots = snapshots_among(*in_snapshots);
  for (auto file = snapshots.rbegin(); file != snapshots.rend(); ++file) {
    if (file->zxid <= after_) {
      NoSink sink;
      const auto trailer = read_snapshot(files_, directory_.snapshots(), *file, sink);
      if (!trailer) continue;  // damaged: no harm, and no help
      if (content_zxid(*file, *trailer) <= after_) {
        last_ = file->zxid;
        return {};
      }
    }
    too_new_.push_back(file->name);
  }
  if (!logs_.empty() && logs_.front().first_zxid == Zxid{}.next()) return {};
  return fail(ErrorKind::kRefused,
              fmt::format("{} holds no snapshot at or below zxid 0x{} that can be loaded: the log "
                          "cannot be cut there",
                          directory_.snapshots(), hex(after_)));
}

Result<void> Cutter::find_place() {
  const auto above = std::ranges::upper_bound(logs_, last_, {}, &LogFile::first_zxid);
  auto index = static_cast<std::size_t>(above - logs_.begin());
  for (index = index == 0 ? 0 : index - 1; index < logs_.size(); ++index) {
    const Result<bool> is_over = read_log(index);
    if (!is_over) return std::unexpected(is_over.error());
    if (*is_over) break;
  }
  return {};
}

// True: a record above the cut was met.
Result<bool> Cutter::read_log(std::size_t index) {
  const LogFile& log = logs_[index];
  LogReader reader(files_, directory_.logs() + "/" + log.name, log.size);
  for (bool is_first = true;; is_first = false) {
    const Result<LogStep> step = reader.next();
    if (!step) return std::unexpected(step.error());
    if (const auto* end = std::get_if<LogEnd>(&*step)) {
      if (auto is_fine = check_end(log, *end); !is_fine) return std::unexpected(is_fine.error());
      return false;
    }
    const auto& record = std::get<LogRecord>(*step);
    if (record.txn.header.zxid > after_) return is_more_behind_ = true;
    if (auto taken = take(log, record, is_first); !taken) return std::unexpected(taken.error());
    place_ = {.log = index, .offset = record.end_offset, .zxid = record.txn.header.zxid};
  }
}

// As in recovery: dense within an epoch; between files a gap is a missing file.
Result<void> Cutter::take(const LogFile& log, const LogRecord& record, bool is_first_in_file) {
  const Zxid zxid = record.txn.header.zxid;
  if (zxid <= last_) return {};
  if (!follows(zxid, last_) && is_first_in_file) {
    return fail(ErrorKind::kCorrupt,
                fmt::format("{}/{} goes on with zxid 0x{}, but what comes before it ends at 0x{}: "
                            "the log cannot be cut",
                            directory_.logs(), log.name, hex(zxid), hex(last_)));
  }
  last_ = zxid;
  return {};
}

Result<void> Cutter::check_end(const LogFile& log, const LogEnd& end) const {
  if (end.is_clean()) return {};
  const bool is_newest = log.name == logs_.back().name;
  const bool is_unfinished = end.kind == LogEndKind::kTorn || end.kind == LogEndKind::kNoHeader;
  if (!is_newest && is_unfinished) return {};  // the log goes on in the next file
  return fail(ErrorKind::kCorrupt, end.text + "; the log cannot be cut");
}

void Cutter::remove_snapshots(FileBatch& batch) {
  if (too_new_.empty() || is_mutated(Mutation::kSnapshotSurvivesTrunc)) return;
  for (const std::string& name : too_new_) {
    batch.emplace_back(op::Remove{.path = directory_.snapshots() + "/" + name});
  }
  batch.emplace_back(op::FlushDirectory{.path = directory_.snapshots()});
}

// Newest first, each durably, so that what is left never has a hole. The mark moves ahead of them,
// to the file that will be the newest: it claims what is flushed in it already, and what stays.
void Cutter::cut_logs(FileBatch& batch) {
  const std::string directory = directory_.logs();
  const FileHandle log = handles_.next();
  const FileHandle mark = handles_.next();
  if (place_) {
    batch.emplace_back(op::Open{.handle = log, .path = directory + "/" + logs_[place_->log].name});
    batch.emplace_back(op::Flush{.handle = log});
    append_new_mark(batch, directory, mark,
                    {.log_first_zxid = logs_[place_->log].first_zxid,
                     .offset = place_->offset,
                     .last_zxid = place_->zxid});
    batch.emplace_back(op::Close{.handle = mark});
  } else {
    batch.emplace_back(op::Remove{.path = directory + "/" + kFlushedMarkName});
    batch.emplace_back(op::FlushDirectory{.path = directory});
  }
  const std::size_t first_to_go = place_ ? place_->log + 1 : 0;
  for (std::size_t i = logs_.size(); i > first_to_go; --i) {
    batch.emplace_back(op::Remove{.path = directory + "/" + logs_[i - 1].name});
    batch.emplace_back(op::FlushDirectory{.path = directory});
  }
  if (!place_) return;
  batch.emplace_back(op::Truncate{.handle = log, .size = place_->offset});
  batch.emplace_back(op::Flush{.handle = log});
  batch.emplace_back(op::Close{.handle = log});
}

}  // namespace

Result<CutPlan> plan_cut(FilePort& files, const DataDirectory& directory, Zxid after,
                         FileHandleSource& handles) {
  return Cutter(files, directory, after, handles).plan();
}

}  // namespace synod::storage
