// How much an ensemble can lose, for status pages.
#pragma once

#include <cstddef>

#include "consensus/membership.h"

namespace synod::server {

// The least number of voters that is a quorum; with groups, of the right ones.
[[nodiscard]] std::size_t quorum_size(const consensus::Membership& membership);

// So many voters may fail, whichever they are, and the others are still a quorum.
[[nodiscard]] std::size_t tolerated_failures(const consensus::Membership& membership);

}  // namespace synod::server
