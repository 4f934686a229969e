#include "storage/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

#include "base/assert.h"
#include "jute/codec.h"
#include "storage/epoch_files.h"
#include "storage/flushed_mark.h"
#include "storage/log_format.h"
#include "storage/log_reader.h"
#include "storage/snapshot_install.h"
#include "storage/snapshot_reader.h"

namespace synod::storage {
namespace {

constexpr std::size_t kSnapshotsTriedMax = 100;
constexpr char kInitializeName[] = "initialize";
// Ours are closed again within one batch, and no FileHandleSource comes so far.
constexpr FileHandle kHandle{UINT32_MAX};

class Recovery {
 public:
  Recovery(FilePort& files, const DataDirectory& directory, const RecoveryOptions& options,
           RecoverySink& sink)
      : files_(files), directory_(directory), options_(options), sink_(sink) {}

  Result<RecoveryReport> run() {
    // Each step works on what the ones before it found out.
    using Step = Result<void> (Recovery::*)();
    for (const Step step :
         {&Recovery::finish_installation, &Recovery::survey_directories, &Recovery::drop_empty_logs,
          &Recovery::load_snapshot, &Recovery::replay_logs, &Recovery::check_skipped_snapshots,
          &Recovery::raise_epochs, &Recovery::judge_memory, &Recovery::drop_unfinished_snapshots}) {
      if (Result<void> done = (this->*step)(); !done) return std::unexpected(done.error());
    }
    // Where the snapshot is newer than the log, those entries are not the last ones.
    if (!recent_.empty() && recent_.back().zxid == report_.last_zxid) {
      report_.recent.assign(recent_.begin(), recent_.end());
    }
    return std::move(report_);
  }

 private:
  // -- Directories
  Result<void> finish_installation();
  Result<void> survey_directories();
  Result<std::vector<DirectoryEntry>> list_or_create(const std::string& path);
  Result<void> drop_empty_logs();
  Result<void> drop_unfinished_snapshots();
  Result<void> remove(const std::string& directory, const std::string& name);
  Result<void> remove_log(const LogFile& log);

  // -- Snapshot
  Result<void> load_snapshot();
  bool try_snapshot(const SnapshotFile& file);
  Result<void> start_without_snapshot();
  Result<void> start_empty();
  Result<void> check_skipped_snapshots();

  // -- Log
  Result<void> replay_logs();
  Result<void> replay(const LogFile& log, bool is_newest);
  Result<void> replay_record(const LogFile& log, const LogRecord& record);
  Result<void> check_continuity(const LogFile& log, Zxid zxid);
  void remember(const LogRecord& record);
  void warn_of_order(const LogFile& log, Zxid zxid, std::string_view what);
  Result<void> judge_end(LogReader& reader, const LogFile& log, const LogEnd& end, bool is_newest);
  Result<void> judge_newest_end(LogReader& reader, const LogFile& log, const LogEnd& end);
  Result<void> judge_unmarked_end(LogReader& reader, const LogFile& log, const LogEnd& end);
  Result<void> cut(const LogFile& log, const LogEnd& end);
  Result<bool> could_be_unfinished(const LogFile& log, const LogEnd& end);
  Result<void> forget();
  Result<void> make_durable(const std::string& directory, const std::string& name);
  [[nodiscard]] std::unexpected<Error> damaged_below_mark(const LogFile& log,
                                                          const std::string& what) const;
  // What the mark says of this log; nothing if it speaks of another, or there is none.
  [[nodiscard]] std::optional<std::uint64_t> flushed_bytes(const LogFile& log) const {
    if (!mark_ || mark_->log_first_zxid != log.first_zxid) return std::nullopt;
    return mark_->offset;
  }

  Result<void> raise_epochs();
  Result<void> forget_current_epoch(const Error& error, bool is_promise_known);
  Result<void> judge_memory();
  [[nodiscard]] bool has_initialize_marker();
  Result<void> raise_epoch(const char* name, std::optional<std::int64_t>& epoch, std::int64_t least,
                           const std::string& because);

