#include "server/conversion_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace synod::server {
namespace {

using consensus::add_to;
using consensus::Membership;
using consensus::Servers;
using Kind = ConversionPlan::Kind;

std::unexpected<Error> refuse(std::string text) {
  return fail(ErrorKind::kRefused, std::move(text));
}

// ---- who is there -----------------------------------------------------------------------------

Result<void> check_members(const Membership& membership, const ConversionWish& wish,
                           const std::vector<FoundMember>& found) {
  std::set<ServerId> named;
  for (const FoundMember& member : found) {
    if (!membership.members.contains(member.id))
      return refuse(fmt::format("{}: its myid is {}, and the configuration has no server.{}",
                                member.directory, member.id.value, member.id.value));
    if (!named.insert(member.id).second)
      return refuse(fmt::format("server {} is given twice, the second time as {}", member.id.value,
                                member.directory));
  }
  for (const ServerId lost : wish.lost) {
    if (!membership.members.contains(lost))
      return refuse(
          fmt::format("--lost {}: the configuration has no server.{}", lost.value, lost.value));
    if (!named.insert(lost).second)
      return refuse(
          fmt::format("server {} is named twice: it is lost (--lost {}) or its directory "
                      "is given, not both",
                      lost.value, lost.value));
  }
  Servers missing;
  for (const ServerId voter : membership.voters())
    if (!named.contains(voter)) add_to(missing, voter);
  if (missing.empty()) return {};
  return refuse(fmt::format(
      "of the voters, server {} is neither given nor lost. What it has acknowledged may be nowhere "
      "else, and left as it is it would not start any more. Give its configuration or directory as "
      "well; if it is gone for good, say --lost {}.",
      list_of(missing), missing.front().value));
}

// ---- from which engine ------------------------------------------------------------------------

std::unexpected<Error> mixed(const FoundMembers& these, const ConversionWish& wish,
                             const FoundMember& other) {
  const FoundMember& first = *these.front();
  return refuse(fmt::format(
      "server {} belongs to {} ({}) and server {} to {} ({}): one of them was left out of a "
      "conversion, and may lack what was written since. Leave its directory as it is out of this "
      "(--lost), or empty it (but for myid): the others bring it up to date.",
      list_of(ids_of(these)), engine_of(first, wish.from), first.directory, other.id.value,
      engine_of(other, wish.from), other.directory));
}

// What is found decides alone; what was asked for may only agree.
struct Origin {
  Kind kind{};
  std::string engine;
  std::uint64_t finishes = 0;
};

// Some were converted before, and some had been marked only: the last phase was interrupted, or
// these are what another conversion left.
Result<Origin> origin_of_finished(const FoundMembers& marked, const FoundMembers& others,
                                  const ConversionWish& wish) {
  const std::string engine = engine_of(*others.front(), wish.from);
  const std::uint64_t conversion =
      others.front()->record ? others.front()->record->conversion : std::uint64_t{0};
  for (const FoundMember* member : marked) {
    const bool is_of_it = conversion != 0 && member->record->conversion == conversion &&
                          member->record->becomes == engine;
    if (!is_of_it) return mixed(others, wish, *member);
  }
  if (wish.to != engine)
    return refuse(
        fmt::format("an interrupted conversion to {} has to be finished first: run synod "
                    "convert --to {}",
                    engine, engine));
  return Origin{Kind::kFinish, marked.front()->record->engine, conversion};
}

Result<Origin> origin(const ConversionWish& wish, const std::vector<FoundMember>& found) {
  FoundMembers marked;
  FoundMembers others;
  for (const FoundMember& member : found) {
    if (!is_used(member)) continue;
    if (member.record && member.record->is_recovering())
      return refuse(
          fmt::format("{}: a recovery was interrupted in it. Run synod recover again, to "
                      "its end, first.",
                      member.directory));
    (member.record && member.record->is_converting() ? marked : others).push_back(&member);
    if (wish.from && member.record && !member.record->is_converting() &&
        member.record->engine != *wish.from && member.record->engine != wish.to)
      return refuse(fmt::format("{} belongs to {}, not to {} as --from says", member.directory,
                                member.record->engine, *wish.from));
  }
  if (marked.empty() && others.empty())
    return refuse(
        fmt::format("all of these directories are empty: there is nothing to convert. "
                    "Set consensus={} in every zoo.cfg and start the servers.",
                    wish.to));
  for (const FoundMembers* these : {&others, &marked})
    for (const FoundMember* member : *these)
      if (engine_of(*member, wish.from) != engine_of(*these->front(), wish.from))
        return mixed({these->front()}, wish, *member);
  if (others.empty()) return Origin{Kind::kConvert, engine_of(*marked.front(), wish.from), {}};
  const std::string engine = engine_of(*others.front(), wish.from);
  if (marked.empty())
    return Origin{engine == wish.to ? Kind::kNothing : Kind::kConvert, engine, {}};
  if (engine_of(*marked.front(), wish.from) == engine) return Origin{Kind::kConvert, engine, {}};
  return origin_of_finished(marked, others, wish);
}

// ---- whose log --------------------------------------------------------------------------------

// A quorum must be there that remembers: any write that was acknowledged is on one of them.
Result<void> check_quorum(const Membership& membership, const ConversionWish& wish,
                          const FoundMembers& members, ConversionPlan& plan) {
  Servers lost = wish.lost;
  std::ranges::sort(lost);
  if (membership.is_quorum(ids_of(members))) return {};
  std::string text = fmt::format(
      "of {} voters only {} can be asked for their logs (server {}), which is no quorum: writes "
      "that were acknowledged may be lost.",
      membership.voter_count(), members.size(), list_of(ids_of(members)));
  if (membership.is_quorum(lost))
    text += fmt::format(
        " And the lost ones (server {}) are a quorum: should they come back with their old "
        "directories and configurations, they would serve clients beside this ensemble.",
        list_of(lost));
  if (wish.accepts_lost_writes) {
    plan.warnings.push_back(std::move(text));
    return {};
  }
  return refuse(text +
                " Bring more of the directories; or, if they are gone for good, say "
                "--accept-lost-writes: then what these have is all there is, and the directories "
                "of the others must be destroyed.");
}

// ---- where the new engine starts --------------------------------------------------------------

// Whoever leads first opens an epoch above this one, in each engine. A ballot has its server in the
// last eight bits; the one with none there is nobody's.
Result<std::uint32_t> starting_epoch(const std::string& to, std::uint32_t highest) {
  if (highest >= kLastEpoch)
    return refuse(
        fmt::format("the epochs have come to 0x{:x}, which leaves no room for those of "
                    "another engine",
                    highest));
  return to == "omnipaxos" ? (highest + 0xff) & ~std::uint32_t{0xff} : highest;
}

}  // namespace

Result<ConversionPlan> plan_conversion(const Membership& membership, const ConversionWish& wish,
                                       const std::vector<FoundMember>& found) {
  if (auto checked = check_members(membership, wish, found); !checked)
    return std::unexpected(checked.error());
  const auto from = origin(wish, found);
  if (!from) return std::unexpected(from.error());
  ConversionPlan plan{.kind = from->kind,
                      .from = from->engine,
                      .to = wish.to,
                      .rule = rule_of(from->engine),
                      .finishes = from->finishes};
  if (plan.kind != Kind::kConvert) return plan;
  const FoundMembers members = who_counts(membership, found, plan.from);
  if (members.empty())
    return refuse(
        "no voter's directory here remembers what it acknowledged (they are empty, damaged, or "
        "were never synchronised): there is nothing to choose from");
  if (auto checked = check_quorum(membership, wish, members, plan); !checked)
    return std::unexpected(checked.error());
  const FoundMember& chosen = newest(members, plan.from);
  const auto epoch = starting_epoch(plan.to, highest_epoch(found));
  if (!epoch) return std::unexpected(epoch.error());
  plan.chosen = chosen.id;
  plan.last = chosen.last;
  plan.epoch = *epoch;
  return plan;
}

}  // namespace synod::server
