#include "server/backup.h"

#include <fmt/format.h>

#include <algorithm>
#include <expected>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "jute/txn.h"
#include "replica/recovery_loader.h"
#include "server/engine_record.h"
#include "server/file_copy.h"
#include "server/unchanged_files.h"
#include "state/owner.h"
#include "storage/epoch_files.h"
#include "storage/flushed_mark.h"
#include "storage/log_format.h"
#include "storage/log_reader.h"
#include "storage/recovery.h"
#include "storage/snapshot_reader.h"

namespace synod::server {
namespace {

namespace op = storage::op;
using storage::LogEnd;
using storage::LogFile;
using storage::LogRecord;
using storage::SnapshotFile;

constexpr int kAttemptsMax = 40;
constexpr std::size_t kManifestBytesMax = std::size_t{4} << 20;
constexpr char kPendingInstallName[] = "pendingInstall";  // see storage/snapshot_install.h

// To read a snapshot for its seals alone.
class SealsOnly final : public storage::SnapshotSink {
 public:
  void session(SessionId /*id*/, std::int32_t /*timeout_ms*/) override {}
  void acl(std::int64_t /*id*/, jute::AclList /*list*/) override {}
  Result<void> node(std::string_view /*path*/, const storage::NodeImage& /*node*/) override {
    return {};
  }
};

// A live directory is between two states: what to say if it stays so.
struct NotNow {
  std::string why;
};
template <class T>
using Attempt = std::expected<T, std::variant<NotNow, Error>>;

// What was listed and is not there any more was purged, or its server installed another tree.
std::variant<NotNow, Error> moved_or(const Error& error) {
  if (error.kind == ErrorKind::kNotFound) return NotNow{error.text + ": it went away meanwhile"};
  return error;
}

class Taker {
 public:
  Taker(storage::FilePort& files, const storage::DataDirectory& source, const BackupPlace& place,
        const BackupWork& work)
      : files_(files), source_(source), place_(place), out_(place.out), work_(work) {}

  Result<Backup> run();

 private:
  struct Taken {
    SnapshotFile file;
    Zxid content;  // what it holds: more than its name says, where it is fuzzy
  };
  using Snapshots = std::vector<Taken>;  // oldest first, one at least

  Attempt<void> attempt();
  Attempt<Snapshots> choose_snapshots();
  Attempt<std::vector<LogFile>> choose_logs(Snapshots& snapshots);
  Attempt<void> copy_snapshot(const SnapshotFile& file);
  Attempt<void> copy_log(const LogFile& log, bool is_newest);
  Attempt<LogEnd> find_end(const LogFile& log, bool is_newest);
  Attempt<void> copy(const std::string& from_directory, const std::string& name,
                     std::uint64_t size);
  Attempt<void> check_installing();
  Result<void> note_origin();
  Result<void> write_manifest();
  void show(std::uint64_t bytes) {
    done_bytes_ += bytes;
    if (work_.progress) work_.progress("copying " + source_.data_dir, done_bytes_, total_bytes_);
  }

