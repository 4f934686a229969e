#include "server/log_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace synod::server {
namespace {

constexpr char kZab[] = "zab";
constexpr char kOmniPaxos[] = "omnipaxos";

// Omni-Paxos: a tree came in place of a longer log. What it lacks counts only beside the server it
// came from (see omnipaxos::Shared::covered_by).
ServerId covered_by(const FoundMember& member) {
  return member.current_epoch == member.accepted_epoch ? ServerId{} : member.voted_for;
}

bool is_complete(const FoundMember& member, const std::string& engine) {
  return engine != kOmniPaxos || covered_by(member) == ServerId{};
}

}  // namespace

consensus::Servers ids_of(const FoundMembers& members) {
  consensus::Servers ids;
  for (const FoundMember* member : members) consensus::add_to(ids, member->id);
  return ids;
}

std::string list_of(const consensus::Servers& servers) {
  std::string text;
  for (const ServerId server : servers)
    text += fmt::format("{}{}", text.empty() ? "" : ", ", server.value);
  return text;
}

std::string engine_of(const FoundMember& member, const std::optional<std::string>& otherwise) {
  if (member.record) return member.record->engine;
  return otherwise.value_or(kZab);
}

FoundMembers who_counts(const consensus::Membership& membership,
                        const std::vector<FoundMember>& found, const std::string& engine) {
  FoundMembers complete;
  FoundMembers counted;
  for (const FoundMember& member : found) {
    const bool is_counted = membership.is_voter(member.id) && member.has_memory;
    if (is_counted && is_complete(member, engine)) complete.push_back(&member);
  }
  for (const FoundMember& member : found) {
    if (!membership.is_voter(member.id) || !member.has_memory) continue;
    const bool is_covered = std::ranges::any_of(
        complete, [&](const FoundMember* other) { return other->id == covered_by(member); });
    if (is_complete(member, engine) || is_covered) counted.push_back(&member);
  }
  return counted;
}

const FoundMember& newest(const FoundMembers& members, const std::string& engine) {
  const auto place = [&](const FoundMember* member) {
    // Raft: the last entry's term, then its index; both are in the zxid. Of equals the first.
    const std::uint32_t round = engine == "raft" ? 0 : member->current_epoch;
    return std::tuple(is_complete(*member, engine), round, member->last, -member->id.value);
  };
  return **std::ranges::max_element(members, {}, place);
}

std::string rule_of(const std::string& engine) {
  if (engine == "raft") return "Raft's rule: the latest term of a last entry, then the longest log";
  if (engine == kOmniPaxos)
    return "Omni-Paxos' rule: the latest round accepted, then the longest log";
  return "Zab's rule: the latest current epoch, then the highest zxid";
}

std::uint32_t highest_epoch(const std::vector<FoundMember>& found) {
  std::uint32_t highest = 0;
  for (const FoundMember& member : found) {
    highest = std::max({highest, member.accepted_epoch, member.current_epoch});
    if (member.last > Zxid{}) highest = std::max(highest, member.last.epoch());
  }
  return highest;
}

}  // namespace synod::server
