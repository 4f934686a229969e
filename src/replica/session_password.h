// A session's password, computed from its id as Java does it, so that a live session can move from
// a Java server to this one: 16 bytes of java.util.Random seeded with id XOR 0xB3415C00.
#pragma once

#include <string>

#include "base/ids.h"

namespace synod::replica {

inline constexpr std::size_t kPasswordBytes = 16;

[[nodiscard]] inline std::string session_password(SessionId session) {
  constexpr std::uint64_t kMask = (std::uint64_t{1} << 48) - 1;
  constexpr std::uint64_t kMultiplier = 0x5DEECE66D;
  std::uint64_t state =
      (static_cast<std::uint64_t>(session.value) ^ 0xB3415C00U ^ kMultiplier) & kMask;
  std::string password;
  while (password.size() < kPasswordBytes) {
    state = (state * kMultiplier + 11) & kMask;
    for (unsigned shift = 16; shift < 48; shift += 8) {
      password.push_back(static_cast<char>(state >> shift & 0xFF));
    }
  }
  return password;
}

}  // namespace synod::replica
