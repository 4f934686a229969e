// A server's data taken to another directory while the server runs, Java's or ours, and read again
// there. Only files are looked at; nothing is locked, asked or changed.
//
// What is taken is a snapshot, and the log behind it as far as it is written: the newest that is
// whole. A snapshot may be fuzzy, which is to say that it holds more than its name says; then the
// log has to reach that far, and is waited for. What was purged, rolled or installed meanwhile
// makes it begin again. Then the copy is loaded as a server would, and what came out is its
// manifest.
//
// The log's last transactions may be such as were never acknowledged: a server logs before that.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "server/backup_manifest.h"
#include "storage/data_directory.h"
#include "storage/file_port.h"

namespace synod::server {

struct BackupWork {
  bool takes_all = false;  // from the oldest snapshot on, not the newest
  // Slow work: what is done, and how much of it, of how much (0: not known). May be empty.
  std::function<void(const std::string& what, std::uint64_t done_bytes, std::uint64_t total_bytes)>
      progress;
  // Between two attempts, as a live directory changes; may be empty.
  std::function<void()> pause;
};

struct Backup {
  BackupManifest manifest;
  std::vector<std::string> warnings;
};

struct BackupPlace {
  std::string out;     // its version-2 is emptied
  std::string taken;   // the time, as the manifest shows it
  std::string source;  // whose it is, as the manifest shows it
};

// Blocks. After an error `out` holds no manifest, and is of no use.
[[nodiscard]] Result<Backup> take_backup(storage::FilePort& files,
                                         const storage::DataDirectory& source,
                                         const BackupPlace& place, const BackupWork& work);

[[nodiscard]] Result<BackupManifest> read_manifest(storage::FilePort& files,
                                                   const std::string& backup);

// Every byte of it is read and loaded: it is what its manifest says, or an error says what is not.
// Blocks.
[[nodiscard]] Result<Backup> verify_backup(storage::FilePort& files, const std::string& backup,
                                           const BackupWork& work);

// What a directory loads to, found out without a change to it.
struct LoadedTree {
  Zxid last;
  WallTimeMs last_time;  // 0: not known
  std::uint64_t digest = 0;
  std::uint64_t nodes = 0;
  std::uint64_t sessions = 0;
  Zxid config_version{};
  std::vector<std::string> warnings;
};
[[nodiscard]] Result<LoadedTree> load_tree(storage::FilePort& files,
                                           const storage::DataDirectory& directory,
                                           const BackupWork& work, const std::string& what);

}  // namespace synod::server
