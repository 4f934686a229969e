#include "storage/log_writer.h"

#include <utility>

#include "base/assert.h"
#include "jute/txn_records.h"
#include "storage/data_directory.h"
#include "storage/log_format.h"

namespace synod::storage {
namespace {

void append_record(Bytes& out, const Bytes& body) {
  char prefix[kRecordPrefixBytes];
  jute::store_big_endian(prefix, std::int64_t{adler32_of(body)});
  jute::store_big_endian(prefix + 8, static_cast<std::int32_t>(body.size()));
  out.append(prefix, sizeof prefix).append(body).push_back(kRecordEnd);
}

}  // namespace

LogWriter::LogWriter(Options options, FileHandleSource& handles)
    : options_(std::move(options)), handles_(handles) {}

void LogWriter::append(Zxid zxid, const Bytes& body) {
  SYNOD_ASSERT(body.size() >= jute::kTxnHeaderBytes);
  SYNOD_ASSERT(body.size() <= options_.record_bytes_max);
  SYNOD_ASSERT(zxid > last_zxid_);
  Segment& segment = segment_for(zxid);
  const std::uint64_t size = padded_size(position_, file_size_, options_.preallocate_bytes);
  if (size != file_size_) segment.preallocate_to = file_size_ = size;
  append_record(segment.bytes, body);
  position_ = segment.offset + segment.bytes.size();
  segment.last_zxid = last_zxid_ = zxid;
  ++segment.records;
}

LogWriter::Segment& LogWriter::segment_for(Zxid zxid) {
  if (!is_file_open_) {
    is_file_open_ = true;
    log_first_zxid_ = zxid;
    position_ = file_size_ = kLogHeader.size();
    return segments_.emplace_back(
        Segment{.opens_file = true, .log_first_zxid = zxid, .bytes = Bytes(kLogHeader)});
  }
  if (!segments_.empty()) return segments_.back();
  return segments_.emplace_back(Segment{.log_first_zxid = log_first_zxid_, .offset = position_});
}

std::size_t LogWriter::pending_bytes() const {
  std::size_t bytes = 0;
  for (const Segment& segment : segments_) bytes += segment.bytes.size();
  return bytes;
}

FileBatch LogWriter::take_batch() {
  FileBatch batch;
  if (segments_.empty()) return batch;
  for (Segment& segment : std::exchange(segments_, {})) emit(batch, std::move(segment));
  const bool is_mark_due = unmarked_bytes_ >= options_.mark_every_bytes ||
                           unmarked_records_ >= options_.mark_every_records;
  if (is_mark_due && options_.is_flushing) emit_mark(batch);
  if (options_.size_limit_bytes != 0 && bytes_in_file() > options_.size_limit_bytes) roll();
  return batch;
}

void LogWriter::emit(FileBatch& batch, Segment segment) {
  if (segment.opens_file) emit_open(batch, segment);
  if (segment.preallocate_to != 0) {
    batch.emplace_back(op::Truncate{.handle = log_handle_, .size = segment.preallocate_to});
  }
  in_flight_.push_back({.log_first_zxid = segment.log_first_zxid,
                        .last_zxid = segment.last_zxid,
                        .end_offset = segment.offset + segment.bytes.size(),
                        .records = segment.records});
  batch.emplace_back(op::Write{.handle = log_handle_,
                               .offset = segment.offset,
                               .bytes = std::make_shared<const Bytes>(std::move(segment.bytes))});
  if (options_.is_flushing) batch.emplace_back(op::Flush{.handle = log_handle_});
  if (segment.opens_file) batch.emplace_back(op::FlushDirectory{.path = options_.log_dir});
}

// All of the file before is flushed here, by this batch or an earlier one, so its mark may go. The
// new one must be durable before the file it speaks of can exist: a crash must never leave a
// half-written log that looks like Java's.
void LogWriter::emit_open(FileBatch& batch, const Segment& segment) {
  if (log_handle_ != FileHandle{}) {
    batch.emplace_back(op::Close{.handle = log_handle_});
    batch.emplace_back(op::Close{.handle = mark_handle_});
  }
  log_handle_ = handles_.next();
  mark_handle_ = handles_.next();
  mark_ = {.log_first_zxid = segment.log_first_zxid};
  unmarked_bytes_ = unmarked_records_ = 0;
  append_new_mark(batch, options_.log_dir, mark_handle_, mark_);
  batch.emplace_back(op::Create{.handle = log_handle_,
                                .path = options_.log_dir + "/" + log_name(segment.log_first_zxid)});
}

void LogWriter::emit_mark(FileBatch& batch) {
  batch.emplace_back(op::Write{.handle = mark_handle_,
                               .offset = kMarkSlotOffset,
                               .bytes = std::make_shared<const Bytes>(encode_mark(mark_))});
  unmarked_bytes_ = unmarked_records_ = 0;
}

void LogWriter::note_flushed(Zxid up_to) {
  while (!in_flight_.empty() && in_flight_.front().last_zxid <= up_to) {
    const Taken taken = in_flight_.front();
    in_flight_.pop_front();
    if (taken.log_first_zxid != mark_.log_first_zxid) continue;  // its mark is gone already
    SYNOD_ASSERT(taken.end_offset > mark_.offset);
    unmarked_bytes_ += taken.end_offset - mark_.offset;
    unmarked_records_ += taken.records;
    mark_.offset = taken.end_offset;
    mark_.last_zxid = taken.last_zxid;
  }
}

FileBatch LogWriter::stop() {
  SYNOD_ASSERT(segments_.empty() && in_flight_.empty());
  FileBatch batch;
  is_file_open_ = false;
  if (log_handle_ == FileHandle{}) return batch;
  if (!options_.is_flushing) batch.emplace_back(op::Flush{.handle = log_handle_});
  if (unmarked_records_ != 0) {
    emit_mark(batch);
    batch.emplace_back(op::Flush{.handle = mark_handle_});
  }
  batch.emplace_back(op::Close{.handle = log_handle_});
  batch.emplace_back(op::Close{.handle = mark_handle_});
  log_handle_ = mark_handle_ = {};
  return batch;
}

FileBatch LogWriter::end_at(Zxid last) {
  FileBatch batch = stop();
  last_zxid_ = last;
  return batch;
}

}  // namespace synod::storage
