#include "storage/snapshot_install.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <memory>

#include "jute/codec.h"
#include "storage/flushed_mark.h"

namespace synod::storage {
namespace {

constexpr BytesView kMagic = "SYNODINS";
constexpr std::int32_t kVersion = 1;
constexpr char kIntentName[] = "pendingInstall";
constexpr std::size_t kIntentBytesMax = std::size_t{16} << 20;

struct Intent {
  Zxid zxid;
  std::string snapshot;               // its name
  std::int64_t size = 0;              // bytes
  std::vector<std::string> replaces;  // names of snapshots and logs
  static void fields(auto& self, auto&& visit) {
    visit(self.zxid, self.snapshot, self.size, self.replaces);
  }
};

std::int32_t crc32_of(BytesView bytes) {
  return static_cast<std::int32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

Bytes encode(const Intent& intent) {
  Bytes bytes(kMagic);
  jute::Writer out(bytes);
  out.i32(kVersion);
  jute::write(out, intent);
  out.i32(crc32_of(bytes));
  return bytes;
}

std::optional<Intent> decode(BytesView bytes) {
  jute::Reader in(bytes);
  if (in.take(kMagic.size()) != kMagic || in.i32() != kVersion) return std::nullopt;
  Intent intent;
  jute::read(in, intent);
  const BytesView summed = bytes.substr(0, bytes.size() - in.remaining());
  const std::int32_t crc = in.i32();
  if (!in.ok() || crc != crc32_of(summed)) return std::nullopt;
  return intent;
}

// Snapshots and logs, as they lie there.
struct Present {
  std::vector<SnapshotFile> snapshots;
  std::vector<LogFile> logs;
  std::vector<DirectoryEntry> in_snapshots;
};

Result<Present> look(FilePort& files, const DataDirectory& directory) {
  auto in_snapshots = files.list(directory.snapshots());
  if (!in_snapshots) return std::unexpected(in_snapshots.error());
  const auto in_logs = files.list(directory.logs());
  if (!in_logs) return std::unexpected(in_logs.error());
  Present present{.snapshots = snapshots_among(*in_snapshots), .logs = logs_among(*in_logs)};
  present.in_snapshots = *std::move(in_snapshots);
  return present;
}

void append_intent(FileBatch& batch, const std::string& directory, FileHandle handle,
                   const Intent& intent) {
  const std::string path = directory + "/" + kIntentName;
  batch.emplace_back(op::Create{.handle = handle, .path = path + ".tmp"});
  batch.emplace_back(op::Write{
      .handle = handle, .offset = 0, .bytes = std::make_shared<const Bytes>(encode(intent))});
  batch.emplace_back(op::Flush{.handle = handle});
  batch.emplace_back(op::Close{.handle = handle});
  batch.emplace_back(op::Rename{.from = path + ".tmp", .to = path});
  batch.emplace_back(op::FlushDirectory{.path = directory});
}

void append_rename(FileBatch& batch, const std::string& directory, const Intent& intent) {
  batch.emplace_back(op::Rename{.from = directory + "/" + unfinished_snapshot_name(intent.zxid),
                                .to = directory + "/" + intent.snapshot});
  batch.emplace_back(op::FlushDirectory{.path = directory});
}

// The mark before the log that it speaks of; the intent when nothing is left to do.
void append_removals(FileBatch& batch, const DataDirectory& directory, const Present& present,
                     const Intent& intent) {
  for (const SnapshotFile& file : present.snapshots) {
    if (file.name == intent.snapshot) continue;
    batch.emplace_back(op::Remove{.path = directory.snapshots() + "/" + file.name});
  }
  batch.emplace_back(op::FlushDirectory{.path = directory.snapshots()});
  batch.emplace_back(op::Remove{.path = directory.logs() + "/" + kFlushedMarkName});
  batch.emplace_back(op::FlushDirectory{.path = directory.logs()});
  for (auto log = present.logs.rbegin(); log != present.logs.rend(); ++log) {
    batch.emplace_back(op::Remove{.path = directory.logs() + "/" + log->name});
  }
  batch.emplace_back(op::FlushDirectory{.path = directory.logs()});
  batch.emplace_back(op::Remove{.path = directory.snapshots() + "/" + kIntentName});
  batch.emplace_back(op::FlushDirectory{.path = directory.snapshots()});
}

std::optional<std::string> not_listed(const Present& present, const Intent& intent) {
  const auto is_known = [&](const std::string& name) {
    return name == intent.snapshot ||
           std::ranges::find(intent.replaces, name) != intent.replaces.end();
  };
  for (const SnapshotFile& file : present.snapshots) {
    if (!is_known(file.name)) return file.name;
  }
  for (const LogFile& log : present.logs) {
    if (!is_known(log.name)) return log.name;
  }
  return std::nullopt;
}

bool has_file(const Present& present, const std::string& name, std::int64_t size) {
  return std::ranges::any_of(present.in_snapshots, [&](const DirectoryEntry& entry) {
    return entry.name == name && static_cast<std::int64_t>(entry.size) == size;
  });
}

}  // namespace

Result<FileBatch> plan_install(FilePort& files, const DataDirectory& directory,
                               const SnapshotFile& received, FileHandleSource& handles) {
  const auto present = look(files, directory);
  if (!present) return std::unexpected(present.error());
  Intent intent{.zxid = received.zxid,
                .snapshot = received.name,
                .size = static_cast<std::int64_t>(received.size),
                .replaces = {}};
  for (const SnapshotFile& file : present->snapshots) intent.replaces.push_back(file.name);
  for (const LogFile& log : present->logs) intent.replaces.push_back(log.name);
  FileBatch batch;
  append_intent(batch, directory.snapshots(), handles.next(), intent);
  append_rename(batch, directory.snapshots(), intent);
  append_removals(batch, directory, *present, intent);
  return batch;
}

Result<std::optional<std::string>> finish_install(FilePort& files, const DataDirectory& directory) {
  const std::string path = directory.snapshots() + "/" + kIntentName;
  const Result<Bytes> bytes = files.read(path, 0, kIntentBytesMax);
  if (!bytes) {
    if (bytes.error().kind == ErrorKind::kNotFound) return std::nullopt;
    return std::unexpected(bytes.error());
  }
  const auto present = look(files, directory);
  if (!present) return std::unexpected(present.error());
  const std::optional<Intent> intent = decode(*bytes);
  if (!intent) {
    return fail(ErrorKind::kCorrupt,
                path +
                    " is damaged. The state of the leader was being installed when the server "
                    "stopped: empty the directory to get it again.");
  }
  const auto in_doubt = not_listed(*present, *intent);
  if (in_doubt) {
    auto dropped = files.perform(
        {op::Remove{.path = path}, op::FlushDirectory{.path = directory.snapshots()}});
    if (!dropped) return std::unexpected(dropped.error());
    return fmt::format("{} speaks of a state from before {} was written; it was dropped", path,
                       *in_doubt);
  }
  FileBatch batch;
  if (has_file(*present, unfinished_snapshot_name(intent->zxid), intent->size)) {
    append_rename(batch, directory.snapshots(), *intent);
  } else if (!has_file(*present, intent->snapshot, intent->size)) {
    return fail(ErrorKind::kCorrupt,
                fmt::format("{} names {} of {} bytes, and there is no such file. The state of the "
                            "leader was being installed when the server stopped: empty the "
                            "directory to get it again.",
                            path, intent->snapshot, intent->size));
  }
  append_removals(batch, directory, *present, *intent);
  if (auto done = files.perform(std::move(batch)); !done) return std::unexpected(done.error());
  return fmt::format("The installation of {}/{} from the leader was finished",
                     directory.snapshots(), intent->snapshot);
}

}  // namespace synod::storage
