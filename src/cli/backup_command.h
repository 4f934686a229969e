// `synod backup`, `synod backup verify` and `synod restore`.
#pragma once

#include <string>

#include "cli/given_members.h"

namespace synod::cli {

struct BackupOptions {
  std::string source;      // a zoo.cfg, a data directory, or where a server serves clients
  std::string out;         // a directory
  bool takes_all = false;  // not the newest snapshot alone
  int wait_seconds = 120;  // for an observer to be in step
};

struct RestoreOptions {
  std::string backup;
  std::string target;  // a zoo.cfg or a data directory
  std::string until;   // a zxid, hexadecimal; empty: all of it
  bool raises_epoch = false;
  bool only_looks = false;
};

extern const char* const kBackupHelp;
extern const char* const kRestoreHelp;

// The exit status of each: 0 done; 2 bad use or configuration; 3 refused, damaged, or not to be
// read or written.
[[nodiscard]] int take_backup(const BackupOptions& options, const LoadConfig& load);
[[nodiscard]] int verify_backup(const std::string& backup);
[[nodiscard]] int restore_backup(const RestoreOptions& options, const LoadConfig& load);

}  // namespace synod::cli
