// `synod migrate`: one server of a running ensemble after the other from ZooKeeper's program to
// ours, and back, on the same directories.
#pragma once

#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "server/config.h"
#include "server/takeover.h"

namespace synod::cli {

struct MigrateAccess {
  std::vector<std::string> servers;       // host:port of members; none, and no file: 127.0.0.1:2181
  std::vector<std::string> config_files;  // zoo.cfg of members: who belongs; and to be checked
  std::string auth;                       // scheme:credential, to compare what not all may read
  int wait_seconds = 300;                 // for a server to go, to come, to catch up
};

struct MigratePlanOptions {
  MigrateAccess access;
  bool is_back = false;
};

struct MigrateStepOptions {
  MigrateAccess access;
  server::Direction direction{};
  std::string server;  // its number, host or host:port; empty: the next of the plan
  std::string stop;    // shell commands; empty: the operator does it
  std::string start;
  bool is_dry_run = false;
  bool accepts_missing = false;
};

struct MigrateVerifyOptions {
  MigrateAccess access;
  bool is_by_reading = false;
};

extern const char* const kMigrateHelp;
extern const char* const kMigratePlanHelp;
extern const char* const kMigrateStepHelp;
extern const char* const kMigrateBackHelp;
extern const char* const kMigrateVerifyHelp;

// A zoo.cfg of whatever machine; `my_id` where its myid file is not here.
using LoadMembersConfig = std::function<std::expected<server::LoadedConfig, server::ConfigError>(
    const std::string& file, const std::string& my_id)>;

// The exit status: 0 done, or it could be (a plan, a dry run), or equal; 1 not done, or different;
// 2 bad use; 3 no answer, or not in time.
[[nodiscard]] int migrate_plan(const MigratePlanOptions& options, const LoadMembersConfig& load);
[[nodiscard]] int migrate_step(const MigrateStepOptions& options, const LoadMembersConfig& load);
[[nodiscard]] int migrate_verify(const MigrateVerifyOptions& options,
                                 const LoadMembersConfig& load);

}  // namespace synod::cli
