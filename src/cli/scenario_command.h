// `synod sim scenario`: the schedules written by hand (sim/scenarios.h), each in a child process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace synod::cli {

struct ScenarioOptions {
  std::vector<std::string> names;  // none: all
  std::uint64_t first_seed = 1;
  std::uint64_t seeds = 3;
  bool is_traced = false;
  // In builds with mutants: the rule that a scenario guards is switched off, and it must fail.
  bool breaks_rules = false;
};

// The exit status: 0 if all went as they should, 2 for a name that is none.
[[nodiscard]] int play_scenarios(const ScenarioOptions& options);

}  // namespace synod::cli
