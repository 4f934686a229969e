#include "storage/snapshot_reader.h"

#include <algorithm>

#include "storage/compression.h"

namespace synod::storage {
namespace {

std::unexpected<Error> in_file(const std::string& path, const Error& error) {
  return fail(error.kind, path + ", " + error.text);
}

Result<void> feed_unpacked(Decompressor& decompressor, SnapshotDecoder& decoder, BytesView packed) {
  Bytes plain;
  for (bool has_more = true; has_more; packed = {}) {
    plain.clear();
    const Result<bool> added = decompressor.add(packed, plain);
    if (!added) return std::unexpected(added.error());
    has_more = *added;
    if (Result<void> fed = decoder.feed(plain); !fed) return fed;
  }
  return {};
}

}  // namespace

Result<SnapshotTrailer> read_snapshot(FilePort& files, const std::string& directory,
                                      const SnapshotFile& file, SnapshotSink& sink,
                                      const SnapshotReadOptions& options) {
  const std::string path = directory + "/" + file.name;
  const auto decompressor = make_decompressor(file.compression);
  SnapshotDecoder decoder(sink);
  for (std::uint64_t offset = 0;;) {
    const Result<Bytes> chunk = files.read(path, offset, options.chunk_bytes);
    if (!chunk) return std::unexpected(chunk.error());
    if (chunk->empty()) break;
    const Result<void> fed = file.compression == Compression::kNone
                                 ? decoder.feed(*chunk)
                                 : feed_unpacked(*decompressor, decoder, *chunk);
    if (!fed) return in_file(path, fed.error());
    offset += chunk->size();
    if (options.progress) options.progress(offset);
  }
  Result<SnapshotTrailer> trailer = decoder.finish();
  if (!trailer) return in_file(path, trailer.error());
  if (trailer->digest && trailer->digest->zxid < file.zxid) trailer->digest.reset();
  return trailer;
}

Zxid content_zxid(const SnapshotFile& file, const SnapshotTrailer& trailer) {
  Zxid zxid = file.zxid;
  if (trailer.digest) zxid = std::max(zxid, trailer.digest->zxid);
  if (trailer.last_zxid) zxid = std::max(zxid, *trailer.last_zxid);
  return zxid;
}

}  // namespace synod::storage
