// Replication, as who leads or would: promises, the log to take over, entries, commits, reads.
#include <algorithm>
#include <functional>
#include <utility>

#include "sim/models/replication.h"

namespace synod::sim::models {

using consensus::Entry;
using consensus::Role;
using consensus::ServiceMessage;
namespace effect = consensus::effect;
using Kind = Message::Kind;

// ---- becoming leader --------------------------------------------------------------------------

void Replication::gather() {
  phase_ = Phase::kGathering;
  choose_when_promised();
}

void Replication::on_promise(ServerId from, const Message& promise) {
  if (promise.epoch > epoch()) on_election(from, promise);
  if (promise.epoch != epoch()) return;
  promises_[from] = promise;
  if (phase_ == Phase::kLeading) return synchronise(from);
  choose_when_promised();
}

void Replication::choose_when_promised() {
  if (phase_ != Phase::kGathering) return;
  consensus::Servers promised{options_.self};
  std::pair best{journal_.current_epoch(), journal_.last_logged()};
  std::optional<ServerId> source;
  for (const auto& [server, promise] : promises_) {
    consensus::add_to(promised, server);
    const std::pair theirs{promise.accepted, promise.position};
    if (theirs <= best) continue;
    best = theirs;
    source = server;
  }
  if (!is_quorum(promised)) return;
  phase_ = Phase::kFetching;
  source_ = source;
  if (source)
    send(*source, {.kind = Kind::kFetch, .epoch = epoch(), .position = journal_.committed()});
  else
    accept(entries_after(journal_.committed()), [this] { lead(); });
}

void Replication::lead() {
  phase_ = Phase::kLeading;
  inherited_ = journal_.last_logged();
  set_status({.role = Role::kLeading, .leader = options_.self});
  for (const auto& [server, promise] : promises_) synchronise(server);
  beat();
  commit_what_a_quorum_has();
}

void Replication::synchronise(ServerId server) {
  const Zxid from = promises_.at(server).committed;
  followers_[server] = {
      .sent = journal_.last_logged(), .appended = {}, .told = journal_.committed()};
  send(server, {.kind = Kind::kSync,
                .epoch = epoch(),
                .position = from,
                .committed = journal_.committed(),
                .entries = entries_after(from)});
}

// ---- leading ----------------------------------------------------------------------------------

void Replication::propose(Entry entry) {
  if (phase_ == Phase::kLeading) journal_.append(std::move(entry));
}

Zxid Replication::next_zxid() const {
  const Zxid last = journal_.last_logged();
  return last.epoch() == epoch() ? last.next() : Zxid::of(epoch(), options_.first_counter);
}

void Replication::on_appended(ServerId from, Zxid up_to) {
  const auto follower = followers_.find(from);
  if (follower == followers_.end()) return;
  follower->second.appended = up_to;
  commit_what_a_quorum_has();
}

void Replication::commit_what_a_quorum_has() {
  std::vector<std::pair<Zxid, ServerId>> appended{{journal_.durable(), options_.self}};
  for (const auto& [server, follower] : followers_)
    if (follower.appended) appended.emplace_back(*follower.appended, server);
  std::ranges::sort(appended, std::greater{});
  consensus::Servers counted;
  for (const auto& [zxid, server] : appended) {
    consensus::add_to(counted, server);
    if (!is_quorum(counted)) continue;
    journal_.commit(zxid);
    if (zxid >= inherited_)
      set_status(
          {.role = Role::kLeading, .leader = options_.self, .epoch = epoch(), .is_serving = true});
    return;
  }
}

void Replication::beat() {
  for (const auto& [peer, member] : options_.membership.members)
    if (peer != options_.self)
      send(peer, {.kind = Kind::kBeat,
                  .epoch = epoch(),
                  .committed = journal_.committed(),
                  .round = round_});
}

void Replication::ask_for_touches() {
  next_touches_ = {now_.value + std::max<std::int64_t>(options_.tick_ms / 2, 1)};
  if (!status_.is_serving) return;
  for (const auto& [peer, follower] : followers_)
    if (follower.appended)
      links_.send(peer, ServiceMessage{.kind = ServiceMessage::Kind::kTouchesWanted});
}

// A quorum has promised nothing higher since it was asked.
void Replication::read_index(std::uint64_t token) {
  reads_.push_back({token, journal_.committed()});
}

void Replication::on_beat_reply(ServerId from, std::uint64_t round) {
  const auto follower = followers_.find(from);
  if (follower == followers_.end()) return;
  follower->second.round = round;
  std::erase_if(reads_, [&](const PendingRead& read) {
    consensus::Servers confirmed{options_.self};
    for (const auto& [server, each] : followers_)
      if (each.round >= read.round) consensus::add_to(confirmed, server);
    if (read.round == 0 || !is_quorum(confirmed)) return false;
    outbox_.add(effect::ReadIndex{read.token, read.committed});
    return true;
  });
}

// Once a turn: what came together travels together.
void Replication::stream() {
  for (auto& [server, follower] : followers_) {
    const bool has_news = follower.sent != journal_.last_logged() ||
                          (follower.appended && follower.told != journal_.committed());
    if (!has_news || !follower.appended) continue;
    send(server, {.kind = Kind::kAppend,
                  .epoch = epoch(),
                  .position = follower.sent,
                  .committed = journal_.committed(),
                  .entries = entries_after(follower.sent)});
    follower.sent = journal_.last_logged();
    follower.told = journal_.committed();
  }
  if (reads_.empty() || reads_.back().round != 0) return;
  ++round_;
  for (PendingRead& read : reads_)
    if (read.round == 0) read.round = round_;
  beat();
}

}  // namespace synod::sim::models
