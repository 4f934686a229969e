#include "cli/backup_command.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "server/ask_server.h"
#include "server/backup.h"
#include "server/passing_observer.h"
#include "server/posix_files.h"
#include "server/restore.h"

namespace synod::cli {

// The columns are those of a terminal.
const char* const kBackupHelp =
    "Take a backup of a server's data while it runs, Synod's or Java's; or read one again.\n"
    "  synod backup /etc/zookeeper/zoo.cfg /backup/monday    by its configuration\n"
    "  synod backup /var/lib/zookeeper /backup/monday        or by its dataDir (with the log in "
    "it)\n"
    "  synod backup zoo1:2181 /backup/monday                 or of a running ensemble, without "
    "its\n"
    "        files: an observer joins it and leaves again (no TLS or SASL between servers)\n"
    "  synod backup verify /backup/monday                    every byte read, and loaded\n"
    "It takes the newest snapshot and the log behind it, as far as it is written, loads the copy "
    "and\n"
    "says to which zxid it goes. The server is not asked and not held up: read access is enough. "
    "With\n"
    "--all it takes what is older, too, to restore to earlier points (synod restore).\n"
    "Any member will do: what it has logged is what it takes, which may be a moment behind the\n"
    "leader, and may hold last writes that were not acknowledged yet. No myid, zoo.cfg or key is\n"
    "taken. Exit status: 0 done, 2 bad use or configuration, 3 refused or damaged.";

const char* const kRestoreHelp =
    "Put a backup back into a directory that holds no data.\n"
    "  synod restore /backup/monday /etc/zookeeper/zoo.cfg\n"
    "  synod restore /backup/monday /var/lib/zookeeper --until-zxid 0x500000007\n"
    "                                     as it was after that transaction\n"
    "  synod restore --dry-run /backup/monday /etc/zookeeper/zoo.cfg\n"
    "                                     what would be there, and what is there now\n"
    "Synod and Java start on it. A single member that lost its disk needs no backup: empty, it is\n"
    "brought up to date by the others. For a whole ensemble stop every server, move their data\n"
    "away, restore the same backup on each with --raise-epoch, and start them: zxids go on above "
    "all\n"
    "that were ever given out, so that clients come back by themselves. (On one member of an\n"
    "ensemble that lives it would make the old state win.) For other servers than those of the\n"
    "backup: restore one, and synod recover makes an ensemble of it.\n"
    "Exit status: 0 done, 2 bad use or configuration, 3 refused or damaged.";

namespace {

namespace fs = std::filesystem;

std::string utc(std::chrono::sys_time<std::chrono::seconds> when) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", when);
}

std::string time_text(WallTimeMs when) {
  if (when.value == 0) return "";
  return fmt::format(
      " ({})",
      utc(std::chrono::sys_time<std::chrono::seconds>{std::chrono::seconds{when.value / 1000}}));
}

// A zoo.cfg says where the log is; a directory is taken as it is.
Outcome<storage::DataDirectory> place_of(const std::string& word, const LoadConfig& load) {
  if (fs::is_regular_file(word)) {
    const auto loaded = load(word);
    if (!loaded) return misused(server::to_string(loaded.error()));
    const server::Config& config = loaded->config;
    return storage::DataDirectory{config.data_dir.string(), config.data_log_dir.string()};
  }
  std::string path = fs::absolute(word).lexically_normal().string();
  if (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return storage::DataDirectory{path, path};
}

server::BackupWork slow_work() {
  return {.takes_all = false, .progress = progress_report(), .pause = [] {
            std::this_thread::sleep_for(std::chrono::milliseconds(250));
          }};
}

void print_warnings(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) fmt::print(stderr, "warning: {}\n", warning);
}

void print_content(const server::BackupManifest& manifest) {
  fmt::print("{} nodes, {} sessions, up to zxid 0x{:x}{}; digest {}\n", manifest.nodes,
             manifest.sessions, manifest.last.value, time_text(manifest.last_time),
             manifest.digest);
  fmt::print("{} files, {} KiB; to be restored to any zxid from 0x{:x} on\n", manifest.files.size(),
             (manifest.bytes() + 1023) >> 10, manifest.first.value);
}

// ---- taking -----------------------------------------------------------------------------------

Outcome<std::string> empty_directory(const std::string& word) {
  const std::string path = fs::absolute(word).lexically_normal().string();
  std::error_code problem;
  if (fs::exists(path, problem) && !fs::is_directory(path, problem))
    return misused(fmt::format("{} is no directory", word));
  if (fs::is_directory(path, problem) && !fs::is_empty(path, problem))
    return misused(fmt::format(
        "{} is not empty: a backup needs a directory of its own, as in {}/{}", word, word,
        utc(std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()))));
  fs::create_directories(path, problem);
  if (problem) return misused(fmt::format("{}: {}", word, problem.message()));
  return path;
}

Outcome<void> take_files(const storage::DataDirectory& source, const std::string& name,
                         const std::string& out, bool takes_all) {
  server::PosixFiles files([](storage::IoToken /*token*/, Result<void> /*result*/) {});
  server::BackupWork work = slow_work();
  work.takes_all = takes_all;
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const auto backup =
      server::take_backup(files, source, {.out = out, .taken = utc(now), .source = name}, work);
  if (!backup) return refused(backup.error());
  print_warnings(backup->warnings);
  fmt::print("Backed up {} to {}, and loaded it:\n", name, out);
  print_content(backup->manifest);
  return {};
}

bool is_address(const std::string& word) {
  return !fs::exists(word) && word.find(':') != std::string::npos &&
         word.find('/') == std::string::npos;
}

