#include "sim/ghost.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "replica/entry_forms.h"

namespace synod::sim {
namespace {

using consensus::Role;
namespace effect = consensus::effect;

std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9FB21C651E98DF25;
  return hash ^ (hash >> 29);
}
ServerId id_of(std::size_t server) { return {static_cast<std::int64_t>(server) + 1}; }
std::string text_of(Zxid zxid) { return fmt::format("0x{:x}", zxid.value); }

}  // namespace

Ghost::Ghost(consensus::Membership membership, std::size_t servers, std::uint32_t first_counter,
             Complain complain)
    : memberships_{{0, std::move(membership)}},
      first_counter_(first_counter),
      complain_(std::move(complain)),
      servers_(servers) {
  chain_[0] = {};
}

void Ghost::complain(std::size_t server, const std::string& text) {
  complain_(fmt::format("server {}: {}", server + 1, text));
}

// ---- the chain --------------------------------------------------------------------------------

// G2: an entry is one and the same, with the same history, wherever it is.
void Ghost::append(std::size_t server, const consensus::Entry& entry) {
  Server& at = servers_[server];
  const std::int64_t before = at.log.empty() ? 0 : at.log.back();
  const Zxid zxid = entry.zxid;
  const bool is_next = zxid.epoch() == Zxid{before}.epoch() ? zxid.value == before + 1
                                                            : zxid.counter() == first_counter_;
  if (zxid.value <= before || !is_next) {
    complain(server, fmt::format("G9: appends {} after {}", text_of(zxid), text_of({before})));
  }
  const std::uint64_t hash =
      mixed(mixed(chain_[before].hash, static_cast<std::uint64_t>(zxid.value)),
            std::hash<BytesView>()(*entry.bytes));
  const auto known = chain_.find(zxid.value);
  if (known == chain_.end()) {
    // What an engine logs for itself comes from the leader's engine.
    using enum consensus::EntryKind;
    const auto kind = replica::EntryForms().read(*entry.bytes).kind;
    if (kind == kNoOp || kind == kConfiguration) leader_proposes(server, entry);
    if (kind == kReconfiguration) note_membership(entry);
    const auto leader = leader_of_.find(zxid.epoch());
    if (leader == leader_of_.end() || leader->second.server != server)
      complain(server, fmt::format("G10: appends {}, which nobody proposed", text_of(zxid)));
    chain_[zxid.value] = {.before = before, .hash = hash, .bytes = entry.bytes};
  } else if (known->second.hash != hash) {
    complain(server,
             fmt::format("G2: {} stands for different entries, or different histories ({} "
                         "before it here, {} elsewhere)",
                         text_of(zxid), text_of({before}), text_of({known->second.before})));
  }
  at.log.push_back(zxid.value);
}

std::vector<std::int64_t> Ghost::chain_to(std::size_t server, Zxid zxid) {
  std::vector<std::int64_t> log;
  for (std::int64_t at = std::max<std::int64_t>(zxid.value, 0); at != 0;) {
    const auto link = chain_.find(at);
    if (link == chain_.end()) {
      complain(server, fmt::format("has {}, which nobody ever appended", text_of({at})));
      break;
    }
    log.push_back(at);
    at = link->second.before;
  }
  std::ranges::reverse(log);
  return log;
}

// ---- life and death ---------------------------------------------------------------------------

