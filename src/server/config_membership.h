// The value of a server.N line: `host:quorumPort:electionPort[:role][;[clientHost:]clientPort]`.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace synod::server {

struct MemberLine {
  bool is_observer = false;
  std::string client_host;  // Empty: all interfaces.
  std::optional<int> client_port;
  friend bool operator==(const MemberLine&, const MemberLine&) = default;
};

// Several addresses may be joined by '|'; IPv6 addresses stand in brackets. Only what a standalone
// server can use is kept, but all of it has to be well formed.
[[nodiscard]] std::optional<MemberLine> parse_member_line(std::string_view value);

}  // namespace synod::server
