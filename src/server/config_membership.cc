#include "server/config_membership.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "server/config_values.h"
#include "server/properties.h"

namespace synod::server {
namespace {

std::optional<int> parse_port(std::string_view text) {
  const auto value = parse_value(port(), trim(text), NumberStyle::kDecimal);
  if (!value) return std::nullopt;
  return static_cast<int>(std::get<std::int64_t>(*value));
}

// Cuts at colons outside brackets, and drops the brackets.
std::vector<std::string> split_address(std::string_view text) {
  std::vector<std::string> parts(1);
  bool is_bracketed = false;
  for (const char c : text) {
    if (c == '[' || c == ']') {
      is_bracketed = c == '[';
    } else if (c == ':' && !is_bracketed) {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  return parts;
}

// host:quorumPort:electionPort, and the role where one follows.
bool parse_peer_address(std::string_view text, bool& is_observer) {
  const auto parts = split_address(trim(text));
  if (parts.size() < 3 || parts.size() > 4 || trim(parts[0]).empty()) return false;
  const auto quorum_port = parse_port(parts[1]);
  const auto election_port = parse_port(parts[2]);
  if (!quorum_port || !election_port || *quorum_port == *election_port) return false;
  if (parts.size() == 3) return true;
  is_observer = equal_ignoring_case(trim(parts[3]), "observer");
  return is_observer || equal_ignoring_case(trim(parts[3]), "participant");
}

bool parse_client_address(std::string_view text, MemberLine& member) {
  const auto parts = split_address(trim(text));
  if (parts.size() > 2) return false;
  if (parts.size() == 2) member.client_host = trim(parts[0]);
  member.client_port = parse_port(parts.back());
  return member.client_port.has_value();
}

}  // namespace

std::optional<MemberLine> parse_member_line(std::string_view value) {
  MemberLine member;
  const std::size_t semicolon = value.find(';');
  if (semicolon != std::string_view::npos &&
      !parse_client_address(value.substr(semicolon + 1), member)) {
    return std::nullopt;
  }
  std::string_view peers = value.substr(0, semicolon);
  while (true) {
    const std::size_t bar = peers.find('|');
    if (!parse_peer_address(peers.substr(0, bar), member.is_observer)) return std::nullopt;
    if (bar == std::string_view::npos) return member;
    peers.remove_prefix(bar + 1);
  }
}

}  // namespace synod::server