void Ghost::started(std::size_t server, const consensus::Beginning& beginning) {
  Server& at = servers_[server];
  // A quorum of one has no epochs: what a crash took is as if it had never been.
  if (servers_.size() == 1) {
    chain_.erase(chain_.upper_bound(beginning.last_logged.value), chain_.end());
    digests_.erase(digests_.upper_bound(beginning.last_logged.value), digests_.end());
  }
  const std::size_t was_durable = at.durable;
  const std::int64_t last_durable = was_durable == 0 ? 0 : at.log[was_durable - 1];
  std::vector<std::int64_t> log = chain_to(server, beginning.last_logged);
  // What was flushed is still there: no crash takes it, only a wiped disk.
  const bool is_installed = at.snapshot_due && *at.snapshot_due == beginning.last_logged;
  if (!is_installed && !at.is_damaged && was_durable > 0 &&
      (log.size() < was_durable || log[was_durable - 1] != last_durable)) {
    complain(server, fmt::format("G8: had flushed everything up to {}, and starts with {}",
                                 text_of({last_durable}), text_of(beginning.last_logged)));
  }
  for (const consensus::Entry& entry : beginning.recent) {
    const auto link = chain_.find(entry.zxid.value);
    if (link == chain_.end() || *link->second.bytes != *entry.bytes)
      complain(server,
               fmt::format("G2: {} came back from the disk as another entry", text_of(entry.zxid)));
  }
  if (beginning.has_memory && beginning.accepted_epoch == at.accepted_epoch &&
      at.voted_for != ServerId{} && beginning.voted_for != at.voted_for) {
    complain(server,
             fmt::format("G7: voted for server {} in epoch {}, and starts with a vote for {}",
                         at.voted_for.value, at.accepted_epoch, beginning.voted_for.value));
  }
  // A shorter life than before may declare less committed; what it declares is compared anyway.
  const std::uint64_t life = at.life + 1;
  if (beginning.has_memory && (beginning.accepted_epoch < at.accepted_epoch ||
                               beginning.current_epoch < at.current_epoch)) {
    complain(server, fmt::format("G7: promised epoch {} and was synchronised under {}, and starts "
                                 "with {} and {}",
                                 at.accepted_epoch, at.current_epoch, beginning.accepted_epoch,
                                 beginning.current_epoch));
  }
  at = {.log = std::move(log),
        .lost_log = std::move(at.lost_log),
        .has_memory = beginning.has_memory,
        .counts = beginning.has_memory,
        .is_damaged = at.is_damaged,
        .life = life};
  at.durable = at.log.size();
  at.accepted_epoch = beginning.accepted_epoch;
  at.current_epoch = beginning.current_epoch;
  at.voted_for = beginning.voted_for;
  check_nothing_lost(server, "a start");
}

void Ghost::stopped(std::size_t server) {
  servers_[server].status = {};
  servers_[server].applied = {};
}

void Ghost::wiped(std::size_t server) {
  Server& at = servers_[server];
  at.log.resize(at.durable);
  if (at.log.empty()) at.log = std::move(at.lost_log);
  at = {.lost_log = std::move(at.log), .life = at.life};
}

void Ghost::damaged(std::size_t server) { servers_[server].is_damaged = true; }

consensus::Servers Ghost::remembering(const std::vector<bool>& without) const {
  consensus::Servers servers;
  for (std::size_t i = 0; i < servers_.size(); ++i)
    if (!without[i] && servers_[i].counts) consensus::add_to(servers, id_of(i));
  return servers;
}

bool Ghost::could_change_to(const consensus::Membership& next,
                            const std::vector<bool>& without) const {
  return next.is_quorum(remembering(without));
}

bool Ghost::could_lose(const std::vector<bool>& without) const {
  const consensus::Servers left = remembering(without);
  const auto is_quorum = [&](const consensus::Membership& of) { return of.is_quorum(left); };
  const bool is_known =
      committed_.empty() || std::ranges::any_of(left, [&](ServerId server) {
        return membership().is_voter(server) &&
               holds(servers_[static_cast<std::size_t>(server.value) - 1], committed_.size());
      });
  if (!is_known || !is_quorum(membership())) return false;
  // Who does not know yet that the last change is decided asks the members before it as well.
  if (memberships_.size() > 1 && !is_quorum(std::prev(memberships_.end(), 2)->membership))
    return false;
  return std::ranges::all_of(servers_, [&](const Server& server) {
    return std::ranges::all_of(pending_in(server),
                               [&](const auto* next) { return is_quorum(*next); });
  });
}

// ---- memberships ------------------------------------------------------------------------------

void Ghost::note_membership(const consensus::Entry& entry) {
  const auto form = replica::EntryForms().read(*entry.bytes);
  reconfigurations_[entry.zxid.value] = *consensus::Membership::parse(form.payload);
}

// A vote among the members, those before them (it may not know yet), or those to come.
bool Ghost::may_lead(std::size_t server) const {
  const std::size_t last = memberships_.size() - 1;
  const auto votes_in = [&](const consensus::Membership& of) { return of.is_voter(id_of(server)); };
  return votes_in(memberships_[last].membership) ||
         (last > 0 && votes_in(memberships_[last - 1].membership)) ||
         std::ranges::any_of(pending_in(servers_[server]),
                             [&](const auto* next) { return votes_in(*next); });
}

