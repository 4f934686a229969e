#include "consensus/membership_change.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

namespace synod::consensus {
namespace {

std::unexpected<Error> refuse(std::string text) {
  return fail(ErrorKind::kMalformed, std::move(text));
}

std::string name_of(ServerId server) { return "server." + std::to_string(server.value); }

std::string_view trimmed(std::string_view text) {
  const auto is_blank = [](char c) { return c >= '\0' && c <= ' '; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// At commas, without blanks around; parts that are empty do not count.
std::vector<std::string_view> parts_of(std::string_view list) {
  std::vector<std::string_view> parts;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view part = trimmed(list.substr(0, comma));
    if (!part.empty()) parts.push_back(part);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return parts;
}

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, number);
  if (problem != std::errc{} || stop != end) return std::nullopt;
  return number;
}

std::string lines_of(std::string_view list) {
  std::string lines(list);
  std::ranges::replace(lines, ',', '\n');
  return lines;
}

Result<void> leave(Membership& membership, std::string_view leaving) {
  for (const std::string_view part : parts_of(leaving)) {
    const auto number = number_of(part);
    if (!number)
      return refuse("who leaves is a list of server numbers such as 3,4, not \"" +
                    std::string(part) + '"');
    membership.members.erase(ServerId{*number});
  }
  return {};
}

bool shares_address(const Member& one, const Member& other) {
  const auto meet = [](const std::vector<Endpoint>& some, const std::vector<Endpoint>& more) {
    return std::ranges::find_first_of(some, more) != some.end();
  };
  return meet(one.quorum, other.quorum) || meet(one.election, other.election) ||
         meet(one.quorum, other.election) || meet(one.election, other.quorum) ||
         (one.client && one.client == other.client && one.client->host != "0.0.0.0");
}

Result<void> check_addresses(const Membership& membership) {
  const auto& members = membership.members;
  for (auto one = members.begin(); one != members.end(); ++one) {
    for (auto other = std::next(one); other != members.end(); ++other)
      if (shares_address(one->second, other->second))
        return refuse(name_of(one->first) + " and " + name_of(other->first) +
                      " have an address in common");
  }
  return {};
}

Result<void> join(Membership& membership, std::string_view joining) {
  for (const std::string_view part : parts_of(joining)) {
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::string_view key = part.substr(0, equals);
    const auto number = key.starts_with("server.") ? number_of(key.substr(7)) : std::nullopt;
    if (!number || *number < 1 || *number > kMaxServerId || equals == part.size())
      return refuse("who joins is server.N=host:port:port:role;clientPort, not \"" +
                    std::string(part) + '"');
    auto member = parse_member(part.substr(equals + 1));
    if (!member) return std::unexpected(member.error());
    if (!member->client)
      return refuse(name_of(ServerId{*number}) +
                    " has no client port (host:port:port:role;clientPort)");
    membership.members[ServerId{*number}] = *std::move(member);
  }
  return {};
}

Result<Membership> increment(const Membership& current, const MembershipChange& change) {
  if (!current.groups.empty() || !current.weights.empty())
    return refuse("a membership with groups or weights is changed as a whole only");
  Membership next = current;
  if (change.leaving)
    if (const auto left = leave(next, *change.leaving); !left) return std::unexpected(left.error());
  if (change.joining)
    if (const auto joined = join(next, *change.joining); !joined)
      return std::unexpected(joined.error());
  return next;
}

}  // namespace

Result<Membership> changed(const Membership& current, const MembershipChange& change,
                           std::size_t min_voters) {
  auto next =
      change.members ? Membership::parse(lines_of(*change.members)) : increment(current, change);
  if (!next) return next;
  if (const auto sound = check_addresses(*next); !sound) return std::unexpected(sound.error());
  if (next->voter_count() < min_voters)
    return refuse("it would leave " + std::to_string(next->voter_count()) + " of at least " +
                  std::to_string(min_voters) + " participants");
  if (const auto sound = next->check(); !sound) return std::unexpected(sound.error());
  next->version = current.version;
  return next;
}

}  // namespace synod::consensus