// By an observer, in a folder beside the backup that goes with it.
Outcome<void> take_from_ensemble(const BackupOptions& options, const std::string& out) {
  const std::string folder = out + "/observer";
  std::error_code problem;
  fs::create_directories(folder, problem);
  if (problem) return misused(fmt::format("{}: {}", folder, problem.message()));
  const server::ObserverWish wish{.ensemble = server::parse_address(options.source),
                                  .program = fs::read_symlink("/proc/self/exe", problem).string(),
                                  .folder = folder,
                                  .patience = std::chrono::seconds(options.wait_seconds),
                                  .say = every_two_seconds()};
  const auto observed = server::observe_once(wish);
  auto taken = observed ? take_files(*observed, options.source, out, options.takes_all)
                        : Outcome<void>(refused(observed.error()));
  fs::remove_all(folder, problem);
  return taken;
}

Outcome<void> take(const BackupOptions& options, const LoadConfig& load) {
  if (options.source.empty() || options.out.empty())
    return misused(
        "what is to be backed up, and where to? As in: synod backup zoo.cfg /backup/monday "
        "(synod backup --help)");
  const bool is_remote = is_address(options.source);
  const auto source =
      is_remote ? Outcome<storage::DataDirectory>{} : place_of(options.source, load);
  if (!source) return std::unexpected(source.error());
  const auto out = empty_directory(options.out);
  if (!out) return std::unexpected(out.error());
  if (is_remote) return take_from_ensemble(options, *out);
  return take_files(*source, source->data_dir, *out, options.takes_all);
}

Outcome<void> verify(const std::string& backup) {
  server::PosixFiles files([](storage::IoToken /*token*/, Result<void> /*result*/) {});
  const auto verified = server::verify_backup(files, backup, slow_work());
  if (!verified) return refused(verified.error());
  print_warnings(verified->warnings);
  fmt::print("{} is what it was when it was taken, {} from {}:\n", backup, verified->manifest.taken,
             verified->manifest.source);
  print_content(verified->manifest);
  return {};
}

// ---- restoring --------------------------------------------------------------------------------

Outcome<server::RestoreWish> wish_of(const RestoreOptions& options) {
  server::RestoreWish wish{
      .until = {}, .raises_epoch = options.raises_epoch, .only_looks = options.only_looks};
  if (options.until.empty()) return wish;
  std::string_view digits = options.until;
  if (digits.starts_with("0x")) digits.remove_prefix(2);
  Zxid until;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, until.value, 16);
  if (error != std::errc{} || stop != end)
    return misused(
        fmt::format("--until-zxid {}: that is no zxid, which is hexadecimal, as in 0x500000007",
                    options.until));
  wish.until = until;
  return wish;
}

Outcome<void> make_directories(const storage::DataDirectory& target) {
  for (const std::string& path : {target.data_dir, target.data_log_dir}) {
    std::error_code problem;
    fs::create_directories(path, problem);
    if (problem) return misused(fmt::format("{}: {}", path, problem.message()));
  }
  return {};
}

std::string tree_text(const server::LoadedTree& tree) {
  return fmt::format("{} nodes, {} sessions, up to zxid 0x{:x}{}; digest {}", tree.nodes,
                     tree.sessions, tree.last.value, time_text(tree.last_time), tree.digest);
}

void print_change(const server::Restored& restored, const std::string& directory) {
  if (restored.before)
    fmt::print("Instead of what {} holds now, which has to be moved away first:\n  {}\n", directory,
               tree_text(*restored.before));
  else
    fmt::print("{} holds no data now.\n", directory);
}

void print_restored(const server::Restored& restored, const std::string& directory,
                    const RestoreOptions& options) {
  const server::LoadedTree& tree = restored.tree;
  print_warnings(tree.warnings);
  fmt::print("{} to {}:\n  {}\n", options.only_looks ? "Would be restored" : "Restored", directory,
             tree_text(tree));
  if (tree.last < restored.backup_last)
    fmt::print("Left out is what the backup has beyond, up to zxid 0x{:x}.\n",
               restored.backup_last.value);
  if (options.only_looks) print_change(restored, directory);
  if (restored.engine != "zab")
    fmt::print("It is of an ensemble with consensus={}, which its zoo.cfg has to say.\n",
               restored.engine);
  if (options.raises_epoch)
    fmt::print("The first leader opens epoch {} or above: do the same on every member.\n",
               restored.epoch + 1);
  if (tree.config_version > Zxid{})
    fmt::print(
        "It knows the membership of version {:x}. If its zoo.cfg is to have another, make an "
        "ensemble of it with synod recover.\n",
        tree.config_version.value);
  if (options.only_looks) fmt::print("The backup is whole. Nothing was changed.\n");
}

Outcome<void> restore(const RestoreOptions& options, const LoadConfig& load) {
  const auto wish = wish_of(options);
  if (!wish) return std::unexpected(wish.error());
  const auto target = place_of(options.target, load);
  if (!target) return std::unexpected(target.error());
  if (auto made = make_directories(*target); !made) return made;
  const auto locked = lock_members({{ServerId{}, *target}}, "this");
  if (!locked) return std::unexpected(locked.error());
  server::PosixFiles files([](storage::IoToken /*token*/, Result<void> /*result*/) {});
  const auto restored = server::restore_backup(files, options.backup, *target, *wish, slow_work());
  if (!restored) return refused(restored.error());
  print_restored(*restored, target->data_dir, options);
  return {};
}

}  // namespace

int take_backup(const BackupOptions& options, const LoadConfig& load) {
  return concluded(take(options, load));
}

int verify_backup(const std::string& backup) { return concluded(verify(backup)); }

int restore_backup(const RestoreOptions& options, const LoadConfig& load) {
  return concluded(restore(options, load));
}

}  // namespace synod::cli
