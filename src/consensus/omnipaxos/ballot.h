// A round of one leader: its number, then the server that leads it, in the 32 bits of an epoch. Two
// servers never share one, so an entry's epoch says who made it. There is no priority in between:
// the order of the numbers is the order of the protocol.
#pragma once

#include <compare>
#include <cstdint>

#include "base/assert.h"
#include "base/ids.h"

namespace synod::consensus::omnipaxos {

struct Ballot {
  // An epoch is positive: a zxid is signed for everybody else.
  static constexpr std::uint32_t kLastRound = 0x7fffff;

  std::uint32_t epoch = 0;  // 0: none

  [[nodiscard]] static Ballot of(std::uint32_t round, ServerId server) {
    SYNOD_ASSERT(round <= kLastRound && server.value > 0 && server.value < 255);
    return {round << 8 | static_cast<std::uint32_t>(server.value)};
  }
  [[nodiscard]] std::uint32_t round() const { return epoch >> 8; }
  [[nodiscard]] ServerId server() const { return {static_cast<std::int64_t>(epoch & 0xff)}; }
  // The first of this server that is above.
  [[nodiscard]] Ballot next_of(ServerId server) const { return of(round() + 1, server); }

  friend constexpr auto operator<=>(const Ballot&, const Ballot&) = default;
};

}  // namespace synod::consensus::omnipaxos
