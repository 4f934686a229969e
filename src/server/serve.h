// `synod serve`: from a configuration to a running server, and to its exit status.
#pragma once

#include <string>
#include <vector>

#include "server/config.h"

namespace synod::server {

// ZooKeeper's exit codes, where it has one for the case.
enum class ExitStatus : int {
  kDone = 0,
  kUnexpected = 1,
  kBadConfiguration = 2,
  kBadDataDirectory = 3,
  kCannotListen = 4,
  kLogFailed = 11,  // a write or a flush failed, or the disk is full; nothing acknowledged is lost
  kCannotListenForPeers = 14,
};

struct ServeOptions {
  LoadedConfig loaded;
  std::string source;           // of the configuration, for the first log line
  std::string config_file;      // absolute; empty: started without one
  bool is_first_steps = false;  // likewise: print what to do next
};

// Serves until SIGINT or SIGTERM, or until the log fails.
[[nodiscard]] ExitStatus serve(const ServeOptions& options);

}  // namespace synod::server
