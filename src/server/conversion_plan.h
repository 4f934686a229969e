// What is to become of a stopped ensemble's directories: whose log is the one, and where the new
// engine starts. Pure: from what was found to what is to be done.
//
// A conversion writes the same tree and the same epochs into every directory. It has three phases,
// and no directory enters one before every directory has been through the one before it:
//
//   mark     its engine record says `converting`: no server starts on it any more
//   install  the chosen tree takes the place of snapshots and log; the epochs are raised
//   finish   its engine record says the new engine
//
// So an interrupted conversion leaves nothing that could go on by itself as a quorum, of either
// engine, with another log than the chosen one; and the choice, made again, comes out the same:
// every directory is as it was, or has the chosen tree already.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "consensus/membership.h"
#include "server/log_choice.h"

namespace synod::server {

struct ConversionWish {
  std::string to;
  std::optional<std::string> from;  // for directories without a record
  std::vector<ServerId> lost;       // members whose directories are gone
  bool accepts_lost_writes = false;
};

struct ConversionPlan {
  enum class Kind : std::uint8_t {
    kNothing,  // all of them belong to the engine already
    kFinish,   // an earlier one had come to its last phase
    kConvert,
  } kind{};
  std::string from;
  std::string to;
  std::string rule;            // by which the log was chosen, in words
  ServerId chosen;             // whose tree all get
  Zxid last;                   // what it ends with
  std::uint32_t epoch = 0;     // accepted and current everywhere: the new engine opens one above it
  std::uint64_t finishes = 0;  // of kFinish: which conversion
  // Of a recovery (recovery_plan.h), whose last transaction this is: it has the zxid that is the
  // version.
  std::optional<consensus::Membership> membership;
  std::vector<std::string> warnings;
};

// `found`: each member once. The error says what is wrong, why that matters and what to do.
[[nodiscard]] Result<ConversionPlan> plan_conversion(const consensus::Membership& membership,
                                                     const ConversionWish& wish,
                                                     const std::vector<FoundMember>& found);

}  // namespace synod::server
