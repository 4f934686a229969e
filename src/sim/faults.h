// What goes wrong in a run: a list drawn before it begins, each fault with dice of its own, so that
// leaving one out leaves the others as they were.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/dice.h"
#include "sim/timeline.h"

namespace synod::sim {

enum class FaultKind : std::uint8_t {
  kPartitionHalves,
  kPartitionBridge,   // two halves, and one server that reaches both
  kPartitionRing,     // each reaches its neighbours only
  kPartitionOneWay,   // one server is heard and hears nothing, or the reverse
  kPartitionIsolate,  // one server
  kPartitionFlapping,
  kPartitionPartial,  // any set of ways
  kLinkBreak,
  kDelay,
  kStall,
  kClientBreak,
  kKill,            // a process
  kPowerCut,        // a machine
  kPowerCutAll,     // all of them at once
  kCrashNewLeader,  // the next server that leads, soon after
  kCrashStep,       // at some operation of a disk soon
  kAmnesia,         // a machine, and its disk
  kBitFlip,
  kReadError,
  kWriteError,
  kFlushError,
  kDiskFull,
  kSlowDisk,
  kPause,
  kClockDrift,
  kClockJump,
  kReconfigure,  // no fault, but what faults meet: other members; only where there are spares
  kCount,
};
inline constexpr std::size_t kFaultKinds = static_cast<std::size_t>(FaultKind::kCount);

[[nodiscard]] std::string_view name_of(FaultKind kind);
[[nodiscard]] std::optional<FaultKind> fault_named(std::string_view name);

using FaultSet = std::array<bool, kFaultKinds>;
[[nodiscard]] FaultSet all_faults();

struct Fault {
  Micros at = 0;
  FaultKind kind{};
  Micros duration = 0;  // of what lasts; a crash: until the restart
  std::uint64_t seed = 0;
};
[[nodiscard]] std::string describe(const Fault& fault);

// Some of the allowed kinds, each at its own rate; sometimes none. In order of time.
[[nodiscard]] std::vector<Fault> draw_faults(std::uint64_t seed, const FaultSet& allowed,
                                             Micros until);

}  // namespace synod::sim
