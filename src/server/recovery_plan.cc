#include "server/recovery_plan.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "consensus/membership_change.h"

namespace synod::server {
namespace {

using consensus::Membership;
using consensus::Servers;
using Kind = ConversionPlan::Kind;

std::unexpected<Error> refuse(std::string text) {
  return fail(ErrorKind::kRefused, std::move(text));
}

std::string servers_text(const Servers& servers) {
  return fmt::format("server{} {}", servers.size() == 1 ? "" : "s", list_of(servers));
}

bool is_given(const std::vector<FoundMember>& found, ServerId id) {
  return std::ranges::find(found, id, &FoundMember::id) != found.end();
}

bool is_any_marked(const std::vector<FoundMember>& found) {
  return std::ranges::any_of(found, [](const FoundMember& member) {
    return member.record && member.record->is_recovering();
  });
}

// ---- who belonged, and who is there -----------------------------------------------------------

// A log may know of a later membership than the files do: it was reconfigured. What an interrupted
// recovery put at its end does not count.
Membership newest_known(const Membership& configured, const std::vector<FoundMember>& found) {
  Membership newest = configured;
  for (const FoundMember& member : found) {
    const bool is_marked = member.record && member.record->is_recovering();
    if (is_marked && member.config_version == member.last) continue;
    auto logged = Membership::parse(member.config_text);
    if (logged && logged->version > newest.version) newest = *std::move(logged);
  }
  return newest;
}

Result<void> check_engines(const std::vector<FoundMember>& found, const RecoveryWish& wish) {
  const FoundMember* first = nullptr;
  for (const FoundMember& member : found) {
    if (!is_used(member)) continue;
    if (member.record && member.record->is_converting() && !member.record->is_recovering())
      return refuse(
          fmt::format("{}: a conversion to {} was interrupted in it. Run synod convert "
                      "--to {} again, to its end, first (--accept-lost-writes where "
                      "there is no quorum).",
                      member.directory, member.record->becomes, member.record->becomes));
    if (first == nullptr) first = &member;
    if (engine_of(member, wish.from) == engine_of(*first, wish.from)) continue;
    return refuse(fmt::format(
        "{} belongs to {} and {} to {}: one of them was left out of a conversion. Leave out the "
        "one that is of an engine the ensemble does not run any more.",
        first->directory, engine_of(*first, wish.from), member.directory,
        engine_of(member, wish.from)));
  }
  if (first != nullptr) return {};
  return refuse(
      "none of these directories holds anything: there is nothing to recover from. If there is a "
      "backup, restore it into one of them first (synod restore).");
}

// ---- who belongs from now on ------------------------------------------------------------------

Result<void> check_found(const Membership& before, const Membership& with_newcomers,
                         const std::vector<FoundMember>& found) {
  std::set<ServerId> given;
  for (const FoundMember& member : found) {
    if (!given.insert(member.id).second)
      return refuse(fmt::format("server {} is given twice, the second time as {}", member.id.value,
                                member.directory));
    if (with_newcomers.members.contains(member.id)) continue;
    return refuse(fmt::format(
        "{}: its myid is {}, and neither the ensemble ({}) nor --add has a server.{}. Name a "
        "newcomer with --add 'server.{}=host:port:port;clientPort'.",
        member.directory, member.id.value, servers_text(before.voters()), member.id.value,
        member.id.value));
  }
  return {};
}

// Groups are of servers that are gone: a majority it is, from now on.
Membership without_groups(Membership membership) {
  membership.groups.clear();
  membership.weights.clear();
  return membership;
}

// A number that comes back with another directory would be trusted for what the old one promised.
Result<void> check_numbers(const Membership& before, const Membership& next,
                           const std::vector<FoundMember>& found) {
  for (const auto& [id, member] : next.members) {
    if (!before.members.contains(id) || is_given(found, id)) continue;
    return refuse(fmt::format(
        "--add: server.{} is the number of a member whose directory is not given. Should its old "
        "directory come back, it would be taken for the new one: give the newcomer a number that "
        "was never used.",
        id.value));
  }
  return {};
}

Result<Membership> next_membership(const Membership& before, const RecoveryWish& wish,
                                   const std::vector<FoundMember>& found) {
  // With those who are gone still in it: no newcomer takes an address at which one may come back.
  const Membership all = without_groups(before);
  const auto joined = consensus::changed(all, {.joining = wish.joining}, 1);
  if (!joined) return refuse("--add: " + joined.error().text);
  if (auto checked = check_found(before, *joined, found); !checked)
    return std::unexpected(checked.error());
  Membership survivors = all;
  std::erase_if(survivors.members,
                [&](const auto& entry) { return !is_given(found, entry.first); });
  auto next = consensus::changed(survivors, {.joining = wish.joining}, 1);
  if (!next)
    return refuse(
        "only observers are left, and an ensemble needs somebody who votes: name one again with "
        "--add 'server.N=host:port:port:participant;clientPort'.");
  if (auto checked = check_numbers(before, *next, found); !checked)
    return std::unexpected(checked.error());
  return next;
}

// A newcomer with an empty directory has no say before it was synchronised by a quorum.
Result<void> check_start(const Membership& after, const std::vector<FoundMember>& found) {
  Servers filled;
  for (const FoundMember& member : found) consensus::add_to(filled, member.id);
  if (after.is_quorum(filled)) return {};
  Servers missing;
  for (const ServerId voter : after.voters())
    if (!is_given(found, voter)) consensus::add_to(missing, voter);
  return refuse(fmt::format(
      "the new ensemble would have {} voters, and the tree would be in the directories of {} only, "
      "which is no quorum: it could not start. Give an empty directory (with myid in it) for more "
      "of the newcomers ({}), to be filled here and copied there; or leave them out, and add them "
      "with synod reconfig once the others run.",
      after.voter_count(), servers_text(filled), servers_text(missing)));
}

// ---- whose log --------------------------------------------------------------------------------

// Everybody who holds anything: what an observer knows was committed, and a damaged log is better
// than none. Those who remember come first.
Result<const FoundMember*> choose(const std::vector<FoundMember>& found,
                                  const std::string& engine) {
  FoundMembers remembering;
  FoundMembers holding;
  for (const FoundMember& member : found) {
    if (!member.holds_data || member.last == Zxid{}) continue;
    holding.push_back(&member);
    if (member.has_memory) remembering.push_back(&member);
  }
  if (holding.empty())
    return refuse(
        "no directory here holds a transaction: there is nothing to recover. A new ensemble "
        "starts by itself on empty directories.");
  return &newest(remembering.empty() ? holding : remembering, engine);
}

std::string time_text(const FoundMember& member) {
  if (!member.when) return "";
  const std::chrono::sys_time<std::chrono::milliseconds> when{
      std::chrono::milliseconds{member.when->value}};
  return fmt::format(", of {:%Y-%m-%d %H:%M:%S} UTC",
                     std::chrono::time_point_cast<std::chrono::seconds>(when));
}

std::vector<std::string> losses(const RecoveryPlan& plan, const std::vector<FoundMember>& found,
                                const FoundMember& chosen) {
  const Membership& before = plan.before;
  const Servers counted = ids_of(who_counts(before, found, plan.work.from));
  Servers gone_voters;
  for (const ServerId voter : plan.gone)
    if (before.is_voter(voter)) consensus::add_to(gone_voters, voter);
  std::vector<std::string> texts;
  texts.push_back(fmt::format(
      "Kept is all that server {} has logged, up to zxid 0x{:x}{}: its end, too, which may never "
      "have been acknowledged to anybody.",
      chosen.id.value, chosen.last.value, time_text(chosen)));
  texts.push_back(fmt::format(
      "Lost may be every write after it. Of {} voters {} can be asked for what they acknowledged, "
      "which is no quorum: the others ({}) may have acknowledged more, and nobody here can say "
      "how much.",
      before.voter_count(), counted.empty() ? "none" : list_of(counted),
      gone_voters.empty() ? "they forgot" : servers_text(gone_voters)));
  for (const FoundMember& member : found)
    if (member.holds_data && member.last > chosen.last)
      texts.push_back(fmt::format(
          "Server {} has logged up to 0x{:x}, under an older epoch: what of it server {} lacks is "
          "dropped, as that epoch's leader never got it acknowledged.",
          member.id.value, member.last.value, chosen.id.value));
  if (!chosen.has_memory)
    texts.push_back(fmt::format(
        "Server {}'s directory is damaged at its end, or it was never synchronised; no better one "
        "is given.",
        chosen.id.value));
  if (!before.groups.empty())
    texts.emplace_back(
        "Its groups are given up: a quorum is a majority of the voters from now on.");
  if (before.is_quorum(gone_voters))
    texts.push_back(fmt::format(
        "{} are a quorum of their own. Started again together on their old directories, and out "
        "of reach of this ensemble, they would serve the old tree beside it: destroy those "
        "directories, or take them off those machines, before this one starts.",
        servers_text(gone_voters)));
  return texts;
}

Result<void> check_need(const Membership& before, const std::vector<FoundMember>& found,
                        const std::string& engine) {
  const Servers counted = ids_of(who_counts(before, found, engine));
  if (!before.is_quorum(counted) || is_any_marked(found)) return {};
  return refuse(fmt::format(
      "{} are a quorum of {} voters: no acknowledged write is lost, and there is nothing to "
      "recover. Start them; then put others in the place of those who are gone (synod replace, or "
      "synod reconfig --remove).",
      servers_text(counted), before.voter_count()));
}

// ---- one that was interrupted -----------------------------------------------------------------

// Each has the tree of the recovery already: it ends with a membership of its own, in an epoch of
// nobody's. (Its zoo.cfg may say that membership, or still the old one.)
bool is_installed(const std::vector<FoundMember>& found) {
  return std::ranges::all_of(found, [&](const FoundMember& member) {
    return member.record && member.record->is_recovering() && member.last > Zxid{} &&
           member.last == member.config_version && member.last == found.front().last;
  });
}

// Some are released already, and the others only wait for that.
std::optional<std::uint64_t> finishes(const std::vector<FoundMember>& found) {
  const auto released = std::ranges::find_if(found, [](const FoundMember& member) {
    return member.record && !member.record->is_converting() && member.record->conversion != 0 &&
           member.last == member.config_version;
  });
  if (released == found.end() || !is_any_marked(found)) return std::nullopt;
  const std::uint64_t recovery = released->record->conversion;
  const bool are_all_of_it = std::ranges::all_of(found, [&](const FoundMember& member) {
    return member.record && member.record->conversion == recovery;
  });
  return are_all_of_it ? std::optional(recovery) : std::nullopt;
}

Result<RecoveryPlan> resumed(RecoveryPlan plan, const std::vector<FoundMember>& found) {
  auto after = Membership::parse(found.front().config_text);
  if (!after)
    return refuse(found.front().directory + ": the membership in its tree cannot be read");
  plan.is_resumed = true;
  plan.after = *std::move(after);
  plan.work.chosen = found.front().id;
  plan.work.last = found.front().last;
  plan.work.epoch = found.front().last.epoch();
  plan.work.membership = plan.after;
  for (const FoundMember& member : found)
    if (!plan.after.members.contains(member.id))
      return refuse(fmt::format(
          "{}: the recovery that was interrupted knew of no server {}: finish it first, without",
          member.directory, member.id.value));
  if (auto starts = check_start(plan.after, found); !starts) return std::unexpected(starts.error());
  return plan;
}

}  // namespace

Result<std::uint32_t> epoch_ahead(std::uint32_t highest) {
  if (highest < kLastEpoch - 2 * kEpochsAhead) return (highest / kEpochsAhead + 1) * kEpochsAhead;
  return refuse(
      fmt::format("the epochs have come to 0x{:x}: there is no room above them", highest));
}

Result<RecoveryPlan> plan_recovery(const Membership& configured, const RecoveryWish& wish,
                                   const std::vector<FoundMember>& found) {
  if (auto checked = check_engines(found, wish); !checked) return std::unexpected(checked.error());
  const auto used = std::ranges::find_if(found, is_used);
  const std::string engine = engine_of(*used, wish.from);
  RecoveryPlan plan;
  plan.work = {.kind = Kind::kConvert, .from = engine, .to = engine, .rule = rule_of(engine)};
  plan.before = newest_known(configured, found);
  if (const auto recovery = finishes(found)) {
    plan.work.kind = Kind::kFinish;
    plan.work.finishes = *recovery;
    plan.after = plan.before;
    return plan;
  }
  if (is_installed(found)) return resumed(std::move(plan), found);
  if (plan.before.members.empty())
    return refuse(
        "no zoo.cfg given has server lines: who belonged to the ensemble? A server on its own has "
        "no quorum to lose: start it, or restore a backup (synod restore).");
  auto next = next_membership(plan.before, wish, found);
  if (!next) return std::unexpected(next.error());
  plan.after = *std::move(next);
  if (auto checked = check_need(plan.before, found, engine); !checked)
    return std::unexpected(checked.error());
  const auto chosen = choose(found, engine);
  if (!chosen) return std::unexpected(chosen.error());
  if (auto starts = check_start(plan.after, found); !starts) return std::unexpected(starts.error());
  const std::uint32_t known_epoch = Zxid{plan.before.version}.epoch();
  const auto epoch = epoch_ahead(std::max(highest_epoch(found), known_epoch));
  if (!epoch) return std::unexpected(epoch.error());
  for (const auto& [id, member] : plan.before.members)
    if (!plan.after.members.contains(id)) consensus::add_to(plan.gone, id);
  plan.after.version = Zxid::of(*epoch, 1).value;
  plan.work.chosen = (*chosen)->id;
  plan.work.last = (*chosen)->last;
  plan.work.epoch = *epoch;
  plan.work.membership = plan.after;
  plan.losses = losses(plan, found, **chosen);
  return plan;
}

}  // namespace synod::server
