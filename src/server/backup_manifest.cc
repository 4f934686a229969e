#include "server/backup_manifest.h"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <optional>

#include "server/checksum.h"
#include "storage/data_directory.h"

namespace synod::server {
namespace {

constexpr std::string_view kFirstLine = "synod-backup 1";
constexpr std::string_view kEnd = "end ";

std::unexpected<Error> malformed(std::string_view what) {
  return fail(ErrorKind::kMalformed, fmt::format("the manifest {}", what));
}

// Up to the blank, which goes as well.
std::string_view take_word(std::string_view& rest) {
  const std::string_view word = rest.substr(0, rest.find(' '));
  rest.remove_prefix(std::min(word.size() + 1, rest.size()));
  return word;
}

template <class Number>
bool read_number(std::string_view text, int base, Number& number) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number, base);
  return error == std::errc{} && stop == end;
}

// A name that stays in its directory, and that a server gives.
bool is_data_file(std::string_view name) {
  const std::vector<storage::DirectoryEntry> entries{{std::string(name), 0}};
  const bool is_known =
      !storage::logs_among(entries).empty() || !storage::snapshots_among(entries).empty();
  return is_known && name.find('/') == std::string_view::npos;
}

std::optional<BackupFile> parse_file(std::string_view rest) {
  BackupFile file;
  const bool has_size = read_number(take_word(rest), 10, file.size);
  file.checksum = take_word(rest);
  file.name = rest;
  if (!has_size || file.checksum.empty() || !is_data_file(file.name)) return std::nullopt;
  return file;
}

// Its lines without the last, which says that they are what they were.
Result<std::string_view> checked_lines(std::string_view text) {
  const std::size_t end = text.rfind(kEnd);
  if (end == std::string_view::npos || !text.ends_with('\n')) return malformed("is not complete");
  const std::string_view lines = text.substr(0, end);
  std::string_view sum = text.substr(end + kEnd.size());
  sum.remove_suffix(1);
  if (sum != checksum_of(lines)) return malformed("is damaged: its checksum is another");
  return lines;
}

}  // namespace

std::uint64_t BackupManifest::bytes() const {
  std::uint64_t total = 0;
  for (const BackupFile& file : files) total += file.size;
  return total;
}

std::string to_text(const BackupManifest& manifest) {
  std::string text = fmt::format(
      "{}\ntaken {}\nsource {}\nengine {}\nfirst {:x}\nlast {:x}\nlast-time {}\nepoch {}\n"
      "digest {}\nnodes {}\nsessions {}\n",
      kFirstLine, manifest.taken, manifest.source, manifest.engine, manifest.first.value,
      manifest.last.value, manifest.last_time.value, manifest.epoch, manifest.digest,
      manifest.nodes, manifest.sessions);
  for (const BackupFile& file : manifest.files)
    text += fmt::format("file {} {} {}\n", file.size, file.checksum, file.name);
  return text + fmt::format("{}{}\n", kEnd, checksum_of(text));
}

Result<BackupManifest> parse_manifest(std::string_view text) {
  if (!text.starts_with(kFirstLine)) return malformed("is not one that this version can read");
  auto lines = checked_lines(text);
  if (!lines) return std::unexpected(lines.error());
  BackupManifest manifest;
  const std::map<std::string_view, std::string*> words{
      {"taken", &manifest.taken}, {"source", &manifest.source}, {"engine", &manifest.engine}};
  const std::map<std::string_view, std::uint64_t*> counts{
      {"digest", &manifest.digest}, {"nodes", &manifest.nodes}, {"sessions", &manifest.sessions}};
  bool is_fine = true;
  for (std::string_view left = *lines; !left.empty();) {
    std::string_view rest = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(rest.size() + 1, left.size()));
    const std::string_view key = take_word(rest);
    if (const auto word = words.find(key); word != words.end()) *word->second = rest;
    if (const auto count = counts.find(key); count != counts.end())
      is_fine = is_fine && read_number(rest, 10, *count->second);
    if (key == "first") is_fine = is_fine && read_number(rest, 16, manifest.first.value);
    if (key == "last") is_fine = is_fine && read_number(rest, 16, manifest.last.value);
    if (key == "last-time") is_fine = is_fine && read_number(rest, 10, manifest.last_time.value);
    if (key == "epoch") is_fine = is_fine && read_number(rest, 10, manifest.epoch);
    if (key != "file") continue;
    const auto file = parse_file(rest);
    if (!file) return malformed("names a file that is none of a backup");
    manifest.files.push_back(*file);
  }
  if (!is_fine || manifest.engine.empty() || manifest.files.empty())
    return malformed("lacks something, or has a number that is none");
  return manifest;
}

}  // namespace synod::server
