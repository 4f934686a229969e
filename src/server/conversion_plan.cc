#include "server/conversion_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

namespace synod::server {
namespace {

using consensus::add_to;
using consensus::Membership;
using consensus::Servers;
using Kind = ConversionPlan::Kind;
using Members = std::vector<const FoundMember*>;

constexpr char kZab[] = "zab";
constexpr char kOmniPaxos[] = "omnipaxos";
// Java takes an epoch for a signed number; and some have to be left to go on with.
constexpr std::uint32_t kLastEpoch = 0x7f000000;

std::string list_of(const Servers& servers) {
  std::string text;
  for (const ServerId server : servers)
    text += fmt::format("{}{}", text.empty() ? "" : ", ", server.value);
  return text;
}

Servers ids_of(const Members& members) {
  Servers ids;
  for (const FoundMember* member : members) add_to(ids, member->id);
  return ids;
}

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

std::string engine_of(const FoundMember& member, const ConversionWish& wish) {
  if (member.record) return member.record->engine;
  return wish.from.value_or(kZab);
}

std::unexpected<Error> mixed(const Members& these, const ConversionWish& wish,
                             const FoundMember& other) {
  const FoundMember& first = *these.front();
  return refuse(fmt::format(
      "server {} belongs to {} ({}) and server {} to {} ({}): one of them was left out of a "
      "conversion, and may lack what was written since. Leave its directory as it is out of this "
      "(--lost), or empty it (but for myid): the others bring it up to date.",
      list_of(ids_of(these)), engine_of(first, wish), first.directory, other.id.value,
      engine_of(other, wish), other.directory));
}

// What is found decides alone; what was asked for may only agree.
struct Origin {
  Kind kind{};
  std::string engine;
  std::uint64_t finishes = 0;
};

// Some were converted before, and some had been marked only: the last phase was interrupted, or
// these are what another conversion left.
Result<Origin> origin_of_finished(const Members& marked, const Members& others,
                                  const ConversionWish& wish) {
  const std::string engine = engine_of(*others.front(), wish);
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
  Members marked;
  Members others;
  for (const FoundMember& member : found) {
    if (!is_used(member)) continue;
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
  for (const Members* these : {&others, &marked})
    for (const FoundMember* member : *these)
      if (engine_of(*member, wish) != engine_of(*these->front(), wish))
        return mixed({these->front()}, wish, *member);
  if (others.empty()) return Origin{Kind::kConvert, engine_of(*marked.front(), wish), {}};
  const std::string engine = engine_of(*others.front(), wish);
  if (marked.empty())
    return Origin{engine == wish.to ? Kind::kNothing : Kind::kConvert, engine, {}};
  if (engine_of(*marked.front(), wish) == engine) return Origin{Kind::kConvert, engine, {}};
  return origin_of_finished(marked, others, wish);
}

// ---- whose log --------------------------------------------------------------------------------

// Omni-Paxos: a tree came in place of a longer log. What it lacks counts only beside the server it
// came from (see omnipaxos::Shared::covered_by).
ServerId covered_by(const FoundMember& member) {
  return member.current_epoch == member.accepted_epoch ? ServerId{} : member.voted_for;
}

bool is_complete(const FoundMember& member, const std::string& engine) {
  return engine != kOmniPaxos || covered_by(member) == ServerId{};
}

// Those whose word on what was committed counts, as the engine's own elections would have it.
Members counted(const Membership& membership, const std::vector<FoundMember>& found,
                const std::string& engine) {
  Members complete;
  Members counted;
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

const FoundMember* newest(const Members& members, const std::string& engine) {
  const auto place = [&](const FoundMember* member) {
    // Raft: the last entry's term, then its index; both are in the zxid. Of equals the first.
    const std::uint32_t round = engine == "raft" ? 0 : member->current_epoch;
    return std::tuple(is_complete(*member, engine), round, member->last, -member->id.value);
  };
  return *std::ranges::max_element(members, {}, place);
}

std::string rule_of(const std::string& engine) {
  if (engine == "raft") return "Raft's rule: the latest term of a last entry, then the longest log";
  if (engine == kOmniPaxos)
    return "Omni-Paxos' rule: the latest round accepted, then the longest log";
  return "Zab's rule: the latest current epoch, then the highest zxid";
}

// A quorum must be there that remembers: any write that was acknowledged is on one of them.
Result<void> check_quorum(const Membership& membership, const ConversionWish& wish,
                          const Members& members, ConversionPlan& plan) {
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

std::uint32_t highest_epoch(const std::vector<FoundMember>& found) {
  std::uint32_t highest = 0;
  for (const FoundMember& member : found) {
    highest = std::max({highest, member.accepted_epoch, member.current_epoch});
    if (member.last > Zxid{}) highest = std::max(highest, member.last.epoch());
  }
  return highest;
}

// Whoever leads first opens an epoch above this one, in each engine. A ballot has its server in the
// last eight bits; the one with none there is nobody's.
Result<std::uint32_t> starting_epoch(const std::string& to, std::uint32_t highest) {
  if (highest >= kLastEpoch)
    return refuse(
        fmt::format("the epochs have come to 0x{:x}, which leaves no room for those of "
                    "another engine",
                    highest));
  return to == kOmniPaxos ? (highest + 0xff) & ~std::uint32_t{0xff} : highest;
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
  const Members members = counted(membership, found, plan.from);
  if (members.empty())
    return refuse(
        "no voter's directory here remembers what it acknowledged (they are empty, damaged, or "
        "were never synchronised): there is nothing to choose from");
  if (auto checked = check_quorum(membership, wish, members, plan); !checked)
    return std::unexpected(checked.error());
  const FoundMember& chosen = *newest(members, plan.from);
  const auto epoch = starting_epoch(plan.to, highest_epoch(found));
  if (!epoch) return std::unexpected(epoch.error());
  plan.chosen = chosen.id;
  plan.last = chosen.last;
  plan.epoch = *epoch;
  return plan;
}

}  // namespace synod::server
