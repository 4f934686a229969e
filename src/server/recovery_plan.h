// An ensemble whose quorum is gone for good, begun again by the members that are left: whose log,
// what may be lost, who belongs to it from then on, and above which epoch it starts. Pure.
//
// It is carried out as a conversion is, phase by phase over all directories (conversion_plan.h),
// from an engine to the same. What keeps the members that were left out from having a say again:
//
//   membership  they are none of it, and its version is above every one that they can know
//   epoch       it is above every one that was found, and by so much that what they may have
//               opened without the survivors is below it, too
//   log         it ends with that membership, in that epoch: theirs lose every comparison
//
// All of it counts where they meet the new ensemble, or a client that has seen it. Where they meet
// nobody, and are a quorum by themselves, nothing in our hands stops them: see `losses`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "consensus/membership.h"
#include "server/conversion_plan.h"
#include "server/log_choice.h"

namespace synod::server {

// A recovery begins at the next multiple of this. Divides evenly by Omni-Paxos' 256 (a ballot of
// nobody's), and leaves room for some thirty thousand recoveries.
inline constexpr std::uint32_t kEpochsAhead = 0x10000;

struct RecoveryWish {
  std::string joining;              // server lines, joined by commas: newcomers, or new addresses
  std::optional<std::string> from;  // the engine of directories without a record
};

struct RecoveryPlan {
  ConversionPlan work;              // kConvert, or kFinish; from and to are the same engine
  consensus::Membership before;     // the newest that the files or the logs know
  consensus::Membership after;      // its version is the zxid of what the recovery logs
  consensus::Servers gone;          // members before, and none after
  std::vector<std::string> losses;  // what may be lost, and what has to be done about it
  bool is_resumed = false;          // an interrupted one had installed everything
};

// `configured`: as the survivors' files have it. `found`: each once. The error says what is wrong,
// why that matters and what to do.
[[nodiscard]] Result<RecoveryPlan> plan_recovery(const consensus::Membership& configured,
                                                 const RecoveryWish& wish,
                                                 const std::vector<FoundMember>& found);

// The first epoch that nobody can have used, above this one; an error: there is none left.
[[nodiscard]] Result<std::uint32_t> epoch_ahead(std::uint32_t highest);

}  // namespace synod::server
