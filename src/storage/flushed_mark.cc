#include "storage/flushed_mark.h"

#include <zlib.h>

#include "jute/codec.h"

namespace synod::storage {
namespace {

constexpr BytesView kMagic = "SYNODMRK";
constexpr std::int32_t kVersion = 1;
constexpr std::size_t kSlotBytes = 512;  // a sector: what a disk writes whole or not at all

std::int32_t crc32_of(BytesView bytes) {
  return static_cast<std::int32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::string path_in(const std::string& log_directory) {
  return log_directory + "/" + kFlushedMarkName;
}

}  // namespace

Bytes encode_mark(const FlushedMark& mark) {
  Bytes slot(kMagic);
  jute::Writer out(slot);
  out.i32(kVersion);
  out.i64(mark.log_first_zxid.value);
  out.i64(static_cast<std::int64_t>(mark.offset));
  out.i64(mark.last_zxid.value);
  out.i32(crc32_of(slot));
  slot.resize(kSlotBytes);
  return slot;
}

std::optional<FlushedMark> decode_mark(BytesView slot) {
  jute::Reader in(slot);
  if (in.take(kMagic.size()) != kMagic || in.i32() != kVersion) return std::nullopt;
  FlushedMark mark;
  mark.log_first_zxid = {in.i64()};
  mark.offset = static_cast<std::uint64_t>(in.i64());
  mark.last_zxid = {in.i64()};
  const BytesView summed = slot.substr(0, slot.size() - in.remaining());
  const std::int32_t crc = in.i32();
  if (!in.ok() || crc != crc32_of(summed)) return std::nullopt;
  return mark;
}

void append_new_mark(FileBatch& batch, const std::string& log_directory, FileHandle handle,
                     const FlushedMark& mark) {
  const std::string path = path_in(log_directory);
  const std::string unfinished = log_directory + "/" + kUnfinishedMarkName;
  batch.emplace_back(op::Create{.handle = handle, .path = unfinished});
  batch.emplace_back(op::Write{
      .handle = handle, .offset = 0, .bytes = std::make_shared<const Bytes>(encode_mark(mark))});
  batch.emplace_back(op::Flush{.handle = handle});
  batch.emplace_back(op::Rename{.from = unfinished, .to = path});
  batch.emplace_back(op::FlushDirectory{.path = log_directory});
}

Result<std::optional<FlushedMark>> read_mark(FilePort& files, const std::string& log_directory) {
  const Result<Bytes> content = files.read(path_in(log_directory), 0, kMarkSlotOffset + kSlotBytes);
  if (!content) {
    if (content.error().kind == ErrorKind::kNotFound) return std::nullopt;
    return std::unexpected(content.error());
  }
  const auto first = decode_mark(*content);
  if (content->size() <= kMarkSlotOffset) return first;
  const auto second = decode_mark(BytesView(*content).substr(kMarkSlotOffset));
  if (!first) return second;
  return second && second->log_first_zxid == first->log_first_zxid ? second : first;
}

}  // namespace synod::storage