  void warn(std::string text) { report_.warnings.push_back(std::move(text)); }
  void show_progress(std::uint64_t bytes_in_file) {
    if (options_.progress) options_.progress(done_bytes_ + bytes_in_file, total_bytes_);
  }
  [[nodiscard]] std::string log_path(const LogFile& log) const {
    return directory_.logs() + "/" + log.name;
  }

  FilePort& files_;
  const DataDirectory& directory_;
  const RecoveryOptions& options_;
  RecoverySink& sink_;
  RecoveryReport report_;

  std::vector<SnapshotFile> snapshots_;  // oldest first
  std::vector<LogFile> logs_;            // oldest first
  std::vector<std::string> unfinished_;
  std::optional<FlushedMark> mark_;
  std::optional<SnapshotFile> newest_skipped_;
  std::uint64_t done_bytes_ = 0;
  std::uint64_t total_bytes_ = 0;

  // Replay.
  Zxid base_;          // the snapshot's zxid: what is not above it is passed over
  Zxid last_in_logs_;  // highest zxid read so far, or base_
  Zxid last_in_file_;  // of the file being read; 0: none yet
  bool was_warned_of_order_ = false;
  std::deque<LoggedEntry> recent_;
  std::size_t recent_bytes_ = 0;
};

// ---- Directories

Result<void> Recovery::finish_installation() {
  const auto finished = finish_install(files_, directory_);
  if (!finished) return std::unexpected(finished.error());
  if (*finished) warn(**finished);
  return {};
}

Result<void> Recovery::survey_directories() {
  const auto in_snapshots = list_or_create(directory_.snapshots());
  if (!in_snapshots) return std::unexpected(in_snapshots.error());
  const auto in_logs = list_or_create(directory_.logs());
  if (!in_logs) return std::unexpected(in_logs.error());
  snapshots_ = snapshots_among(*in_snapshots);
  unfinished_ = unfinished_among(*in_snapshots);
  logs_ = logs_among(*in_logs);
  if (!directory_.is_split()) return {};
  const auto misplaced = [](const std::string& where, const std::string& name, const char* what,
                            const char* key) {
    return fail(ErrorKind::kRefused,
                fmt::format("{}/{} is a {}, and {} says that those lie elsewhere: was the setting "
                            "changed after it was written? Move the file, or set {} back.",
                            where, name, what, key, key));
  };
  if (const auto logs = logs_among(*in_snapshots); !logs.empty()) {
    return misplaced(directory_.snapshots(), logs.front().name, "transaction log", "dataLogDir");
  }
  if (const auto snapshots = snapshots_among(*in_logs); !snapshots.empty()) {
    return misplaced(directory_.logs(), snapshots.front().name, "snapshot", "dataDir");
  }
  return {};
}

Result<std::vector<DirectoryEntry>> Recovery::list_or_create(const std::string& path) {
  auto entries = files_.list(path);
  if (entries || entries.error().kind != ErrorKind::kNotFound) return entries;
  if (!options_.creates_directories) {
    return fail(ErrorKind::kRefused,
                fmt::format("{} does not exist, and zookeeper.datadir.autocreate is false", path));
  }
  if (const auto made = files_.perform({op::MakeDirectory{.path = path}}); !made) {
    return std::unexpected(made.error());
  }
  return std::vector<DirectoryEntry>{};
}

// A crash right after a log was created leaves it without a whole header, so without a record.
Result<void> Recovery::drop_empty_logs() {
  const auto mark = read_mark(files_, directory_.logs());
  if (!mark) return std::unexpected(mark.error());
  mark_ = *mark;
  while (!logs_.empty() && logs_.back().size < kLogHeader.size()) {
    const LogFile& log = logs_.back();
    if (log.size < flushed_bytes(log).value_or(0)) {
      return damaged_below_mark(log, fmt::format("{} has {} bytes left", log_path(log), log.size));
    }
    warn(fmt::format("{} holds no transaction yet and was removed", log_path(log)));
    if (auto removed = remove_log(log); !removed) return removed;
    logs_.pop_back();
  }
  return {};
}

Result<void> Recovery::drop_unfinished_snapshots() {
  for (const std::string& name : unfinished_) {
    if (auto removed = remove(directory_.snapshots(), name); !removed) return removed;
  }
  return {};
}

Result<void> Recovery::remove(const std::string& directory, const std::string& name) {
  return files_.perform(
      {op::Remove{.path = directory + "/" + name}, op::FlushDirectory{.path = directory}});
}

// The mark that speaks of it goes first: Java may run next, and give a log of its own that name. A
// log that a crash then leaves without its mark must show by itself that there is nothing in it.
Result<void> Recovery::remove_log(const LogFile& log) {
  if (flushed_bytes(log)) {
    auto emptied = files_.perform({op::Open{.handle = kHandle, .path = log_path(log)},
                                   op::Truncate{.handle = kHandle, .size = 0},
                                   op::Flush{.handle = kHandle}, op::Close{.handle = kHandle}});
    if (!emptied) return emptied;
    if (auto removed = remove(directory_.logs(), kFlushedMarkName); !removed) return removed;
  }
  return remove(directory_.logs(), log.name);
}

// ---- Snapshot

Result<void> Recovery::load_snapshot() {
  for (const LogFile& log : logs_) total_bytes_ += log.size;
  std::size_t tried = 0;
  for (auto file = snapshots_.rbegin(); file != snapshots_.rend(); ++file) {
    const Result<bool> is_whole = looks_whole(files_, directory_.snapshots(), *file);
    if (is_whole && *is_whole) {
      if (tried++ == kSnapshotsTriedMax) break;
      if (try_snapshot(*file)) return make_durable(directory_.snapshots(), file->name);
    } else {
      warn(fmt::format("{}/{} {} and was passed over", directory_.snapshots(), file->name,
                       is_whole ? "is not complete" : "cannot be read"));
    }
    if (!newest_skipped_) newest_skipped_ = *file;
  }
  return start_without_snapshot();
}

bool Recovery::try_snapshot(const SnapshotFile& file) {
  sink_.reset();
  total_bytes_ += file.size;
  const SnapshotReadOptions options{
      .chunk_bytes = options_.chunk_bytes,
      .progress = [this](std::uint64_t bytes) { show_progress(bytes); }};
  const auto trailer = read_snapshot(files_, directory_.snapshots(), file, sink_, options);
  if (!trailer) {
    warn(trailer.error().text + "; the snapshot was passed over");
    total_bytes_ -= file.size;
    return false;
  }
  done_bytes_ += file.size;
  report_.snapshot = file;
  base_ = file.zxid;
  sink_.snapshot_loaded(file.zxid, trailer->digest);
  return true;
}

Result<void> Recovery::start_without_snapshot() {
  sink_.reset();
  base_ = {};
  const bool is_only_the_empty_one_lost = !newest_skipped_ || newest_skipped_->zxid == Zxid{};
  if (logs_.empty() && is_only_the_empty_one_lost) return start_empty();

  const bool is_history_whole = !logs_.empty() && logs_.front().first_zxid == Zxid{}.next();
  if (!is_history_whole && !options_.trusts_empty_snapshot) {
    return fail(
        ErrorKind::kRefused,
        fmt::format("{} holds no snapshot that can be loaded, and {}: transactions are missing. "
                    "Restore the directory from a backup or, in an ensemble, empty it to get the "
                    "state from the leader. zookeeper.snapshot.trust.empty=true starts from what "
                    "the log has.",
                    directory_.snapshots(),
                    logs_.empty() ? "there is no log"
                                  : fmt::format("the log begins at zxid 0x{}, not at 0x1",
                                                hex(logs_.front().first_zxid))));
  }
  warn(fmt::format("No snapshot could be loaded; the state was rebuilt from {}, {}",
                   directory_.logs(),
                   is_history_whole ? "which has every transaction from the first"
                                    : "as zookeeper.snapshot.trust.empty allows"));
  sink_.snapshot_loaded({}, std::nullopt);
  return {};
}

Result<void> Recovery::start_empty() {
  if (!options_.creates_database && !has_initialize_marker()) report_.last_zxid = kNoDatabase;
  sink_.snapshot_loaded({}, std::nullopt);
  return {};
}

// What a newer snapshot held was committed once: to end below it would be to forget.
Result<void> Recovery::check_skipped_snapshots() {
  if (!newest_skipped_ || newest_skipped_->zxid <= report_.last_zxid || options_.accepts_gaps ||
      options_.trusts_empty_snapshot) {
    return {};
  }
  return fail(ErrorKind::kRefused,
              fmt::format("{}/{} cannot be loaded, and snapshot and log together reach only zxid "
                          "0x{}: transactions are missing. Restore the file from a backup or, in "
                          "an ensemble, empty the directory to get the state from the leader.",
                          directory_.snapshots(), newest_skipped_->name, hex(report_.last_zxid)));
}

// ---- Log

Result<void> Recovery::replay_logs() {
  if (report_.last_zxid == kNoDatabase) return {};
  report_.last_zxid = last_in_logs_ = base_;
  // The file with the first record to replay is the one with the largest name not above it.
  const auto above = std::ranges::upper_bound(logs_, base_.next(), {}, &LogFile::first_zxid);
  const auto first = above == logs_.begin() ? above : above - 1;
  for (auto log = logs_.begin(); log != first; ++log) done_bytes_ += log->size;
  for (auto log = first; log != logs_.end(); ++log) {
    if (auto replayed = replay(*log, log + 1 == logs_.end()); !replayed) return replayed;
    if (auto made = make_durable(directory_.logs(), log->name); !made) return made;
    done_bytes_ += log->size;
    show_progress(0);
  }
  return {};
}

Result<void> Recovery::replay(const LogFile& log, bool is_newest) {
  LogReader reader(files_, log_path(log), log.size, options_.chunk_bytes);
  last_in_file_ = {};
  was_warned_of_order_ = false;
  std::uint64_t shown = 0;
  for (;;) {
    const Result<LogStep> step = reader.next();
    if (!step) return std::unexpected(step.error());
    if (const auto* end = std::get_if<LogEnd>(&*step)) {
      return judge_end(reader, log, *end, is_newest);
    }
    if (auto replayed = replay_record(log, std::get<LogRecord>(*step)); !replayed) return replayed;
    if (reader.offset() >= shown + options_.chunk_bytes) show_progress(shown = reader.offset());
  }
}

Result<void> Recovery::replay_record(const LogFile& log, const LogRecord& record) {
  const Zxid zxid = record.txn.header.zxid;
  const bool was_there = zxid > base_ && zxid <= last_in_logs_;
  // A follower of Java's that lost its leader while it got in step logs it all again
  // (ZOOKEEPER-4394). To apply an old change a second time would undo newer ones.
  if (was_there) {
    warn_of_order(log, zxid, "it is there twice, and was applied once");
    last_in_file_ = zxid;
    return {};
  }
  remember(record);
  if (zxid > base_) {
    if (auto continues = check_continuity(log, zxid); !continues) return continues;
    sink_.txn(record.txn, record.body);
    ++report_.txns_replayed;
    last_in_logs_ = report_.last_zxid = zxid;
  }
  last_in_file_ = zxid;
  return {};
}

void Recovery::remember(const LogRecord& record) {
  const Zxid zxid = record.txn.header.zxid;
  if (!recent_.empty() && recent_.back().zxid.epoch() < zxid.epoch())
    report_.epoch_ends.push_back(recent_.back().zxid);
  if (!recent_.empty() && !follows(zxid, recent_.back().zxid)) {
    recent_.clear();
    recent_bytes_ = 0;
  }
  recent_.push_back({.zxid = zxid, .bytes = std::make_shared<const Bytes>(record.body)});
  recent_bytes_ += record.body.size();
  while (recent_.size() > options_.recent_max || recent_bytes_ > options_.recent_bytes_max) {
    recent_bytes_ -= recent_.front().bytes->size();
    recent_.pop_front();
    if (recent_.empty()) break;
  }
}

// Zxids are dense within an epoch, and epochs begin with counter 1. Within one file a gap is a
// number that Java gave to a request it then could not encode; between files it is a missing file.
Result<void> Recovery::check_continuity(const LogFile& log, Zxid zxid) {
  const Zxid last = last_in_logs_;
  if (follows(zxid, last)) return {};
  const bool starts_anywhere =
      options_.trusts_empty_snapshot && !report_.snapshot && last == Zxid{};
  if (last_in_file_ != Zxid{} || options_.accepts_gaps || starts_anywhere) {
    warn_of_order(log, zxid, "what lay between, if anything, is not there");
  } else {
    return fail(
        ErrorKind::kRefused,
        fmt::format("{} goes on with zxid 0x{}, but what comes before it ends at 0x{} ({}): "
                    "transactions are missing. Restore the missing log file or, in an ensemble, "
                    "empty the directory to get the state from the leader.",
                    log_path(log), hex(zxid), hex(last),
                    last != base_      ? "the log file before it"
                    : report_.snapshot ? report_.snapshot->name
                                       : "no snapshot"));
  }
  return {};
}

void Recovery::warn_of_order(const LogFile& log, Zxid zxid, std::string_view what) {
  if (std::exchange(was_warned_of_order_, true)) return;
  warn(fmt::format(
      "{}: zxid 0x{} follows 0x{}; {} (further such places in this file are not listed)",
      log_path(log), hex(zxid), hex(last_in_logs_), what));
}

Result<void> Recovery::judge_end(LogReader& reader, const LogFile& log, const LogEnd& end,
                                 bool is_newest) {
  if (is_newest) return judge_newest_end(reader, log, end);
  if (end.is_clean()) return {};
  if (end.kind != LogEndKind::kTorn && end.kind != LogEndKind::kNoHeader) {
    return fail(ErrorKind::kCorrupt, end.text);
  }
  // ZooKeeper leaves a torn tail where it is and goes on in a new file. That nothing is missing
  // shows in the zxid that file begins with, unless that opens an epoch: then a damaged length
  // would look the same.
  if (end.kind == LogEndKind::kTorn) {
    const Result<bool> was_whole = reader.was_whole(end.offset, last_in_logs_);
    if (!was_whole) return std::unexpected(was_whole.error());
    if (*was_whole) return fail(ErrorKind::kCorrupt, end.text + ", but it was once");
  }
  warn(end.text + "; the log goes on in the next file");
  return {};
}

Result<void> Recovery::judge_newest_end(LogReader& reader, const LogFile& log, const LogEnd& end) {
  if (end.kind == LogEndKind::kBadRecord) return fail(ErrorKind::kCorrupt, end.text);
  const std::optional<std::uint64_t> flushed = flushed_bytes(log);
  if (!flushed) return judge_unmarked_end(reader, log, end);
  if (end.offset < *flushed) {
    return damaged_below_mark(log, end.is_clean() ? fmt::format("{}, offset {}: the records end",
                                                                log_path(log), end.offset)
                                                  : end.text);
  }
  return end.is_clean() ? Result<void>{} : cut(log, end);
}

std::unexpected<Error> Recovery::damaged_below_mark(const LogFile& log,
                                                    const std::string& what) const {
  return fail(ErrorKind::kCorrupt,
              fmt::format("{}, though {} bytes of the file, up to zxid 0x{}, were safe on disk: it "
                          "was damaged since. Restore the file from a backup or, in an ensemble, "
                          "empty the directory. If it was cut on purpose, remove {}/{}.",
                          what, *flushed_bytes(log), hex(mark_->last_zxid), directory_.logs(),
                          kFlushedMarkName));
}

// Java's file, for all we know: nothing says how far it was flushed. What is not all there was
// being written; what is there and wrong, or has a whole record behind it, was damaged.
Result<void> Recovery::judge_unmarked_end(LogReader& reader, const LogFile& log,
                                          const LogEnd& end) {
  if (end.kind == LogEndKind::kFileEnd) return {};
  if (!end.is_clean() && end.kind != LogEndKind::kTorn) {
    return fail(ErrorKind::kCorrupt, end.text);
  }
  const auto behind = reader.find_whole_record(end.offset + 1, last_in_logs_);
  if (!behind) return std::unexpected(behind.error());
  if (*behind) {
    return fail(ErrorKind::kCorrupt,
                fmt::format("{}, offset {}: a record is damaged; at offset {} a whole one follows. "
                            "To give up everything from here, cut the file at that offset.",
                            log_path(log), end.offset, **behind));
  }
  return end.is_clean() ? Result<void>{} : cut(log, end);
}

Result<void> Recovery::cut(const LogFile& log, const LogEnd& end) {
  const bool has_records = end.offset > kLogHeader.size();
  const Result<bool> is_unfinished = could_be_unfinished(log, end);
  if (!is_unfinished) return std::unexpected(is_unfinished.error());
  const bool forgets = options_.is_member && !*is_unfinished;
  warn(fmt::format("{}; {}. {} The log ends at zxid 0x{}.", end.text,
                   has_records ? "the file was cut there" : "the file was removed",
                   forgets ? "It does not look like a write that a crash interrupted: this server "
                             "votes again when it was synchronised."
                           : "No such write was ever acknowledged.",
                   hex(report_.last_zxid)));
  if (forgets) {
    if (auto forgotten = forget(); !forgotten) return forgotten;
  }
  if (!has_records) return remove_log(log);
  return files_.perform({op::Open{.handle = kHandle, .path = log_path(log)},
                         op::Truncate{.handle = kHandle, .size = end.offset},
                         op::Flush{.handle = kHandle}, op::Close{.handle = kHandle}});
}

// A crash leaves each sector of a write as it was to become or as it was before: zeros, or nothing
// behind the end of the file. Where every sector of a record holds something, it was all written,
// perhaps flushed and acknowledged, and damaged since.
Result<bool> Recovery::could_be_unfinished(const LogFile& log, const LogEnd& end) {
  constexpr std::uint64_t kSectorBytes = 512;
  LogReader reader(files_, log_path(log), log.size, options_.chunk_bytes);
  const auto record = files_.read(log_path(log), end.offset, kLogHeader.size());
  if (!record) return std::unexpected(record.error());
  std::uint64_t record_end = end.offset + kRecordPrefixBytes;
  if (record->size() >= kRecordPrefixBytes) {
    const auto length = jute::load_big_endian<std::int32_t>(record->data() + 8);
    if (length > 0 && end.offset > 0)
      record_end += static_cast<std::uint64_t>(length) + kRecordFrameBytes - kRecordPrefixBytes;
  }
  if (record_end > log.size) {  // then nothing can follow, and what is missing are whole sectors
    const auto behind = reader.find_whole_record(end.offset + 1, last_in_logs_);
    if (!behind) return std::unexpected(behind.error());
    if (*behind) return false;
    if (log.size % kSectorBytes == 0) return true;
    record_end = log.size;
  }
  for (std::uint64_t from = end.offset; from < record_end;) {
    const std::uint64_t to = std::min(record_end, from - from % kSectorBytes + kSectorBytes);
    const auto sector = files_.read(log_path(log), from, static_cast<std::size_t>(to - from));
    if (!sector) return std::unexpected(sector.error());
    if (sector->find_first_not_of('\0') == Bytes::npos) return true;
    from = to;
  }
  return false;
}

// acceptedEpoch alone is the sign of a server without memory.
Result<void> Recovery::forget() {
  const auto accepted = read_epoch(files_, directory_.snapshots(), kAcceptedEpochName);
  if (!accepted) return std::unexpected(accepted.error());
  if (!*accepted) {
    auto written = files_.perform(write_epoch(directory_.snapshots(), kAcceptedEpochName,
                                              report_.last_zxid.epoch(), kHandle));
    if (!written) return written;
  }
  return remove(directory_.snapshots(), kCurrentEpochName);
}

// A process that was killed leaves bytes and names that are in the system's memory only. They are
// about to be served, later records go into another file, and what they replace may be purged: a
// power cut must not take them from in between.
Result<void> Recovery::make_durable(const std::string& directory, const std::string& name) {
  auto flushed = files_.perform({op::Open{.handle = kHandle, .path = directory + "/" + name},
                                 op::Flush{.handle = kHandle}, op::Close{.handle = kHandle},
                                 op::FlushDirectory{.path = directory}});
  if (!flushed && flushed.error().kind == ErrorKind::kNotFound) return {};  // it held nothing
  return flushed;
}

// ---- Epochs

Result<void> Recovery::raise_epochs() {
  const std::string directory = directory_.snapshots();
  // What a killed process renamed last: see make_durable().
  if (auto flushed = files_.perform({op::FlushDirectory{.path = directory}}); !flushed)
    return flushed;
  Result<std::optional<std::int64_t>> current = read_epoch(files_, directory, kCurrentEpochName);
  const auto accepted = read_epoch(files_, directory, kAcceptedEpochName);
  if (!accepted) return std::unexpected(accepted.error());  // a promise must not be guessed
  const auto vote = read_vote(files_, directory);
  if (!vote) return std::unexpected(vote.error());  // nor a vote
  report_.vote = *vote;
  if (!current) {
    if (current.error().kind != ErrorKind::kCorrupt) return std::unexpected(current.error());
    if (auto forgotten = forget_current_epoch(current.error(), accepted->has_value()); !forgotten)
      return forgotten;
    current = options_.is_member ? std::nullopt : std::optional<std::int64_t>(0);
  }
  report_.current_epoch = *current;
  report_.accepted_epoch = *accepted;
  if (report_.current_epoch && report_.last_zxid != kNoDatabase) {
    const auto raised = raise_epoch(kCurrentEpochName, report_.current_epoch,
                                    report_.last_zxid.epoch(), "the epoch of the last transaction");
    if (!raised) return raised;
  }
  if (!report_.accepted_epoch || !report_.current_epoch) return {};
  return raise_epoch(kAcceptedEpochName, report_.accepted_epoch, *report_.current_epoch,
                     "the current epoch");
}

Result<void> Recovery::raise_epoch(const char* name, std::optional<std::int64_t>& epoch,
                                   std::int64_t least, const std::string& because) {
  if (*epoch >= least) return {};
  warn(fmt::format("{}/{} was {}, behind {}; it was raised to {}", directory_.snapshots(), name,
                   *epoch, because, least));
  epoch = least;
  return files_.perform(write_epoch(directory_.snapshots(), name, least, kHandle));
}

// Alone, the log knows better. In an ensemble it may have been synchronised under a later epoch
// than that of its last transaction: then it is to start as a server without memory.
Result<void> Recovery::forget_current_epoch(const Error& error, bool is_promise_known) {
  if (!options_.is_member) return {};
  if (!is_promise_known) return std::unexpected(error);
  warn(error.text + "; the file was removed, and the server votes again when it was synchronised");
  return forget();
}

bool Recovery::has_initialize_marker() {
  const auto beside = files_.list(directory_.data_log_dir);
  return beside &&
         std::ranges::find(*beside, kInitializeName, &DirectoryEntry::name) != beside->end();
}

// What an operator said once is remembered as epochs, so that a crash does not undo it.
Result<void> Recovery::judge_memory() {
  report_.has_memory =
      report_.current_epoch.has_value() || (!report_.accepted_epoch && report_.last_zxid > Zxid{});
  if (report_.has_memory || report_.last_zxid > Zxid{} || !has_initialize_marker()) return {};
  if (options_.is_member) {
    const std::int64_t promised = report_.accepted_epoch.value_or(0);
    for (FileBatch& written :
         std::array{write_epoch(directory_.snapshots(), kAcceptedEpochName, promised, kHandle),
                    write_epoch(directory_.snapshots(), kCurrentEpochName, 0, kHandle)}) {
      if (auto done = files_.perform(std::move(written)); !done) return done;
    }
    report_.accepted_epoch = promised;
    report_.current_epoch = 0;
  }
  report_.has_memory = true;
  return remove(directory_.data_log_dir, kInitializeName);
}

}  // namespace

std::uint32_t RecoveryReport::promised_epoch() const {
  const std::int64_t accepted = accepted_epoch.value_or(std::int64_t{synchronised_epoch()});
  return static_cast<std::uint32_t>(std::max(accepted, vote.epoch));
}

std::uint32_t RecoveryReport::synchronised_epoch() const {
  if (current_epoch) return static_cast<std::uint32_t>(*current_epoch);
  return has_memory && last_zxid > Zxid{} ? last_zxid.epoch() : 0;
}

ServerId RecoveryReport::voted_for() const {
  return vote.epoch == promised_epoch() ? vote.server : ServerId{};
}

Result<RecoveryReport> recover(FilePort& files, const DataDirectory& directory,
                               const RecoveryOptions& options, RecoverySink& sink) {
  return Recovery(files, directory, options, sink).run();
}

}  // namespace synod::storage
