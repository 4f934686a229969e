#include "storage/data_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "storage/compression.h"
#include "storage/snapshot_format.h"

namespace synod::storage {
namespace {

constexpr std::string_view kUnfinishedPrefix = "unfinished.";

std::string_view suffix_of(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return "";
    case Compression::kGzip:
      return ".gz";
    case Compression::kSnappy:
      return ".snappy";
  }
  return "";
}

// "log.5", "snapshot.5" and "snapshot.5.gz" hold 5: the second of the parts between dots.
std::optional<Zxid> zxid_in(std::string_view name, std::string_view kind) {
  if (!name.starts_with(kind) || name.substr(kind.size(), 1) != ".") return std::nullopt;
  name.remove_prefix(kind.size() + 1);
  const std::string_view digits = name.substr(0, name.find('.'));
  std::uint64_t number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number, 16);
  if (error != std::errc{} || stop != end || digits.empty()) return std::nullopt;
  return Zxid{static_cast<std::int64_t>(number)};
}

Compression compression_of(std::string_view name) {
  if (name.ends_with(".gz")) return Compression::kGzip;
  if (name.ends_with(".snappy")) return Compression::kSnappy;
  return Compression::kNone;
}

}  // namespace

std::string hex(Zxid zxid) { return fmt::format("{:x}", static_cast<std::uint64_t>(zxid.value)); }

std::string log_name(Zxid first_zxid) { return "log." + hex(first_zxid); }

std::string snapshot_name(Zxid zxid, Compression compression) {
  return fmt::format("snapshot.{}{}", hex(zxid), suffix_of(compression));
}

std::string unfinished_snapshot_name(Zxid zxid) {
  return fmt::format("{}snapshot.{}", kUnfinishedPrefix, hex(zxid));
}

std::vector<LogFile> logs_among(const std::vector<DirectoryEntry>& entries) {
  std::vector<LogFile> logs;
  for (const DirectoryEntry& entry : entries) {
    if (const auto zxid = zxid_in(entry.name, "log")) {
      logs.push_back({.name = entry.name, .first_zxid = *zxid, .size = entry.size});
    }
  }
  std::ranges::sort(logs, {},
                    [](const LogFile& log) { return std::pair(log.first_zxid, log.name); });
  return logs;
}

std::vector<SnapshotFile> snapshots_among(const std::vector<DirectoryEntry>& entries) {
  std::vector<SnapshotFile> snapshots;
  for (const DirectoryEntry& entry : entries) {
    if (const auto zxid = zxid_in(entry.name, "snapshot")) {
      snapshots.push_back({.name = entry.name,
                           .zxid = *zxid,
                           .compression = compression_of(entry.name),
                           .size = entry.size});
    }
  }
  std::ranges::sort(snapshots, {},
                    [](const SnapshotFile& file) { return std::pair(file.zxid, file.name); });
  return snapshots;
}

std::vector<std::string> unfinished_among(const std::vector<DirectoryEntry>& entries) {
  std::vector<std::string> names;
  for (const DirectoryEntry& entry : entries) {
    if (entry.name.starts_with(kUnfinishedPrefix)) names.push_back(entry.name);
  }
  return names;
}

Result<bool> looks_whole(FilePort& files, const std::string& directory, const SnapshotFile& file) {
  std::uint64_t offset = 0;
  BytesView expected;
  switch (file.compression) {
    case Compression::kNone:
      if (file.size < 2 * kSnapshotEnd.size()) return false;
      offset = file.size - kSnapshotEnd.size();
      expected = kSnapshotEnd;
      break;
    case Compression::kGzip:
      expected = kGzipMagic;
      break;
    case Compression::kSnappy:
      expected = kSnappyMagic;
      break;
  }
  const Result<Bytes> bytes = files.read(directory + "/" + file.name, offset, expected.size());
  if (!bytes) return std::unexpected(bytes.error());
  return *bytes == expected;
}

}  // namespace synod::storage
