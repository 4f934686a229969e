#include "storage/snapshot_writer.h"

#include <utility>

#include "base/assert.h"
#include "base/mutation.h"
#include "storage/compression.h"

namespace synod::storage {

SnapshotWriter::SnapshotWriter(Options options, FileHandleSource& handles)
    : options_(std::move(options)),
      handle_(handles.next()),
      compressor_(make_compressor(options_.compression)) {}

SnapshotWriter::~SnapshotWriter() = default;
SnapshotWriter::SnapshotWriter(SnapshotWriter&&) noexcept = default;

void SnapshotWriter::begin(const std::vector<SnapshotSession>& sessions,
                           const std::vector<SnapshotAcl>& acls) {
  SYNOD_ASSERT(stage_ == Stage::kNew);
  stage_ = Stage::kWriting;
  encoder_.begin(sessions, acls);
}

void SnapshotWriter::add(std::string_view path, const NodeImage& node) {
  SYNOD_ASSERT(stage_ == Stage::kWriting);
  encoder_.add(path, node);
}

void SnapshotWriter::finish(std::optional<SnapshotDigest> digest) {
  SYNOD_ASSERT(stage_ == Stage::kWriting);
  stage_ = Stage::kFinished;
  SnapshotTrailer trailer;
  if (options_.with_digest) trailer.digest = digest;
  if (options_.with_last_zxid) trailer.last_zxid = options_.zxid;
  encoder_.finish(trailer);
}

FileBatch SnapshotWriter::take_batch() {
  SYNOD_ASSERT(stage_ == Stage::kWriting || stage_ == Stage::kFinished);
  const bool is_last = stage_ == Stage::kFinished;
  Bytes packed;
  if (options_.compression == Compression::kNone)
    packed = encoder_.take();
  else
    compressor_->add(encoder_.take(), is_last, packed);

  FileBatch batch;
  if (!std::exchange(is_created_, true)) {
    batch.emplace_back(op::Create{.handle = handle_, .path = temporary_path()});
  }
  if (!packed.empty()) {
    const std::uint64_t size = packed.size();
    batch.emplace_back(op::Write{.handle = handle_,
                                 .offset = offset_,
                                 .bytes = std::make_shared<const Bytes>(std::move(packed))});
    offset_ += size;
    unflushed_bytes_ += size;
  }
  const bool is_flush_due = (is_last && !is_mutated(Mutation::kSnapNotFlushed)) ||
                            unflushed_bytes_ >= options_.flush_every_bytes;
  if (is_flush_due) {
    batch.emplace_back(op::Flush{.handle = handle_});
    unflushed_bytes_ = 0;
  }
  if (is_last) stage_ = Stage::kTaken;
  return batch;
}

FileBatch SnapshotWriter::publish() {
  SYNOD_ASSERT(stage_ == Stage::kTaken);
  stage_ = Stage::kPublishing;
  return {op::Close{.handle = handle_},
          op::Rename{.from = temporary_path(), .to = options_.directory + "/" + file().name},
          op::FlushDirectory{.path = options_.directory}};
}

FileBatch SnapshotWriter::release() {
  SYNOD_ASSERT(stage_ == Stage::kTaken);
  stage_ = Stage::kClosed;
  return {op::Close{.handle = handle_}};
}

FileBatch SnapshotWriter::abandon() {
  SYNOD_ASSERT(stage_ != Stage::kClosed);
  stage_ = Stage::kClosed;
  if (!is_created_) return {};
  return {op::Close{.handle = handle_}, op::Remove{.path = temporary_path()}};
}

SnapshotFile SnapshotWriter::file() const {
  return {.name = snapshot_name(options_.zxid, options_.compression),
          .zxid = options_.zxid,
          .compression = options_.compression,
          .size = offset_};
}

std::string SnapshotWriter::temporary_path() const {
  return options_.directory + "/" + unfinished_snapshot_name(options_.zxid);
}

}  // namespace synod::storage
