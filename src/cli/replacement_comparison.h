// How long an engine's clients wait, and what its servers send, when some or all of an ensemble are
// replaced; beside what the Omni-Paxos paper and its artifact say.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/comparison.h"

namespace synod::cli {

[[nodiscard]] std::vector<std::string_view> replacement_names();  // "reconfigure" is all of them
[[nodiscard]] std::vector<std::string_view> replacement_engines();
[[nodiscard]] std::string replacement_text(const ComparisonOptions& options);
// Prints a table of the replacements among options.scenarios, engine by replacement, and adds them
// to the page. False: something was violated.
[[nodiscard]] bool play_replacements(const ComparisonOptions& options, sim::report::Page& page);

}  // namespace synod::cli
