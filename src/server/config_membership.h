// The members of the ensemble, from the lines server.N, group.N and weight.N of zoo.cfg or of its
// dynamicConfigFile (reference, quorum protocol section 1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "consensus/membership.h"

namespace synod::server {

struct MembershipLine {
  std::string_view key;    // server.3
  std::string_view value;  // zoo3:2888:3888
};

struct MembershipComplaint {
  std::size_t line = 0;  // which of the lines
  std::string reason;    // what is accepted, or what is wrong
};

// `has_multi_address`: a member may have several addresses, joined by '|'.
[[nodiscard]] std::expected<consensus::Membership, MembershipComplaint> read_membership(
    std::span<const MembershipLine> lines, bool has_multi_address);

// Is this a key of such a line?
[[nodiscard]] bool is_membership_key(std::string_view key);

// The number of a server: what stands behind `server.`, and in the file myid.
[[nodiscard]] std::optional<ServerId> parse_server_id(std::string_view text);

// zoo.cfg.dynamic.100000002: version 0x100000002; 0 where the name ends otherwise.
[[nodiscard]] std::int64_t version_of_dynamic_file(std::string_view name);

}  // namespace synod::server
