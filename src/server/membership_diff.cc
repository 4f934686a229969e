#include "server/membership_diff.h"

#include <fmt/format.h>

#include <set>
#include <string_view>
#include <vector>

namespace synod::server {
namespace {

using consensus::Member;
using consensus::Membership;

std::string_view role_of(const Member& member) {
  return member.is_observer ? "an observer" : "a participant";
}

std::string change_of(ServerId server, const Member* from, const Member* to) {
  if (from == nullptr) return fmt::format("server.{} joins as {}", server.value, role_of(*to));
  if (to == nullptr) return fmt::format("server.{} leaves", server.value);
  if (from->is_observer != to->is_observer)
    return fmt::format("server.{} becomes {}", server.value, role_of(*to));
  return fmt::format("server.{} is at {}", server.value, to_line(*to));
}

const Member* find(const Membership& membership, ServerId server) {
  const auto found = membership.members.find(server);
  return found == membership.members.end() ? nullptr : &found->second;
}

std::set<ServerId> members_of_both(const Membership& one, const Membership& other) {
  std::set<ServerId> servers;
  for (const auto& [server, member] : one.members) servers.insert(server);
  for (const auto& [server, member] : other.members) servers.insert(server);
  return servers;
}

// The lines behind the servers, but for the version.
std::vector<std::string> other_lines(const Membership& membership) {
  std::vector<std::string> lines;
  for (const auto& [server, group] : membership.groups)
    lines.push_back(fmt::format("group.{} has server.{}, of weight {}", group, server.value,
                                membership.weight(server)));
  return lines;
}

}  // namespace

std::string change_line(const Membership& from, const Membership& to) {
  std::string text;
  for (const ServerId server : members_of_both(from, to)) {
    const Member* before = find(from, server);
    const Member* after = find(to, server);
    if (before != nullptr && after != nullptr && *before == *after) continue;
    text += (text.empty() ? "" : ", ") + change_of(server, before, after);
  }
  if (from.groups != to.groups || from.weights != to.weights)
    text += text.empty() ? "other groups or weights" : ", with other groups or weights";
  return text.empty() ? "nothing changes" : text;
}

std::string membership_diff(const Membership& from, const Membership& to) {
  std::string text;
  const auto add = [&](char sign, ServerId server, const Member& member) {
    text += fmt::format("{} server.{}={}\n", sign, server.value, to_line(member));
  };
  for (const ServerId server : members_of_both(from, to)) {
    const Member* before = find(from, server);
    const Member* after = find(to, server);
    if (before != nullptr && after != nullptr && *before == *after) {
      add(' ', server, *after);
      continue;
    }
    if (before != nullptr) add('-', server, *before);
    if (after != nullptr) add('+', server, *after);
  }
  const auto before = other_lines(from);
  const auto after = other_lines(to);
  if (before == after) return text;
  for (const std::string& line : before) text += fmt::format("- {}\n", line);
  for (const std::string& line : after) text += fmt::format("+ {}\n", line);
  return text;
}

}  // namespace synod::server
