// `synod sim --scenario NAME,…`: published comparisons of engines, played again. Links are cut
// (connectivity_comparison.h), or servers are replaced (replacement_comparison.h).
#pragma once

#include "cli/comparison.h"

namespace synod::cli {

// Prints tables, engine by scenario. The exit status: 0, 1 where a run violated what must always
// hold or the report cannot be written, 2 for a name that is not known.
[[nodiscard]] int compare(const ComparisonOptions& options);

}  // namespace synod::cli
