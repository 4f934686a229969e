// Which engine goes on when links are cut in which way, and how soon; beside what the Omni-Paxos
// paper and its artifact say.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/comparison.h"

namespace synod::cli {

[[nodiscard]] std::vector<std::string_view> cut_names();
[[nodiscard]] std::vector<std::string_view> cut_engines();             // the models among them
[[nodiscard]] std::string cut_text(const ComparisonOptions& options);  // what a page's tables show
// Prints a table of the cuts among options.scenarios, engine by cut, and adds them to the page.
// False: something was violated.
[[nodiscard]] bool play_cuts(const ComparisonOptions& options, sim::report::Page& page);

}  // namespace synod::cli
