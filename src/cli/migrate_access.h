// What all of `synod migrate` needs: the ensemble, asked; errors on paper; words for the next
// command.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "cli/migrate_command.h"
#include "server/ensemble_comparison.h"
#include "server/ensemble_survey.h"

namespace synod::cli {

enum class MigrateExit : int { kDone = 0, kNotDone = 1, kBadUse = 2, kNoAnswer = 3 };

// Says why on stderr, behind what was said before.
[[nodiscard]] int complain(MigrateExit status, std::string_view text);
[[nodiscard]] int complain(const Error& error);

[[nodiscard]] Result<server::Survey> reach(const MigrateAccess& access,
                                           const LoadMembersConfig& load);

// "--server a:1,b:2": how to ask the same servers again.
[[nodiscard]] std::string addresses_of(const server::Survey& survey);

// By digests where all tell them, else node by node.
[[nodiscard]] Result<server::Comparison> compare(const server::Survey& survey,
                                                 const MigrateAccess& access, bool is_by_reading);

}  // namespace synod::cli
