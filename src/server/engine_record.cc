#include "server/engine_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

#include "server/posix_files.h"
#include "storage/epoch_files.h"

namespace synod::server {
namespace {

namespace op = storage::op;

constexpr char kZab[] = "zab";
constexpr std::string_view kConverting = "converting";
constexpr std::size_t kRecordBytesMax = 1024;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

// What follows the word; nothing if that is not how the line begins.
std::optional<std::string_view> after(std::string_view word, std::string_view line) {
  if (!line.starts_with(word) || line.size() <= word.size() || line[word.size()] != ' ')
    return std::nullopt;
  return line.substr(word.size() + 1);
}

std::optional<EngineRecord> parse(std::string_view text) {
  const auto lines = lines_of(text);
  if (lines.empty() || lines[0].empty()) return std::nullopt;
  EngineRecord record;
  const bool is_converting = lines[0] == kConverting;
  if (!is_converting) record.engine = lines[0];
  for (const std::string_view line : lines) {
    if (const auto id = after("conversion", line))
      std::from_chars(id->data(), id->data() + id->size(), record.conversion, 16);
    if (const auto from = after("from", line); from && is_converting) record.engine = *from;
    if (const auto to = after("to", line); to && is_converting) record.becomes = *to;
  }
  if (record.engine.empty() || (is_converting && record.becomes.empty())) return std::nullopt;
  return record;
}

std::string text_of(const EngineRecord& record) {
  std::string text =
      fmt::format("{}\n", record.is_converting() ? kConverting : std::string_view(record.engine));
  if (record.conversion != 0) text += fmt::format("conversion {:016x}\n", record.conversion);
  if (record.is_converting())
    text += fmt::format("from {}\nto {}\n", record.engine, record.becomes);
  return text;
}

Result<bool> holds(storage::FilePort& files, const std::string& directory) {
  const auto entries = files.list(directory);
  if (!entries && entries.error().kind == ErrorKind::kNotFound) return false;
  if (!entries) return std::unexpected(entries.error());
  return !storage::logs_among(*entries).empty() || !storage::snapshots_among(*entries).empty() ||
         std::ranges::any_of(*entries, [](const storage::DirectoryEntry& entry) {
           return entry.name == storage::kCurrentEpochName ||
                  entry.name == storage::kAcceptedEpochName;
         });
}

Result<void> refuse(const std::string& data_dir, const EngineRecord& record,
                    const std::string& engine) {
  if (record.is_recovering()) {
    return fail(ErrorKind::kRefused,
                fmt::format("{} is half way through a recovery, which was interrupted: no server "
                            "may start on it. Run synod recover again with the same members. If "
                            "the others were recovered without this one, empty the directory (but "
                            "for myid): they bring it up to date.",
                            data_dir));
  }
  if (record.is_converting()) {
    return fail(ErrorKind::kRefused,
                fmt::format("{} is half way from the consensus engine {} to {}: a conversion was "
                            "interrupted, and no server may start on it. Run synod convert --to {} "
                            "again with all members. If the others were converted without this "
                            "one, empty the directory (but for myid): they bring it up to date.",
                            data_dir, record.engine, record.becomes, record.becomes));
  }
  return fail(ErrorKind::kRefused,
              fmt::format("{} belongs to the consensus engine {}, and the configuration says "
                          "consensus={}. Set consensus={}; or, to change the engine, stop the "
                          "ensemble and run synod convert. If the ensemble was converted without "
                          "this member, empty the directory (but for myid): the others bring it "
                          "up to date.",
                          data_dir, record.engine, engine, record.engine));
}

}  // namespace

Result<std::optional<EngineRecord>> read_engine_record(storage::FilePort& files,
                                                       const std::string& data_dir) {
  const std::string path = data_dir + "/" + kEngineRecordName;
  const auto text = files.read(path, 0, kRecordBytesMax);
  if (!text && text.error().kind == ErrorKind::kNotFound) return std::nullopt;
  auto record = text ? parse(*text) : std::nullopt;
  if (record) return record;
  return fail(ErrorKind::kIo, fmt::format("{} cannot be read: it names the consensus engine that "
                                          "the directory belongs to",
                                          path));
}

storage::FileBatch write_engine_record(const std::string& data_dir, const EngineRecord& record,
                                       storage::FileHandle handle) {
  const std::string path = data_dir + "/" + kEngineRecordName;
  const auto text = std::make_shared<const Bytes>(text_of(record));
  return {op::Create{.handle = handle, .path = path + ".tmp"},
          op::Write{.handle = handle, .offset = 0, .bytes = text},
          op::Flush{.handle = handle},
          op::Close{.handle = handle},
          op::Rename{.from = path + ".tmp", .to = path},
          op::FlushDirectory{.path = data_dir}};
}

Result<bool> holds_data(storage::FilePort& files, const storage::DataDirectory& directory) {
  const auto snapshots = holds(files, directory.snapshots());
  if (!snapshots || *snapshots) return snapshots;
  return holds(files, directory.logs());
}

Result<void> check_not_converting(const std::filesystem::path& data_dir) {
  PosixFiles files([](storage::IoToken /*token*/, Result<void> /*result*/) {});
  const auto recorded = read_engine_record(files, data_dir.string());
  if (!recorded) return std::unexpected(recorded.error());
  if (!*recorded || !(*recorded)->is_converting()) return {};
  return refuse(data_dir.string(), **recorded, {});
}

Result<void> record_engine(const std::filesystem::path& data_dir,
                           const std::filesystem::path& data_log_dir, const std::string& engine) {
  PosixFiles files([](storage::IoToken /*token*/, Result<void> /*result*/) {});
  const storage::DataDirectory directory{data_dir.string(), data_log_dir.string()};
  const auto recorded = read_engine_record(files, directory.data_dir);
  if (!recorded) return std::unexpected(recorded.error());
  const EngineRecord record = recorded->value_or(EngineRecord{.engine = kZab});
  if (record.is_converting()) return refuse(directory.data_dir, record, engine);
  if (record.engine == engine) return {};
  const auto is_used = holds_data(files, directory);
  if (!is_used) return std::unexpected(is_used.error());
  if (*is_used) return refuse(directory.data_dir, record, engine);
  // Nothing in it: whatever is recorded was never used, or never recorded.
  return files.perform(
      write_engine_record(directory.data_dir, {.engine = engine}, storage::FileHandle{1}));
}

}  // namespace synod::server