  storage::FilePort& files_;
  const storage::DataDirectory& source_;
  const BackupPlace& place_;
  const std::string& out_;
  const BackupWork& work_;
  storage::FileHandleSource handles_;
  Backup backup_;
  std::optional<storage::FlushedMark> mark_;  // as it was before the log was read
  Zxid logged_;                               // the last record that was copied
  std::uint64_t done_bytes_ = 0;
  std::uint64_t total_bytes_ = 0;
};

Result<Backup> Taker::run() {
  std::string why;
  bool is_copied = false;
  for (int attempts = 0; attempts < kAttemptsMax && !is_copied; ++attempts) {
    if (attempts > 0 && work_.pause) work_.pause();
    if (auto cleared = make_empty(files_, out_ + "/version-2"); !cleared)
      return std::unexpected(cleared.error());
    const auto attempted = attempt();
    is_copied = attempted.has_value();
    if (is_copied) break;
    if (const auto* error = std::get_if<Error>(&attempted.error())) return std::unexpected(*error);
    why = std::get<NotNow>(attempted.error()).why;
  }
  if (!is_copied)
    return fail(ErrorKind::kRefused,
                fmt::format("{} did not hold still: {}. If its server is down, start it once, or "
                            "take the backup from another one.",
                            source_.data_dir, why));
  if (auto noted = note_origin(); !noted) return std::unexpected(noted.error());
  if (auto written = write_manifest(); !written) return std::unexpected(written.error());
  return std::move(backup_);
}

Attempt<void> Taker::attempt() {
  backup_ = {};
  logged_ = {};
  done_bytes_ = total_bytes_ = 0;
  if (auto installing = check_installing(); !installing) return installing;
  auto snapshots = choose_snapshots();
  if (!snapshots) return std::unexpected(snapshots.error());
  const auto logs = choose_logs(*snapshots);
  if (!logs) return std::unexpected(logs.error());
  for (const Taken& taken : *snapshots) total_bytes_ += taken.file.size;
  for (const LogFile& log : *logs) total_bytes_ += log.size;
  for (const Taken& taken : *snapshots)
    if (auto copied = copy_snapshot(taken.file); !copied) return copied;
  for (const LogFile& log : *logs)
    if (auto copied = copy_log(log, log.name == logs->back().name); !copied) return copied;
  backup_.manifest.first = snapshots->front().content;
  const Taken& newest = snapshots->back();
  if (std::max(logged_, newest.file.zxid) < newest.content)
    return std::unexpected(NotNow{fmt::format(
        "{} holds what its log, which ends at zxid 0x{:x}, does not have yet (0x{:x}); was "
        "dataLogDir set? Then give the server's zoo.cfg",
        newest.file.name, logged_.value, newest.content.value)});
  return check_installing();
}

Attempt<void> Taker::check_installing() {
  const auto entries = files_.list(source_.snapshots());
  if (!entries && entries.error().kind == ErrorKind::kNotFound)
    return std::unexpected(
        Error{ErrorKind::kRefused, fmt::format("{} does not exist: is {} a server's dataDir?",
                                               source_.snapshots(), source_.data_dir)});
  if (!entries) return std::unexpected(entries.error());
  if (std::ranges::find(*entries, kPendingInstallName, &storage::DirectoryEntry::name) ==
      entries->end())
    return {};
  return std::unexpected(NotNow{"its server is installing a tree that came from its leader"});
}

Attempt<Taker::Snapshots> Taker::choose_snapshots() {
  const auto entries = files_.list(source_.snapshots());
  if (!entries) return std::unexpected(moved_or(entries.error()));
  Snapshots snapshots;
  const std::vector<SnapshotFile> there = storage::snapshots_among(*entries);
  for (auto file = there.rbegin(); file != there.rend(); ++file) {
    const auto is_whole = storage::looks_whole(files_, source_.snapshots(), *file);
    if (!is_whole || !*is_whole) continue;
    SealsOnly sink;
    storage::SnapshotReadOptions options;
    options.progress = [&](std::uint64_t bytes) {
      if (work_.progress) work_.progress("reading " + file->name, bytes, file->size);
    };
    const auto trailer = storage::read_snapshot(files_, source_.snapshots(), *file, sink, options);
    if (!trailer) continue;  // one that is being written, or damaged: the one before it will do
    snapshots.insert(snapshots.begin(), Taken{*file, storage::content_zxid(*file, *trailer)});
    if (!work_.takes_all) return snapshots;
  }
  if (!snapshots.empty()) return snapshots;
  if (there.empty())
    return std::unexpected(Error{
        ErrorKind::kRefused,
        fmt::format("{} holds no snapshot: no server has ever run on it", source_.snapshots())});
  return std::unexpected(
      NotNow{fmt::format("{} holds no snapshot that is whole", source_.snapshots())});
}

// Looked for after the snapshots were: they go at least as far. A snapshot whose log was purged is
// left out while there is a newer one.
Attempt<std::vector<LogFile>> Taker::choose_logs(Snapshots& snapshots) {
  const auto mark = storage::read_mark(files_, source_.logs());
  if (!mark) return std::unexpected(moved_or(mark.error()));
  mark_ = *mark;
  const auto entries = files_.list(source_.logs());
  if (!entries && entries.error().kind == ErrorKind::kNotFound) return std::vector<LogFile>{};
  if (!entries) return std::unexpected(moved_or(entries.error()));
  std::vector<LogFile> logs = storage::logs_among(*entries);
  const auto first_needed = [&](const Taken& taken) {
    const Zxid next = taken.file.zxid.next();
    const auto above = std::ranges::upper_bound(logs, next, {}, &LogFile::first_zxid);
    return above == logs.begin() ? above : above - 1;
  };
  const auto goes_on = [&](const Taken& taken) {
    const auto log = first_needed(taken);
    return log == logs.end() || log->first_zxid <= taken.file.zxid.next() ||
           storage::follows(log->first_zxid, taken.file.zxid);
  };
  while (snapshots.size() > 1 && !goes_on(snapshots.front())) snapshots.erase(snapshots.begin());
  logs.erase(logs.begin(), first_needed(snapshots.front()));
  return logs;
}

Attempt<void> Taker::copy_snapshot(const SnapshotFile& file) {
  return copy(source_.snapshots(), file.name, file.size);
}

Attempt<void> Taker::copy_log(const LogFile& log, bool is_newest) {
  const auto end = find_end(log, is_newest);
  if (!end) return std::unexpected(end.error());
  if (end->kind == storage::LogEndKind::kNoHeader) return {};  // just created
  return copy(source_.logs(), log.name, end->offset);
}

// Behind its last whole record. The newest one's end is being written: a record that is not all
// there ends it, but for what its server's mark says was safe before. What is there and wrong is
// damage, if it stays so. A torn end of an older one is left where it is, and loading the copy
// shows whether the next goes on from there.
Attempt<LogEnd> Taker::find_end(const LogFile& log, bool is_newest) {
  storage::LogReader reader(files_, source_.logs() + "/" + log.name, log.size);
  for (;;) {
    const auto step = reader.next();
    if (!step) return std::unexpected(moved_or(step.error()));
    if (const auto* record = std::get_if<LogRecord>(&*step)) {
      logged_ = std::max(logged_, record->txn.header.zxid);
      continue;
    }
    const LogEnd& end = std::get<LogEnd>(*step);
    if (mark_ && mark_->log_first_zxid == log.first_zxid && end.offset < mark_->offset)
      return std::unexpected(
          NotNow{fmt::format("{} ends at offset {}, and {} bytes of it were safe", log.name,
                             end.offset, mark_->offset)});
    if (is_newest && end.kind == storage::LogEndKind::kNoHeader) return end;
    if (end.is_clean()) return end;
    if (end.kind != storage::LogEndKind::kTorn) return std::unexpected(NotNow{end.text});
    if (!is_newest) return end;
    const auto behind = reader.find_whole_record(end.offset + 1, logged_);
    if (!behind) return std::unexpected(moved_or(behind.error()));
    if (*behind) return std::unexpected(NotNow{end.text});
    return end;
  }
}

Attempt<void> Taker::copy(const std::string& from_directory, const std::string& name,
                          std::uint64_t size) {
  auto sum = copy_file(files_,
                       {.from = from_directory + "/" + name,
                        .to = out_ + "/version-2/" + name,
                        .size = size,
                        .progress = [this](std::uint64_t bytes) { show(bytes); }},
                       handles_.next());
  if (!sum) return std::unexpected(moved_or(sum.error()));
  backup_.manifest.files.push_back({.name = name, .size = size, .checksum = *std::move(sum)});
  return {};
}

// What the server promised is no part of a backup, but whoever begins with it has to begin above.
Result<void> Taker::note_origin() {
  BackupManifest& manifest = backup_.manifest;
  manifest.taken = place_.taken;
  manifest.source = place_.source;
  const auto record = read_engine_record(files_, source_.data_dir);
  if (!record) return std::unexpected(record.error());
  if (*record && (*record)->is_converting())
    return fail(ErrorKind::kRefused,
                fmt::format("{} is half way through a conversion or a recovery: finish that first",
                            source_.data_dir));
  manifest.engine = *record ? (*record)->engine : "zab";
  const storage::DataDirectory copy{out_, out_};
  const auto loaded = load_tree(files_, copy, work_, "loading " + out_);
  if (!loaded) return std::unexpected(loaded.error());
  manifest.last = loaded->last;
  manifest.last_time = loaded->last_time;
  manifest.digest = loaded->digest;
  manifest.nodes = loaded->nodes;
  manifest.sessions = loaded->sessions;
  backup_.warnings = loaded->warnings;
  manifest.epoch = loaded->last.epoch();
  for (const char* name : {storage::kCurrentEpochName, storage::kAcceptedEpochName}) {
    const auto epoch = storage::read_epoch(files_, source_.snapshots(), name);
    if (epoch && *epoch)
      manifest.epoch = std::max(manifest.epoch, static_cast<std::uint32_t>(**epoch));
  }
  return {};
}

Result<void> Taker::write_manifest() {
  const std::string path = out_ + "/" + kManifestName;
  const storage::FileHandle handle = handles_.next();
  return files_.perform(
      {op::FlushDirectory{.path = out_ + "/version-2"},
       op::Create{.handle = handle, .path = path + ".tmp"},
       op::Write{.handle = handle,
                 .offset = 0,
                 .bytes = std::make_shared<const Bytes>(to_text(backup_.manifest))},
       op::Flush{.handle = handle}, op::Close{.handle = handle},
       op::Rename{.from = path + ".tmp", .to = path}, op::FlushDirectory{.path = out_}});
}

std::unexpected<Error> damaged(const std::string& what, const std::string& backup) {
  return fail(ErrorKind::kCorrupt,
              fmt::format("{}: the backup {} is damaged, use another one", what, backup));
}

}  // namespace

Result<LoadedTree> load_tree(storage::FilePort& files, const storage::DataDirectory& directory,
                             const BackupWork& work, const std::string& what) {
  UnchangedFiles unchanged(files);
  // As every reader of a backup has it: no session has a number that is a TTL's.
  replica::RecoveryLoader loader(state::OwnerRules{.extended_types = true});
  storage::RecoveryOptions options;
  options.recent_max = 1;
  if (work.progress)
    options.progress = [&](std::uint64_t done, std::uint64_t total) {
      work.progress(what, done, total);
    };
  const auto report = storage::recover(unchanged, directory, options, loader);
  if (!report) return std::unexpected(report.error());
  LoadedTree loaded{.last = std::max(report->last_zxid, Zxid{}), .last_time = {}};
  loaded.warnings = report->warnings;
  if (loader.digest_mismatches() != 0)
    loaded.warnings.push_back(
        fmt::format("{} digests in the log are not those of the tree", loader.digest_mismatches()));
  if (!report->recent.empty())
    if (const auto txn = jute::decode_txn(*report->recent.back().bytes))
      loaded.last_time = WallTimeMs{txn->header.time_ms};
  const auto state = loader.finish();
  loaded.digest = state->tree().digest();
  loaded.nodes = state->tree().node_count();
  loaded.sessions = state->sessions().size();
  loaded.config_version = state->config_version();
  return loaded;
}

Result<Backup> take_backup(storage::FilePort& files, const storage::DataDirectory& source,
                           const BackupPlace& place, const BackupWork& work) {
  return Taker(files, source, place, work).run();
}

Result<BackupManifest> read_manifest(storage::FilePort& files, const std::string& backup) {
  const auto text = files.read(backup + "/" + kManifestName, 0, kManifestBytesMax);
  if (!text && text.error().kind == ErrorKind::kNotFound)
    return fail(ErrorKind::kRefused,
                fmt::format("{} has no file {}: it is no backup, or one that was not finished",
                            backup, kManifestName));
  if (!text) return std::unexpected(text.error());
  auto manifest = parse_manifest(*text);
  if (!manifest) return fail(manifest.error().kind, backup + ": " + manifest.error().text);
  return manifest;
}

Result<Backup> verify_backup(storage::FilePort& files, const std::string& backup,
                             const BackupWork& work) {
  auto manifest = read_manifest(files, backup);
  if (!manifest) return std::unexpected(manifest.error());
  const std::uint64_t total = manifest->bytes();
  std::uint64_t done = 0;
  for (const BackupFile& file : manifest->files) {
    const std::string path = backup + "/version-2/" + file.name;
    const auto sum = checksum_of_file(files, path, file.size, [&](std::uint64_t bytes) {
      done += bytes;
      if (work.progress) work.progress("reading " + backup, done, total);
    });
    if (!sum) return damaged(sum.error().text, backup);
    if (*sum != file.checksum) return damaged(path + " has another checksum", backup);
  }
  const auto loaded = load_tree(files, {backup, backup}, work, "loading " + backup);
  if (!loaded) return damaged(loaded.error().text, backup);
  const bool is_the_same = loaded->last == manifest->last && loaded->digest == manifest->digest &&
                           loaded->nodes == manifest->nodes &&
                           loaded->sessions == manifest->sessions;
  if (!is_the_same)
    return damaged(
        fmt::format("it loads to zxid 0x{:x} with {} nodes, {} sessions and the digest {}, and its "
                    "manifest has 0x{:x}, {}, {} and {}",
                    loaded->last.value, loaded->nodes, loaded->sessions, loaded->digest,
                    manifest->last.value, manifest->nodes, manifest->sessions, manifest->digest),
        backup);
  return Backup{*std::move(manifest), loaded->warnings};
}

}  // namespace synod::server
