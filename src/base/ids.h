// The ids that travel through the whole house.
#pragma once

#include <cstdint>

#include "base/strong_id.h"

namespace synod {

// A client's session. 0 means "none yet"; ZooKeeper's ids are signed 64-bit numbers.
using SessionId = StrongId<struct SessionIdTag, std::int64_t>;

// A server of the ensemble: its myid, 1 to 254 (reference, quorum protocol section 0). 0: nobody.
using ServerId = StrongId<struct ServerIdTag, std::int64_t>;

// Position of a transaction: epoch in the upper 32 bits, counter in the lower.
struct Zxid {
  std::int64_t value = 0;

  [[nodiscard]] static constexpr Zxid of(std::uint32_t epoch, std::uint32_t counter) {
    return {static_cast<std::int64_t>((std::uint64_t{epoch} << 32) | counter)};
  }
  [[nodiscard]] constexpr std::uint32_t epoch() const {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(value) >> 32);
  }
  [[nodiscard]] constexpr std::uint32_t counter() const {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(value) & 0xFFFFFFFFU);
  }
  [[nodiscard]] constexpr Zxid next() const { return {value + 1}; }

  friend constexpr auto operator<=>(const Zxid&, const Zxid&) = default;
};

// Milliseconds. Wall time is since 1970 and goes into transactions; steady time only ever grows and
// drives sessions and timers. They arrive as values in events: the core reads no clock.
struct WallTimeMs {
  std::int64_t value = 0;
  friend constexpr auto operator<=>(const WallTimeMs&, const WallTimeMs&) = default;
};
struct SteadyTimeMs {
  std::int64_t value = 0;
  friend constexpr auto operator<=>(const SteadyTimeMs&, const SteadyTimeMs&) = default;
};

}  // namespace synod