// In its log, behind what is committed.
std::vector<const consensus::Membership*> Ghost::pending_in(const Server& server) const {
  std::vector<const consensus::Membership*> pending;
  const auto first = reconfigurations_.upper_bound(last_committed().value);
  for (auto at = first; at != reconfigurations_.end(); ++at)
    if (std::ranges::binary_search(server.log, at->first)) pending.push_back(&at->second);
  return pending;
}

// ---- effects ----------------------------------------------------------------------------------

void Ghost::proposed(std::size_t server, const consensus::Entry& entry) {
  const Server& at = servers_[server];
  Leader& leader = leader_proposes(server, entry);
  if (at.status.role != Role::kLeading || !at.status.is_serving)
    complain(server, fmt::format("proposes {} while it does not lead", text_of(entry.zxid)));
  // Z4: everything of the epochs before is delivered first.
  const auto own = std::ranges::lower_bound(at.log, Zxid::of(entry.zxid.epoch(), 0).value);
  const auto inherited = static_cast<std::size_t>(own - at.log.begin());
  if (!leader.has_served && at.committed < inherited)
    complain(server, fmt::format("Z4: proposes in epoch {} before {} is committed",
                                 entry.zxid.epoch(), text_of({at.log[inherited - 1]})));
  leader.has_served = true;
}

// A client's entry, or one of its engine's own.
Ghost::Leader& Ghost::leader_proposes(std::size_t server, const consensus::Entry& entry) {
  const Server& at = servers_[server];
  const std::uint32_t epoch = entry.zxid.epoch();
  const auto [leader, is_new] = leader_of_.try_emplace(epoch, Leader{server, at.life});
  // A quorum of one needs no new epoch for a new life.
  const bool is_same_life = leader->second.life == at.life || servers_.size() == 1;
  if (leader->second.server != server || !is_same_life) {
    complain(server, fmt::format("G1: proposes in epoch {}, as server {} did", epoch,
                                 leader->second.server + 1));
  }
  if (!is_new) return leader->second;
  // Under the epochs before: a leader that was deposed without having heard of it may begin late.
  const auto before = static_cast<std::size_t>(
      std::ranges::lower_bound(committed_, epoch, {}, &CommittedEntry::under) - committed_.begin());
  if (before > 0 &&
      (at.log.size() < before || at.log[before - 1] != committed_[before - 1].zxid.value)) {
    complain(server, fmt::format("G6: proposes in epoch {} without {}, which is committed", epoch,
                                 text_of(committed_[before - 1].zxid)));
  }
  return leader->second;
}

void Ghost::effect(std::size_t server, const consensus::Effect& effect) {
  Server& at = servers_[server];
  if (const auto* to_append = std::get_if<effect::Append>(&effect)) {
    append(server, to_append->entry);
  } else if (const auto* cut = std::get_if<effect::Cut>(&effect)) {
    at.log_before_cut = at.log;
    while (!at.log.empty() && at.log.back() > cut->after.value) at.log.pop_back();
    if (at.committed > at.log.size())
      complain(server, fmt::format("G3: cuts what it had declared committed, after {}",
                                   text_of(cut->after)));
    at.durable = std::min(at.durable, at.log.size());
    check_nothing_lost(server, "a cut");
  } else if (const auto* save = std::get_if<effect::SaveEpochs>(&effect)) {
    save_epochs(server, *save);
  } else if (const auto* commit_up_to = std::get_if<effect::Commit>(&effect)) {
    commit(server, commit_up_to->up_to);
  } else if (const auto* changed = std::get_if<effect::StatusChanged>(&effect)) {
    role_changed(server, changed->status);
  } else if (const auto* receive = std::get_if<effect::ReceiveSnapshot>(&effect)) {
    at.snapshot_due = receive->zxid;
  }
}

void Ghost::role_changed(std::size_t server, const consensus::Status& status) {
  Server& at = servers_[server];
  if (status.role == Role::kLeading && status.is_serving && !at.status.is_serving) {
    ++leader_changes_;
    if (!may_lead(server)) complain(server, "leads, and has no vote");
  }
  at.status = status;
  at.counts |= status.is_serving && at.has_memory;
}

void Ghost::save_epochs(std::size_t server, const effect::SaveEpochs& epochs) {
  Server& at = servers_[server];
  const effect::SaveEpochs before =
      at.saving.empty() ? effect::SaveEpochs{at.accepted_epoch, at.current_epoch, at.voted_for}
                        : at.saving.back();
  if (epochs.current > epochs.accepted)
    complain(server, fmt::format("Z5: saves epochs {} < {}", epochs.accepted, epochs.current));
  if (epochs.accepted < before.accepted || epochs.current < before.current)
    complain(server, "G7: saves an epoch lower than before");
  if (epochs.accepted == before.accepted && before.voted_for != ServerId{} &&
      epochs.voted_for != before.voted_for)
    complain(server, fmt::format("G1: votes twice in epoch {}", epochs.accepted));
  at.saving.push_back(epochs);
}

