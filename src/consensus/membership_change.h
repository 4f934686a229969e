// What a client's `reconfig` asks for, as a membership (reference, client protocol 6.6, quorum
// protocol 6.1). Pure: an operator's tools foretell with it what a leader will say.
#pragma once

#include <optional>
#include <string_view>

#include "base/error.h"
#include "consensus/membership.h"

namespace synod::consensus {

// Either the whole of the new membership, or who joins (or changes) and who leaves.
struct MembershipChange {
  std::optional<std::string_view> joining;  // "server.5=host:2888:3888:participant;2181,…"
  std::optional<std::string_view> leaving;  // "3,4"
  std::optional<std::string_view> members;  // as joining; groups and weights as well
};

// The membership after the change; its version is still the old one. The error says what is wrong
// with the request: two servers at one address, a server line without a client port, fewer voters
// than `min_voters`, a part of a membership with groups.
[[nodiscard]] Result<Membership> changed(const Membership& current, const MembershipChange& change,
                                         std::size_t min_voters);

}  // namespace synod::consensus
