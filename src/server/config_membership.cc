#include "server/config_membership.h"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <utility>
#include <vector>

#include "server/config_values.h"
#include "server/properties.h"

namespace synod::server {
namespace {

using consensus::Member;
using consensus::Membership;
using Complaint = std::unexpected<MembershipComplaint>;

constexpr std::string_view kServer = "server.";
constexpr std::string_view kGroup = "group.";
constexpr std::string_view kWeight = "weight.";
constexpr std::int64_t kMostServers = 254;  // a server's number is a session id's first byte

std::optional<std::int64_t> number_in(std::string_view text, std::int64_t min, std::int64_t max) {
  const auto value = parse_value(whole(min, max), trim(text), NumberStyle::kDecimal);
  if (!value) return std::nullopt;
  return std::get<std::int64_t>(*value);
}

class MembershipReader {
 public:
  MembershipReader(std::span<const MembershipLine> lines, bool has_multi_address)
      : lines_(lines), has_multi_address_(has_multi_address) {}

  std::expected<Membership, MembershipComplaint> read() {
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      const std::string_view key = lines_[i].key;
      std::string wrong = key.starts_with(kServer)  ? read_server(i)
                          : key.starts_with(kGroup) ? read_group(i)
                                                    : read_weight(i);
      if (!wrong.empty()) return Complaint({i, std::move(wrong)});
    }
    if (is_hierarchical_) {
      if (auto whole = check_groups(); !whole) return Complaint(std::move(whole.error()));
    }
    return std::move(membership_);
  }

 private:
  // Each of these three: what is wrong, or nothing.
  std::string read_server(std::size_t line) {
    const auto id = parse_server_id(lines_[line].key.substr(kServer.size()));
    if (!id) return fmt::format("server.N, N from 1 to {}", kMostServers);
    auto member = consensus::parse_member(lines_[line].value);
    if (!member) return std::move(member.error().text);
    if (member->quorum.size() > 1 && !has_multi_address_) {
      return "one address; several need multiAddress.enabled=true";
    }
    line_of_server_[*id] = line;
    membership_.members[*id] = std::move(*member);
    return {};
  }

  std::string read_group(std::size_t line) {
    is_hierarchical_ = true;
    const auto group = number_in(lines_[line].key.substr(kGroup.size()), 0, kLongMax);
    if (!group) return "group.N, N a whole number";
    std::string_view rest = lines_[line].value;
    while (true) {
      const std::size_t colon = std::min(rest.find(':'), rest.size());
      const auto server = parse_server_id(rest.substr(0, colon));
      if (!server) return "the numbers of servers, joined by colons, as in 1:2:3";
      if (!membership_.groups.emplace(*server, *group).second) {
        return fmt::format("each server in one group; server {} is in two", server->value);
      }
      if (colon == rest.size()) return {};
      rest.remove_prefix(colon + 1);
    }
  }

  std::string read_weight(std::size_t line) {
    is_hierarchical_ = true;
    const auto server = parse_server_id(lines_[line].key.substr(kWeight.size()));
    if (!server) return fmt::format("weight.N, N the number of a server, 1 to {}", kMostServers);
    const auto weight = number_in(lines_[line].value, 0, kIntMax);
    if (!weight) return fmt::format("a whole number from 0 to {}", kIntMax);
    membership_.weights[*server] = *weight;
    return {};
  }

  // Groups are all or none: whoever votes is in one.
  std::expected<void, MembershipComplaint> check_groups() const {
    for (const auto& [id, member] : membership_.members) {
      if (member.is_observer || membership_.groups.contains(id)) continue;
      return Complaint({line_of_server_.at(id),
                        fmt::format("with groups, every voter in one of them; {} is in none, as "
                                    "in group.1={}",
                                    id.value, id.value)});
    }
    return {};
  }

  std::span<const MembershipLine> lines_;
  bool has_multi_address_;
  bool is_hierarchical_ = false;
  Membership membership_;
  std::map<ServerId, std::size_t> line_of_server_;
};

}  // namespace

std::expected<Membership, MembershipComplaint> read_membership(
    std::span<const MembershipLine> lines, bool has_multi_address) {
  return MembershipReader(lines, has_multi_address).read();
}

bool is_membership_key(std::string_view key) {
  return key.starts_with(kServer) || key.starts_with(kGroup) || key.starts_with(kWeight);
}

std::optional<ServerId> parse_server_id(std::string_view text) {
  const auto number = number_in(text, 1, kMostServers);
  if (!number) return std::nullopt;
  return ServerId{*number};
}

std::int64_t version_of_dynamic_file(std::string_view name) {
  const std::string_view suffix = name.substr(name.rfind('.') + 1);  // npos + 1 is 0: all of it
  const bool has_dot = suffix.size() < name.size();
  std::int64_t version = 0;
  const char* const end = suffix.data() + suffix.size();
  const auto [stop, error] = std::from_chars(suffix.data(), end, version, 16);
  return has_dot && error == std::errc{} && stop == end ? version : 0;
}

}  // namespace synod::server
