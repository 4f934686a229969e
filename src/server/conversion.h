// A stopped ensemble's directories, from one consensus engine to another: looked at, and changed as
// conversion_plan.h says. Blocks; owns neither locks nor the question whether to go on.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "server/conversion_plan.h"
#include "state/owner.h"
#include "storage/data_directory.h"
#include "storage/file_port.h"

namespace synod::server {

struct ConvertedMember {
  ServerId id;
  storage::DataDirectory directory;
};

struct ConversionOptions {
  state::OwnerRules owner_rules;
  bool trusts_empty_snapshot = false;
  // Slow work: what is done, and how much of it, of how much (0: not known yet). May be empty.
  std::function<void(const std::string& what, std::uint64_t done_bytes, std::uint64_t total_bytes)>
      progress;
  // What has to be done once every directory has the tree, and before any server may start; may be
  // empty. Done again with the rest.
  std::function<Result<void>()> before_finish;
};

// What the directories hold, in their order. Changes nothing in any of them, whatever a crash left
// there. The error names the directory and what can be done.
[[nodiscard]] Result<std::vector<FoundMember>> survey_members(
    storage::FilePort& files, const std::vector<ConvertedMember>& members,
    const ConversionOptions& options);

struct Converted {
  std::uint64_t nodes = 0;
  std::uint64_t sessions = 0;
  std::vector<std::string> warnings;
};

// The plan's members are these. `conversion`: not used before, not 0. After an error, a kill or a
// power cut everything can be surveyed, planned and carried out again.
[[nodiscard]] Result<Converted> carry_out(storage::FilePort& files,
                                          const std::vector<ConvertedMember>& members,
                                          const ConversionPlan& plan, std::uint64_t conversion,
                                          const ConversionOptions& options);

}  // namespace synod::server
