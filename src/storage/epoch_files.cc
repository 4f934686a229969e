#include "storage/epoch_files.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>
#include <utility>

#include "base/assert.h"

namespace synod::storage {

namespace {

// The first line of a small file; nothing: there is no such file.
Result<std::optional<Bytes>> read_line(FilePort& files, const std::string& path) {
  constexpr std::size_t kBytesMax = 64;
  Result<Bytes> content = files.read(path, 0, kBytesMax);
  if (!content) {
    if (content.error().kind == ErrorKind::kNotFound) return std::nullopt;
    return std::unexpected(content.error());
  }
  // ZooKeeper writes no line end, but whoever repairs such a file by hand does.
  return content->substr(0, content->find('\n'));
}

std::optional<std::int64_t> number_in(std::string_view digits) {
  std::int64_t number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  if (error != std::errc{} || stop != end || digits.empty() || number < 0) return std::nullopt;
  return number;
}

FileBatch write_line(const std::string& directory, const std::string& name, std::string line,
                     FileHandle handle) {
  const std::string path = directory + "/" + name;
  const auto text = std::make_shared<const Bytes>(std::move(line));
  return {op::Create{.handle = handle, .path = path + ".tmp"},
          op::Write{.handle = handle, .offset = 0, .bytes = text},
          op::Flush{.handle = handle},
          op::Close{.handle = handle},
          op::Rename{.from = path + ".tmp", .to = path},
          op::FlushDirectory{.path = directory}};
}

}  // namespace

Result<std::optional<std::int64_t>> read_epoch(FilePort& files, const std::string& directory,
                                               const std::string& name) {
  const std::string path = directory + "/" + name;
  const auto line = read_line(files, path);
  if (!line) return std::unexpected(line.error());
  if (!*line) return std::nullopt;
  const auto epoch = number_in(**line);
  if (!epoch) {
    return fail(ErrorKind::kCorrupt,
                fmt::format("{} holds no epoch, which is a decimal number", path));
  }
  return epoch;
}

Result<Vote> read_vote(FilePort& files, const std::string& directory) {
  const std::string path = directory + "/" + kVotedForName;
  const auto line = read_line(files, path);
  if (!line) return std::unexpected(line.error());
  if (!*line) return Vote{};
  const std::string_view text = **line;
  const std::size_t space = text.find(' ');
  const auto epoch = number_in(text.substr(0, space));
  const auto server =
      space == std::string_view::npos ? std::nullopt : number_in(text.substr(space + 1));
  if (!epoch || !server) {
    return fail(ErrorKind::kCorrupt,
                fmt::format("{} holds no vote, which is an epoch and a server's number", path));
  }
  return Vote{*epoch, ServerId{*server}};
}

FileBatch write_epoch(const std::string& directory, const std::string& name, std::int64_t epoch,
                      FileHandle handle) {
  return write_line(directory, name, std::to_string(epoch), handle);
}

FileBatch EpochKeeper::save(std::uint32_t accepted, std::uint32_t current, ServerId voted_for,
                            FileHandleSource& handles) {
  SYNOD_ASSERT(accepted >= current && accepted >= accepted_.value_or(0));
  FileBatch batch;
  if (const Vote vote{accepted, voted_for}; voted_for != ServerId{} && vote != vote_) {
    vote_ = vote;
    batch = write_line(directory_, kVotedForName,
                       fmt::format("{} {}", vote.epoch, vote.server.value), handles.next());
  }
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