void Ghost::epochs_saved(std::size_t server) {
  Server& at = servers_[server];
  const effect::SaveEpochs saved = at.saving.front();
  at.saving.pop_front();
  at.accepted_epoch = saved.accepted;
  at.current_epoch = saved.current;
  at.voted_for = saved.voted_for;
  // A promise alone is no memory: it comes with the first synchronisation, or when all are new.
  at.has_memory |= saved.current > 0 || saved.accepted == 0;
  at.counts |= at.status.is_serving && at.has_memory;
}

void Ghost::was_cut(std::size_t server, std::optional<Zxid> last) {
  Server& at = servers_[server];
  if (!last) at.log = at.log_before_cut;  // it could not be done: all is as before
  while (last && !at.log.empty() && at.log.back() > last->value) at.log.pop_back();
  at.durable = at.log.size();
  check_nothing_lost(server, "a cut");
}

void Ghost::installed(std::size_t server, Zxid zxid) {
  Server& at = servers_[server];
  at.snapshot_due.reset();
  at.log = chain_to(server, zxid);
  at.durable = at.log.size();
  at.committed = std::min(at.committed, at.log.size());
  check_nothing_lost(server, "a snapshot");
}

void Ghost::flushed(std::size_t server, const std::vector<Zxid>& zxids) {
  Server& at = servers_[server];
  for (const Zxid zxid : zxids) {
    const auto found = std::ranges::lower_bound(at.log, zxid.value);
    if (found == at.log.end() || *found != zxid.value) continue;  // cut meanwhile
    at.durable = std::max(at.durable, static_cast<std::size_t>(found - at.log.begin()) + 1);
  }
}

// ---- commits ----------------------------------------------------------------------------------

bool Ghost::holds(const Server& server, std::size_t count) const {
  return count == 0 || (server.durable >= count && server.log.size() >= count &&
                        server.log[count - 1] == committed_[count - 1].zxid.value);
}

// By the members of before, or by those that the log of whoever commits goes on with: which of them
// an engine asks, and when both, is its own.
bool Ghost::is_backed(const Server& by, std::size_t before, std::size_t count) const {
  consensus::Servers holders;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const std::vector<std::int64_t>& lost = servers_[i].lost_log;
    const bool had = lost.size() >= count && lost[count - 1] == committed_[count - 1].zxid.value;
    if (had || holds(servers_[i], count)) consensus::add_to(holders, id_of(i));
  }
  const auto since =
      std::ranges::find_if(memberships_, [&](const Configured& of) { return of.count > before; });
  const auto is_quorum = [&](const Configured& of) { return of.membership.is_quorum(holders); };
  return std::any_of(std::prev(since), memberships_.end(), is_quorum) ||
         std::ranges::any_of(pending_in(by),
                             [&](const auto* next) { return next->is_quorum(holders); });
}

// G3: what is committed is the same everywhere.
void Ghost::commit(std::size_t server, Zxid up_to) {
  Server& at = servers_[server];
  if (up_to.value < at.commit_said)
    complain(server,
             fmt::format("G7: commits {} after {}", text_of(up_to), text_of({at.commit_said})));
  at.commit_said = std::max(at.commit_said, up_to.value);
  const auto count =
      static_cast<std::size_t>(std::ranges::upper_bound(at.log, up_to.value) - at.log.begin());
  if (up_to.counter() != 0 && (count == 0 || at.log[count - 1] != up_to.value))
    complain(server, fmt::format("commits {}, which it does not have", text_of(up_to)));
  if (count == 0) return;
  const std::size_t common = std::min(count, committed_.size());
  if (common > 0 && at.log[common - 1] != committed_[common - 1].zxid.value) {
    complain(server,
             fmt::format("G3: commits {} where {} is committed", text_of({at.log[common - 1]}),
                         text_of(committed_[common - 1].zxid)));
    return;
  }
  if (count > committed_.size()) extend_committed(server, count);
  at.committed = std::max(at.committed, count);
}

