// `synod convert`: a stopped ensemble's data directories, from one consensus engine to another.
#pragma once

#include <string>
#include <vector>

#include "cli/given_members.h"

namespace synod::cli {

struct ConvertOptions {
  std::string to;
  std::string from;       // empty: as recorded
  std::vector<int> lost;  // members whose directories are gone
  bool is_dry_run = false;
  bool accepts_lost_writes = false;
  std::vector<std::string> members;  // zoo.cfg files, and data directories
};

extern const char* const kConvertHelp;

// The exit status: 0 done, or nothing to do; 2 bad use or configuration; 3 refused, or a directory
// cannot be read or written.
[[nodiscard]] int convert(const ConvertOptions& options, const LoadConfig& load);

}  // namespace synod::cli
