#include "storage/log_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "jute/codec.h"
#include "storage/data_directory.h"
#include "storage/log_format.h"

namespace synod::storage {
namespace {

struct RecordPrefix {
  std::int64_t checksum = 0;
  std::int32_t length = 0;
};

RecordPrefix read_prefix(BytesView bytes) {
  jute::Reader in(bytes);
  return {.checksum = in.i64(), .length = in.i32()};
}

bool is_all_zero(BytesView bytes) { return bytes.find_first_not_of('\0') == BytesView::npos; }

// Could a record with a zxid above `after` begin here, with so much of the file left?
bool is_plausible(BytesView bytes, std::uint64_t left, Zxid after) {
  constexpr std::size_t kZxidOffset = kRecordPrefixBytes + 12;  // behind clientId and cxid
  const std::int32_t length = read_prefix(bytes).length;
  if (length < static_cast<std::int32_t>(jute::kTxnHeaderBytes)) return false;
  if (static_cast<std::uint64_t>(length) + kRecordFrameBytes > left) return false;
  if (bytes.size() < kZxidOffset + 8) return true;
  return jute::load_big_endian<std::int64_t>(bytes.data() + kZxidOffset) > after.value;
}

}  // namespace

LogReader::LogReader(FilePort& files, std::string path, std::uint64_t file_size,
                     std::size_t chunk_bytes)
    : files_(files), path_(std::move(path)), file_size_(file_size), chunk_bytes_(chunk_bytes) {
  SYNOD_ASSERT(chunk_bytes_ >= kLogHeader.size());
}

Result<LogStep> LogReader::next() {
  if (end_) return *end_;
  return offset_ == 0 ? read_header() : read_record();
}

Result<BytesView> LogReader::bytes_at(std::uint64_t offset, std::size_t count) {
  SYNOD_ASSERT(offset <= file_size_);
  count = static_cast<std::size_t>(std::min<std::uint64_t>(count, file_size_ - offset));
  if (offset < chunk_offset_ || offset + count > chunk_offset_ + chunk_.size()) {
    Result<Bytes> chunk = files_.read(path_, offset, std::max(count, chunk_bytes_));
    if (!chunk) return std::unexpected(std::move(chunk).error());
    chunk_ = *std::move(chunk);
    chunk_offset_ = offset;
  }
  const auto start = static_cast<std::size_t>(offset - chunk_offset_);
  return BytesView(chunk_).substr(std::min(start, chunk_.size()), count);
}

LogStep LogReader::end(LogEndKind kind, const std::string& what) {
  end_ = LogEnd{.kind = kind, .offset = offset_, .text = {}};
  if (!what.empty()) end_->text = fmt::format("{}, offset {}: {}", path_, offset_, what);
  return *end_;
}

Result<LogStep> LogReader::read_header() {
  const Result<BytesView> header = bytes_at(0, kLogHeader.size());
  if (!header) return std::unexpected(header.error());
  if (header->size() < kLogHeader.size()) {
    return end(LogEndKind::kNoHeader, "the file is shorter than its header");
  }
  // The last eight bytes are a database id that nobody compares.
  if (!header->starts_with(kLogHeader.substr(0, 8))) {
    return end(LogEndKind::kBadHeader, "this is not the header of a transaction log of version 2");
  }
  offset_ = kLogHeader.size();
  return read_record();
}

Result<LogStep> LogReader::read_record() {
  const Result<BytesView> start = bytes_at(offset_, kRecordPrefixBytes);
  if (!start) return std::unexpected(start.error());
  if (start->empty()) return end(LogEndKind::kFileEnd);
  if (is_all_zero(*start)) return end(LogEndKind::kPadding);
  constexpr char kUnfinished[] = "the last record is not complete";
  if (start->size() < kRecordPrefixBytes) return end(LogEndKind::kTorn, kUnfinished);

  const auto [checksum, length] = read_prefix(*start);
  if (length == 0 || length == -1) return end(LogEndKind::kTorn, kUnfinished);
  if (length < -1) {
    return end(LogEndKind::kBadLength, fmt::format("a record claims a length of {}", length));
  }
  const std::size_t framed_bytes = static_cast<std::size_t>(length) + kRecordFrameBytes;
  if (framed_bytes > file_size_ - offset_) return end(LogEndKind::kTorn, kUnfinished);
  const Result<BytesView> framed = bytes_at(offset_, framed_bytes);
  if (!framed) return std::unexpected(framed.error());
  if (framed->size() < framed_bytes || framed->back() != kRecordEnd) {
    return end(LogEndKind::kTorn, kUnfinished);
  }

  const BytesView body = framed->substr(kRecordPrefixBytes, static_cast<std::size_t>(length));
  if (checksum != std::int64_t{adler32_of(body)}) {
    return end(LogEndKind::kBadChecksum, "a record does not match its checksum");
  }
  Result<jute::Txn> txn = jute::decode_txn(body);
  if (!txn) return end(LogEndKind::kBadRecord, txn.error().text);
  const std::uint64_t offset = std::exchange(offset_, offset_ + framed_bytes);
  return LogRecord{.offset = offset, .end_offset = offset_, .body = body, .txn = *std::move(txn)};
}

Result<std::optional<std::uint64_t>> LogReader::find_whole_record(std::uint64_t from, Zxid after) {
  std::uint64_t at = from;
  while (at + kRecordFrameBytes <= file_size_) {
    Result<BytesView> window = bytes_at(at, chunk_bytes_);
    if (!window) return std::unexpected(window.error());
    if (window->size() < kRecordPrefixBytes) break;
    const std::size_t starts = window->size() - kRecordPrefixBytes + 1;
    for (std::size_t i = 0; i < starts; ++i) {
      if (!is_plausible(window->substr(i), file_size_ - at - i, after)) continue;
      const Result<bool> is_whole = is_whole_record(at + i, after);
      if (!is_whole) return std::unexpected(is_whole.error());
      if (*is_whole) return at + i;
      window = bytes_at(at, chunk_bytes_);  // the look at the record took its place
      if (!window || window->size() < starts) return std::nullopt;
    }
    at += starts;
  }
  return std::nullopt;
}

Result<bool> LogReader::was_whole(std::uint64_t offset, Zxid last) {
  const Result<std::optional<std::uint64_t>> next = find_whole_record(offset + 1, last);
  if (!next) return std::unexpected(next.error());
  if (*next) return true;
  const Result<BytesView> rest = bytes_at(offset, file_size_ - offset);
  if (!rest) return std::unexpected(rest.error());
  if (rest->size() < kRecordFrameBytes) return false;
  const RecordPrefix prefix = read_prefix(*rest);
  const BytesView written = rest->substr(0, rest->find_last_not_of('\0') + 1);
  if (written.size() < kRecordFrameBytes) return false;
  // Its last byte is its 'B', or was: no single bit makes that a zero, as the padding is.
  const BytesView body = written.substr(kRecordPrefixBytes, written.size() - kRecordFrameBytes);
  return prefix.checksum == std::int64_t{adler32_of(body)};
}

Result<bool> LogReader::is_whole_record(std::uint64_t offset, Zxid after) {
  const Result<BytesView> start = bytes_at(offset, kRecordPrefixBytes);
  if (!start) return std::unexpected(start.error());
  const auto [checksum, length] = read_prefix(*start);
  const std::size_t framed_bytes = static_cast<std::size_t>(length) + kRecordFrameBytes;
  const Result<BytesView> framed = bytes_at(offset, framed_bytes);
  if (!framed) return std::unexpected(framed.error());
  if (framed->size() < framed_bytes || framed->back() != kRecordEnd) return false;
  const BytesView body = framed->substr(kRecordPrefixBytes, static_cast<std::size_t>(length));
  if (checksum != std::int64_t{adler32_of(body)}) return false;
  const Result<jute::Txn> txn = jute::decode_txn(body);
  return txn && txn->header.zxid > after;
}

}  // namespace synod::storage
