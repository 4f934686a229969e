// A snapshot file with any content, in each of the three wrappings. The first byte chooses the
// wrapping and the size of the chunks it is read in.
#include <cstddef>
#include <cstdint>
#include <string>

#include "storage/memory_files.h"
#include "storage/snapshot_reader.h"

namespace {

using namespace synod;  // NOLINT: this file is the whole program

class ReadingSink : public storage::SnapshotSink {
 public:
  void session(SessionId id, std::int32_t) override { seen_ += static_cast<std::size_t>(id.value); }
  void acl(std::int64_t, jute::AclList list) override { seen_ += list.size(); }
  Result<void> node(std::string_view path, const storage::NodeImage& node) override {
    for (const char byte : path) seen_ += static_cast<unsigned char>(byte);
    for (const char byte : node.data.value_or("")) seen_ += static_cast<unsigned char>(byte);
    return {};
  }

 private:
  std::size_t seen_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::uint8_t setup = data[0];
  const auto compression = static_cast<storage::Compression>(setup % 3);
  const storage::SnapshotFile file{.name = storage::snapshot_name({1}, compression),
                                   .zxid = {1},
                                   .compression = compression,
                                   .size = size - 1};
  storage::MemoryFiles files;
  files.put("/d/" + file.name, Bytes(reinterpret_cast<const char*>(data) + 1, size - 1));
  storage::SnapshotReadOptions options;
  options.chunk_bytes = (setup & 0x80) != 0 ? 7 : 4096;
  ReadingSink sink;
  static_cast<void>(storage::looks_whole(files, "/d", file));
  static_cast<void>(storage::read_snapshot(files, "/d", file, sink, options));
  return 0;
}
