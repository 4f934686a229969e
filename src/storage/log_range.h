// The log's entries in (after, up_to], read back while the server serves, for a learner that is
// far behind.
//
//   auto range = LogRange::open(…)           nothing: too old, or too much; send a snapshot
//   while (!range.is_done())
//     submit(IoLane::kBackground, token, range.take_batch())     one at a time
//     when it completed: range.completed(result) -> entries, possibly none yet
//
// Reads are operations of the port like writes, not blocking calls: a cold log on a slow disk then
// delays a learner and no heartbeat. Memory is one chunk, and the entries of a chunk.
//
// `after` must be a record itself, or the predecessor of the oldest record within the same epoch:
// only then it is known that who ends with `after` has the same history. Who has nothing (0) has
// the same history as a log that nothing came before: the tree it began with is still there. Files
// may be purged, cut or damaged meanwhile: completed() then says so, and never leaves a gap.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "storage/data_directory.h"
#include "storage/file_port.h"
#include "storage/recovery.h"

namespace synod::storage {

// What the directory can give back, as of now.
struct LogReach {
  std::vector<LogFile> logs;                // oldest first
  std::uint64_t newest_snapshot_bytes = 0;  // 0: there is none
  bool is_from_the_beginning = false;       // nothing came before its first record

  // Who ends below this cannot be served from the log: the predecessor of the oldest record, or
  // that record where it begins an epoch. Nothing: there is no log.
  [[nodiscard]] std::optional<Zxid> oldest() const;
  // Of the log files that follow the one with `after`; what the reference compares with
  // snapshotSizeFactor (0.33) times the newest snapshot.
  [[nodiscard]] std::uint64_t bytes_behind(Zxid after) const;
};

// Blocks, for as long as listing two directories takes.
[[nodiscard]] Result<LogReach> survey_log(FilePort& files, const DataDirectory& directory);

// Where a record begins.
struct LogMark {
  Zxid zxid;
  std::string file;
  std::uint64_t offset = 0;
};

class LogRange {
 public:
  struct Options {
    std::size_t chunk_bytes = std::size_t{256} << 10;
    // zookeeper.snapshotSizeFactor: a snapshot is cheaper when the log files are larger than this
    // part of it. 0: they never are. Negative: the log is not used at all.
    double snapshot_size_factor = 0.33;
    // Of `after` or of a record before it: what lies before that is not read. Files may have been
    // cut since: completed() says so when no such record is there any more.
    std::optional<LogMark> mark{};
  };

  // Everything up to `up_to` must have been written (its batch completed). Nothing: the log does
  // not reach back to `after`, or the factor forbids it.
  [[nodiscard]] static std::optional<LogRange> open(const DataDirectory& directory,
                                                    const LogReach& reach, Zxid after, Zxid up_to,
                                                    Options options);

  // Until then: one batch, its completion, the next.
  [[nodiscard]] bool is_done() const { return position_ == up_to_; }
  [[nodiscard]] FileBatch take_batch();
  // The entries that the last batch brought, in order and without a gap behind those before. An
  // error is final: what is missing or damaged, where.
  [[nodiscard]] Result<std::vector<LoggedEntry>> completed(const Result<void>& result);
  [[nodiscard]] bool is_marked() const { return options_.mark.has_value(); }
  // Of the record that ended it, once it is done.
  [[nodiscard]] LogMark end() const { return {position_, logs_.front().name, record_at_}; }

 private:
  LogRange(std::string log_dir, std::deque<LogFile> logs, Zxid after, Zxid up_to, Options options);

  enum class Step : std::uint8_t { kTaken, kNeedsMore, kPadding };
  [[nodiscard]] Result<Step> take_record(BytesView& rest, std::vector<LoggedEntry>& entries);
  [[nodiscard]] Result<void> take_entry(BytesView body, std::vector<LoggedEntry>& entries);
  [[nodiscard]] Result<void> go_to_next_file();
  [[nodiscard]] std::unexpected<Error> missing(const std::string& what) const;
  [[nodiscard]] std::string path() const { return log_dir_ + "/" + logs_.front().name; }

  std::string log_dir_;
  std::deque<LogFile> logs_;     // the first is being read
  Zxid position_;                // the last one found: `after` at first, and not yet found …
  bool is_after_found_ = false;  // … as long as this is false
  std::optional<Zxid> marked_;   // must be the first record to come
  Zxid up_to_;
  Options options_;
  std::uint64_t offset_ = 0;         // in the file, of what is to be read next
  std::uint64_t record_at_ = 0;      // of the record last looked at
  Bytes pending_;                    // the beginning of a record, from before that offset
  std::size_t wanted_bytes_ = 0;     // of the next read
  std::shared_ptr<Bytes> arriving_;  // what the batch under way reads
};

}  // namespace synod::storage
