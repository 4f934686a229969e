// `synod recover`: an ensemble whose quorum is gone for good, begun again by those that are left.
#pragma once

#include <string>
#include <vector>

#include "cli/given_members.h"

namespace synod::cli {

struct RecoverOptions {
  std::vector<std::string> members;  // survivors and newcomers: zoo.cfg files, data directories
  std::vector<std::string> joining;  // server.N=… lines
  std::string from;                  // the engine, where nothing is recorded; empty: zab
  bool accepts_lost_writes = false;  // else it only says what it would do
};

extern const char* const kRecoverHelp;

// The exit status: 0 done, or shown; 2 bad use or configuration; 3 refused, or a directory cannot
// be read or written.
[[nodiscard]] int recover(const RecoverOptions& options, const LoadConfig& load);

}  // namespace synod::cli
