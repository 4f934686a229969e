#include "server/file_copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "server/checksum.h"

namespace synod::server {
namespace {

namespace op = storage::op;

constexpr std::uint64_t kChunkBytes = std::uint64_t{4} << 20;

// Piece by piece, in order, to `take`.
template <class Take>
Result<std::string> read_through(storage::FilePort& files, const std::string& path,
                                 std::uint64_t size,
                                 const std::function<void(std::uint64_t)>& progress,
                                 const Take& take) {
  Checksum sum;
  for (std::uint64_t offset = 0; offset < size;) {
    auto chunk = files.read(path, offset, std::min(kChunkBytes, size - offset));
    if (!chunk) return std::unexpected(chunk.error());
    if (chunk->empty())
      return fail(ErrorKind::kCorrupt,
                  fmt::format("{} has {} bytes and should have {}", path, offset, size));
    sum.add(*chunk);
    const std::uint64_t bytes = chunk->size();
    if (auto taken = take(offset, *std::move(chunk)); !taken) return std::unexpected(taken.error());
    offset += bytes;
    if (progress) progress(bytes);
  }
  return sum.finish();
}

}  // namespace

Result<std::string> copy_file(storage::FilePort& files, const FileCopy& copy,
                              storage::FileHandle handle) {
  if (auto made = files.perform({op::Create{.handle = handle, .path = copy.to}}); !made)
    return std::unexpected(made.error());
  auto sum = read_through(
      files, copy.from, copy.size, copy.progress, [&](std::uint64_t offset, Bytes bytes) {
        return files.perform({op::Write{.handle = handle,
                                        .offset = offset,
                                        .bytes = std::make_shared<const Bytes>(std::move(bytes))}});
      });
  storage::FileBatch end;
  if (sum) end.emplace_back(op::Flush{.handle = handle});
  end.emplace_back(op::Close{.handle = handle});
  if (auto ended = files.perform(std::move(end)); !ended && sum)
    return std::unexpected(ended.error());
  return sum;
}

Result<std::string> checksum_of_file(storage::FilePort& files, const std::string& path,
                                     std::uint64_t size,
                                     const std::function<void(std::uint64_t)>& progress) {
  return read_through(files, path, size, progress,
                      [](std::uint64_t, Bytes) { return Result<void>{}; });
}

Result<void> make_empty(storage::FilePort& files, const std::string& directory) {
  if (auto made = files.perform({op::MakeDirectory{.path = directory}}); !made) return made;
  const auto entries = files.list(directory);
  if (!entries) return std::unexpected(entries.error());
  storage::FileBatch removals;
  for (const storage::DirectoryEntry& entry : *entries)
    removals.emplace_back(op::Remove{.path = directory + "/" + entry.name});
  return files.perform(std::move(removals));
}

}  // namespace synod::server
