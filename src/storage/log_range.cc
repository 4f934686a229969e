#include "storage/log_range.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "jute/codec.h"
#include "jute/txn_records.h"
#include "storage/log_format.h"

namespace synod::storage {
namespace {

// Index of the file that `after` lies in, if the log reaches back to it; -1: the first file begins
// right behind it.
std::optional<std::ptrdiff_t> file_with(const LogReach& reach, Zxid after) {
  const std::vector<LogFile>& logs = reach.logs;
  if (after == Zxid{} && reach.is_from_the_beginning) return -1;
  const auto above = std::ranges::upper_bound(logs, after, {}, &LogFile::first_zxid);
  if (above != logs.begin()) return above - logs.begin() - 1;
  if (!logs.empty() && logs.front().first_zxid == after.next()) return -1;
  return std::nullopt;
}

// The tree of zxid 0 is there, so purging took nothing; and no tree came from elsewhere before the
// first record.
bool is_from_the_beginning(const std::vector<LogFile>& logs,
                           const std::vector<SnapshotFile>& snapshots) {
  if (logs.empty() || snapshots.empty() || snapshots.front().zxid != Zxid{}) return false;
  return snapshots.size() == 1 || logs.front().first_zxid <= snapshots[1].zxid;
}

}  // namespace

std::optional<Zxid> LogReach::oldest() const {
  if (logs.empty()) return std::nullopt;
  const Zxid first = logs.front().first_zxid;
  return first.counter() > 1 ? Zxid{first.value - 1} : first;
}

std::uint64_t LogReach::bytes_behind(Zxid after) const {
  std::uint64_t bytes = 0;
  const std::ptrdiff_t file = file_with(*this, after).value_or(-1);
  for (auto i = static_cast<std::size_t>(file + 1); i < logs.size(); ++i) bytes += logs[i].size;
  return bytes;
}

Result<LogReach> survey_log(FilePort& files, const DataDirectory& directory) {
  const auto in_logs = files.list(directory.logs());
  if (!in_logs) return std::unexpected(in_logs.error());
  const auto in_snapshots = files.list(directory.snapshots());
  if (!in_snapshots) return std::unexpected(in_snapshots.error());
  const std::vector<SnapshotFile> snapshots = snapshots_among(*in_snapshots);
  LogReach reach{.logs = logs_among(*in_logs),
                 .newest_snapshot_bytes = snapshots.empty() ? 0 : snapshots.back().size};
  reach.is_from_the_beginning = is_from_the_beginning(reach.logs, snapshots);
  return reach;
}

std::optional<LogRange> LogRange::open(const DataDirectory& directory, const LogReach& reach,
                                       Zxid after, Zxid up_to, Options options) {
  SYNOD_ASSERT(after < up_to && options.chunk_bytes >= kLogHeader.size());
  const auto file = file_with(reach, after);
  if (!file || options.snapshot_size_factor < 0) return std::nullopt;
  const double limit =
      options.snapshot_size_factor * static_cast<double>(reach.newest_snapshot_bytes);
  if (limit > 0 && static_cast<double>(reach.bytes_behind(after)) > limit) return std::nullopt;
  const auto first = reach.logs.begin() + std::max<std::ptrdiff_t>(*file, 0);
  if (options.mark && (options.mark->file != first->name || options.mark->zxid > after))
    options.mark.reset();
  return LogRange(directory.logs(), std::deque<LogFile>(first, reach.logs.end()), after, up_to,
                  std::move(options));
}

LogRange::LogRange(std::string log_dir, std::deque<LogFile> logs, Zxid after, Zxid up_to,
                   Options options)
    : log_dir_(std::move(log_dir)),
      logs_(std::move(logs)),
      position_(after),
      is_after_found_(after == Zxid{}),
      up_to_(up_to),
      options_(std::move(options)),
      wanted_bytes_(options_.chunk_bytes) {
  if (!options_.mark) return;
  marked_ = options_.mark->zxid;
  offset_ = options_.mark->offset;
}

FileBatch LogRange::take_batch() {
  SYNOD_ASSERT(!is_done() && !arriving_);
  arriving_ = std::make_shared<Bytes>();
  return {op::Read{.path = path(), .offset = offset_, .count = wanted_bytes_, .into = arriving_}};
}

Result<std::vector<LoggedEntry>> LogRange::completed(const Result<void>& result) {
  const std::shared_ptr<Bytes> arrived = std::exchange(arriving_, nullptr);
  SYNOD_ASSERT(arrived != nullptr);
  if (!result) return missing(result.error().text);
  const bool is_file_end = arrived->size() < wanted_bytes_;
  const std::uint64_t begins_at = offset_ - pending_.size();
  const Bytes bytes = std::exchange(pending_, {}) + *arrived;
  BytesView rest = bytes;
  if (offset_ == 0) {
    if (!rest.starts_with(kLogHeader.substr(0, 8)) || rest.size() < kLogHeader.size()) {
      return missing("this is not the header of a transaction log");
    }
    rest.remove_prefix(kLogHeader.size());
  }
  offset_ += arrived->size();

  std::vector<LoggedEntry> entries;
  Step step = Step::kTaken;
  while (step == Step::kTaken && !is_done()) {
    record_at_ = begins_at + (bytes.size() - rest.size());
    const Result<Step> taken = take_record(rest, entries);
    if (!taken) return std::unexpected(taken.error());
    step = *taken;
  }
  if (is_done()) return entries;
  if (step == Step::kPadding || is_file_end) {
    if (auto moved = go_to_next_file(); !moved) return std::unexpected(moved.error());
    return entries;
  }
  // A record longer than a chunk: memory follows the bytes that are there, not what they claim.
  pending_ = Bytes(rest);
  wanted_bytes_ = std::max(options_.chunk_bytes, pending_.size());
  return entries;
}

Result<LogRange::Step> LogRange::take_record(BytesView& rest, std::vector<LoggedEntry>& entries) {
  if (rest.size() < kRecordPrefixBytes) return Step::kNeedsMore;
  jute::Reader in(rest);
  const std::int64_t checksum = in.i64();
  const std::int32_t length = in.i32();
  if (checksum == 0 && length <= 0) return Step::kPadding;
  if (length < static_cast<std::int32_t>(jute::kTxnHeaderBytes)) {
    return missing(fmt::format("a record claims a length of {}", length));
  }
  const std::size_t framed_bytes = static_cast<std::size_t>(length) + kRecordFrameBytes;
  if (rest.size() < framed_bytes) return Step::kNeedsMore;
  const BytesView body = in.take(static_cast<std::size_t>(length));
  if (rest[framed_bytes - 1] != kRecordEnd || checksum != std::int64_t{adler32_of(body)}) {
    return missing("a record does not match its checksum");
  }
  rest.remove_prefix(framed_bytes);
  if (auto taken = take_entry(body, entries); !taken) return std::unexpected(taken.error());
  return Step::kTaken;
}

Result<void> LogRange::take_entry(BytesView body, std::vector<LoggedEntry>& entries) {
  const Zxid zxid = jute::decode<jute::TxnHeader>(body)->zxid;
  if (const auto marked = std::exchange(marked_, std::nullopt); marked && zxid != *marked)
    return missing(fmt::format("zxid 0x{} is not where it was", hex(*marked)));
  if (!is_after_found_) {
    if (zxid < position_) return {};
    if (zxid > position_.next()) {
      return missing(fmt::format("zxid 0x{} is not in the log", hex(position_)));
    }
    is_after_found_ = true;
    if (zxid == position_) return {};
  }
  if (zxid <= position_) return {};  // a second time, as in recovery
  if (!follows(zxid, position_) || zxid > up_to_) {
    return missing(fmt::format("zxid 0x{} follows 0x{}", hex(zxid), hex(position_)));
  }
  entries.push_back({.zxid = zxid, .bytes = std::make_shared<const Bytes>(body)});
  position_ = zxid;
  return {};
}

// Behind a torn tail the log may go on in the next file: the zxids will tell.
Result<void> LogRange::go_to_next_file() {
  if (logs_.size() == 1) return missing(fmt::format("the log ends before 0x{}", hex(up_to_)));
  logs_.pop_front();
  offset_ = 0;
  wanted_bytes_ = options_.chunk_bytes;
  return {};
}

std::unexpected<Error> LogRange::missing(const std::string& what) const {
  return fail(ErrorKind::kNotFound,
              fmt::format("{}: {}; the log cannot be read from there", path(), what));
}

}  // namespace synod::storage
