#include "storage/epoch_files.h"

#include <fmt/format.h>

#include <charconv>

#include "base/assert.h"

namespace synod::storage {

Result<std::optional<std::int64_t>> read_epoch(FilePort& files, const std::string& directory,
                                               const std::string& name) {
  constexpr std::size_t kBytesMax = 64;
  const std::string path = directory + "/" + name;
  const Result<Bytes> content = files.read(path, 0, kBytesMax);
  if (!content) {
    if (content.error().kind == ErrorKind::kNotFound) return std::nullopt;
    return std::unexpected(content.error());
  }
  // ZooKeeper writes no line end, but whoever repairs such a file by hand does.
  const std::string_view digits = std::string_view(*content).substr(0, content->find('\n'));
  std::int64_t epoch = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, epoch);
  if (error != std::errc{} || stop != end || digits.empty() || epoch < 0) {
    return fail(ErrorKind::kCorrupt,
                fmt::format("{} holds no epoch, which is a decimal number", path));
  }
  return epoch;
}

FileBatch write_epoch(const std::string& directory, const std::string& name, std::int64_t epoch,
                      FileHandle handle) {
  const std::string path = directory + "/" + name;
  const auto text = std::make_shared<const Bytes>(std::to_string(epoch));
  return {op::Create{.handle = handle, .path = path + ".tmp"},
          op::Write{.handle = handle, .offset = 0, .bytes = text},
          op::Flush{.handle = handle},
          op::Close{.handle = handle},
          op::Rename{.from = path + ".tmp", .to = path},
          op::FlushDirectory{.path = directory}};
}

FileBatch EpochKeeper::save(std::uint32_t accepted, std::uint32_t current,
                            FileHandleSource& handles) {
  SYNOD_ASSERT(accepted >= current && accepted >= accepted_.value_or(0));
  FileBatch batch;
  const auto write = [&](const char* name, std::optional<std::int64_t>& saved, std::int64_t epoch) {
    if (saved == epoch) return;
    saved = epoch;
    for (FileOp& op : write_epoch(directory_, name, epoch, handles.next())) {
      batch.push_back(std::move(op));
    }
  };
  write(kAcceptedEpochName, accepted_, accepted);
  const bool is_without_memory = !current_ && current == 0 && accepted != 0;
  if (!is_without_memory) write(kCurrentEpochName, current_, current);
  return batch;
}

}  // namespace synod::storage