// G4: whoever is the first to declare it has a quorum that has it on disk.
void Ghost::extend_committed(std::size_t server, std::size_t count) {
  const Server& at = servers_[server];
  const std::size_t before = committed_.size();
  while (committed_.size() < count) {
    const Zxid zxid{at.log[committed_.size()]};
    std::uint32_t under = std::max({zxid.epoch(), at.status.epoch, at.accepted_epoch});
    if (!committed_.empty()) under = std::max(under, committed_.back().under);
    committed_.push_back({zxid, chain_[zxid.value].bytes, under});
    if (const auto next = reconfigurations_.find(zxid.value); next != reconfigurations_.end())
      memberships_.push_back({committed_.size(), next->second});
  }
  if (!is_backed(at, before, count))
    complain(server, fmt::format("G4: commits {}, and no quorum has it on disk",
                                 text_of(committed_.back().zxid)));
}

// G5: no quorum of servers that may vote lacks anything committed: of the members, among those that
// know that they are; of the members before them, among those that do not know of the change. Who
// has nothing at all knows of neither, but of the first.
void Ghost::check_nothing_lost(std::size_t server, const char* after) {
  if (committed_.empty()) return;
  const Configured& newest = memberships_.back();
  check_ignorant(server, after, newest.membership, true, newest.count);
  if (memberships_.size() > 1)
    check_ignorant(server, after, std::prev(memberships_.end(), 2)->membership, false,
                   newest.count);
}

void Ghost::check_ignorant(std::size_t server, const char* after, const consensus::Membership& of,
                           bool knows, std::size_t reconfigured) {
  consensus::Servers ignorant;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (servers_[i].has_memory && (knows || memberships_.size() == 2 || !servers_[i].log.empty()) &&
        holds(servers_[i], reconfigured) == knows && !holds(servers_[i], committed_.size()))
      consensus::add_to(ignorant, id_of(i));
  }
  if (!of.is_quorum(ignorant)) return;
  complain(server, fmt::format("G5: after {}, a quorum could elect a leader without {}, which is "
                               "committed",
                               after, text_of(committed_.back().zxid)));
}

bool Ghost::has_durable(std::size_t server, Zxid zxid) const {
  const Server& at = servers_[server];
  const auto found = std::ranges::lower_bound(at.log, zxid.value);
  return found != at.log.end() && *found == zxid.value &&
         static_cast<std::size_t>(found - at.log.begin()) < at.durable;
}
Zxid Ghost::last_durable(std::size_t server) const {
  const Server& at = servers_[server];
  return at.durable == 0 ? Zxid{} : Zxid{at.log[at.durable - 1]};
}
Zxid Ghost::last_logged(std::size_t server) const {
  const Server& at = servers_[server];
  return at.log.empty() ? Zxid{} : Zxid{at.log.back()};
}
bool Ghost::has_durable_before(std::size_t server, Zxid zxid) const {
  const Server& at = servers_[server];
  const auto end = std::ranges::lower_bound(at.log, zxid.value);
  return static_cast<std::size_t>(end - at.log.begin()) <= at.durable;
}
std::int64_t Ghost::promised_epoch(std::size_t server) const {
  const Server& at = servers_[server];
  return at.saving.empty() ? at.accepted_epoch : at.saving.back().accepted;
}

// ---- what is to be seen -----------------------------------------------------------------------

// G12, and decision 4: while clients are served, the tree holds what is committed and no more.
void Ghost::looked_at(std::size_t server, Zxid applied, std::uint64_t digest, bool is_serving) {
  Server& at = servers_[server];
  if (is_serving) {
    const std::int64_t may = at.committed == 0 ? 0 : at.log[at.committed - 1];
    if (applied.value > may)
      complain(server, fmt::format("serves a tree with {} in it; committed is {}", text_of(applied),
                                   text_of({may})));
    if (at.status.is_serving && applied < at.applied)
      complain(server, fmt::format("G7: its tree went back from {} to {}", text_of(at.applied),
                                   text_of(applied)));
  }
  if (applied == at.applied) return;
  at.applied = applied;
  const auto [known, is_new] = digests_.try_emplace(applied.value, digest);
  if (!is_new && known->second != digest)
    complain(server, fmt::format("G12: another tree than elsewhere as of {}", text_of(applied)));
}

void Ghost::shown(Zxid zxid) {
  if (zxid.value > last_committed().value)
    complain_(fmt::format("a client was shown {}; committed is {}", text_of(zxid),
                          text_of(last_committed())));
}

}  // namespace synod::sim
