#include "consensus/omnipaxos/follower.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/mutation.h"
#include "consensus/omnipaxos/batch.h"
#include "consensus/omnipaxos/positions.h"

namespace synod::consensus::omnipaxos {

Follower::Follower(Shared& shared)
    : shared_(&shared), trees_(shared, shared.promised()), next_tick_(shared.now) {}

// ---- sessions ---------------------------------------------------------------------------------

void Follower::recover() {
  phase_ = Phase::kRecover;
  trees_.end_all();
  read_.reset();
  held_.clear();
  shared_->set_status({});
}

void Follower::end() { recover(); }

void Follower::down(ServerId peer) {
  if (peer != leader() || phase_ == Phase::kRecover) return;
  if (is_mutated(Mutation::kAcceptOverGap) && phase_ == Phase::kAccepting) return;
  recover();
}

void Follower::on_resigned() {
  if (phase_ != Phase::kRecover) recover();
}

// Something between the leader and us is missing.
void Follower::ask_to_be_prepared() {
  recover();
  shared_->send(leader(), PrepareReq{shared_->promised()});
}

// What it says cannot be, and would be said again at once.
void Follower::refuse_leader(std::string why) {
  shared_->outbox.warn(fmt::format("server {}, which leads: {}", leader().value, why));
  const auto link = shared_->links.link_of(leader());
  recover();
  if (link) shared_->links.close(*link, std::move(why));
}

void Follower::tick() {
  if (shared_->now < next_tick_) return;
  next_tick_ = {shared_->now.value + shared_->options.heartbeat_ms};
  trees_.tick();
}

std::optional<SteadyTimeMs> Follower::next_deadline() const {
  if (phase_ == Phase::kPromised) return next_tick_;
  return std::nullopt;
}

// ---- promising --------------------------------------------------------------------------------

void Follower::prepare(Ballot ballot) {
  recover();
  if (ballot > shared_->promised()) shared_->promise(ballot);
  trees_ = Trees(*shared_, ballot);
  phase_ = Phase::kPromising;
  advance();
}

// Before a promise leaves, it is on disk, and so is every entry that it claims; and nothing is on
// its way that would change them (4.12).
void Follower::advance() {
  if (phase_ == Phase::kPromising &&
      (shared_->is_settled() || is_mutated(Mutation::kPromiseNotDurable)))
    return send_promise();
  accept_round_when_due();
  send_accepted();
  commit();  // a stop-sign that waited for its flush
}

void Follower::send_promise() {
  const Journal& journal = shared_->journal;
  phase_ = Phase::kPromised;
  const bool is_voter = shared_->quorums.is_voter(shared_->options.self);
  shared_->set_status({.role = is_voter ? Role::kFollowing : Role::kObserving, .leader = leader()});
  shared_->send(leader(), Promise{.ballot = shared_->promised(),
                                  .number = ++shared_->last_number,
                                  .accepted_round = shared_->accepted_round(),
                                  .ends = ends_of(journal.history()),
                                  .wants_tree = journal.needs_tree(),
                                  .has_memory = journal.has_memory(),
                                  .covered_by = shared_->covered_by()});
}

// ---- what the leader fetches here ---------------------------------------------------------------

void Follower::on(const Fetch& fetch) {
  if (phase_ != Phase::kPromised) return;
  trees_.end_all();
  read_.reset();
  fetch_ = fetch.number;
  if (fetch.wants_tree) return trees_.begin(leader(), fetch_);
  fetched_ = fetch.after;
  send_from_memory();
}

// From memory as far back as that goes, what is older from the log on disk.
void Follower::send_from_memory() {
  const History& history = shared_->journal.history();
  if (fetched_ < history.base()) {
    const auto link = shared_->links.link_of(leader());
    if (link) read_ = shared_->reads.ask(*link, fetched_, history.base());
    return;
  }
  auto at = history.after(fetched_);
  do {
    std::vector<Entry> batch = take_batch(at, history.end());
    send_fetched(std::move(batch), at == history.end());
  } while (at != history.end());
}

void Follower::send_fetched(std::vector<Entry> entries, bool is_end) {
  const Zxid previous = fetched_;
  if (!entries.empty()) fetched_ = entries.back().zxid;
  shared_->send(leader(), Fetched{.ballot = shared_->promised(),
                                  .fetch = fetch_,
                                  .previous = previous,
                                  .is_end = is_end,
                                  .entries = std::move(entries)});
}

void Follower::log_read(std::uint64_t number, std::optional<std::vector<Entry>>&& entries,
                        bool is_last) {
  if (read_ != number || phase_ != Phase::kPromised) return;
  if (!entries) {
    read_.reset();
    return trees_.begin(leader(), fetch_);
  }
  for (auto at = entries->begin(); at != entries->end();)
    send_fetched(take_batch(at, entries->end()), false);
  if (!is_last) return;
  read_.reset();
  send_from_memory();
}

// ---- synchronising ------------------------------------------------------------------------------

void Follower::on(const AcceptSync& sync) {
  if (phase_ != Phase::kPromised || sync.promise != shared_->last_number) return;
  trees_.end_all();
  Journal& journal = shared_->journal;
  if (sync.after < journal.committed() || sync.after > journal.last_logged())
    return refuse_leader(fmt::format(
        "it would have our log end at {:#x}, which goes to {:#x}, of which {:#x} is decided",
        sync.after.value, journal.last_logged().value, journal.committed().value));
  sync_ = sync;
  decided_ = sync.decided;
  if (is_mutated(Mutation::kRoundBeforeLog)) shared_->accept_round(sync.ballot);
  if (sync.after == journal.last_logged()) return begin_to_synchronise();
  phase_ = Phase::kCutting;
  journal.cut(sync.after);
}

// Where the log could not be cut there, the leader hears where it ends now.
void Follower::was_cut() {
  if (phase_ == Phase::kPromising) return advance();
  if (phase_ != Phase::kCutting) return;
  if (shared_->journal.needs_tree() || shared_->journal.last_logged() != sync_.after) {
    held_.clear();
    phase_ = Phase::kPromising;
    return advance();
  }
  begin_to_synchronise();
  for (Message& message : std::exchange(held_, {})) {
    if (auto* accept = std::get_if<AcceptDecide>(&message)) on(*accept);
    if (const auto* decide = std::get_if<Decide>(&message)) on(*decide);
  }
}

void Follower::begin_to_synchronise() {
  phase_ = Phase::kSynchronising;
  accept_round_when_due();
}

// The log first, then the round under which it was accepted; then that is said. Torn apart by a
// crash, what is left of the log is a part of the leader's, under a round that it was accepted in
// before.
void Follower::accept_round_when_due() {
  Journal& journal = shared_->journal;
  if (phase_ == Phase::kSynchronising) {
    if (journal.last_logged() < sync_.end || journal.durable() < sync_.end) return;
    phase_ = Phase::kSavingRound;
    if (shared_->accepted_round() < shared_->promised()) shared_->accept_round(sync_.ballot);
  }
  if (phase_ != Phase::kSavingRound || !journal.are_epochs_durable()) return;
  phase_ = Phase::kAccepting;
  journal.gain_memory();
  accepted_ = journal.durable();
  shared_->send(leader(), Accepted{shared_->promised(), accepted_});
  commit();
}

// ---- accepting ----------------------------------------------------------------------------------

void Follower::on(AcceptDecide& accept) {
  if (phase_ == Phase::kCutting) {
    held_.emplace_back(std::move(accept));
    return;
  }
  if (phase_ != Phase::kSynchronising && phase_ != Phase::kSavingRound &&
      phase_ != Phase::kAccepting)
    return;
  Journal& journal = shared_->journal;
  const bool has_gap =
      accept.previous != journal.last_logged() && !is_mutated(Mutation::kAcceptOverGap);
  if (has_gap) {
    shared_->outbox.warn(fmt::format("entries of server {} follow on {:#x}, our log ends at {:#x}",
                                     leader().value, accept.previous.value,
                                     journal.last_logged().value));
    return ask_to_be_prepared();
  }
  for (Entry& entry : accept.entries)
    if (entry.zxid > journal.last_logged()) journal.append(std::move(entry));
  decided_ = std::max(decided_, accept.decided);
  accept_round_when_due();
  commit();
}

void Follower::on(const Decide& decide) {
  if (phase_ == Phase::kCutting) {
    held_.emplace_back(decide);
    return;
  }
  decided_ = std::max(decided_, decide.decided);
  accept_round_when_due();
  commit();
}

// Each Accepted stands for all before it, and follows its flush.
void Follower::send_accepted() {
  if (phase_ != Phase::kAccepting || shared_->journal.durable() <= accepted_) return;
  accepted_ = shared_->journal.durable();
  shared_->send(leader(), Accepted{shared_->promised(), accepted_});
}

// Our log is the beginning of the leader's: of what is decided we have the first part.
void Follower::commit() {
  if (phase_ != Phase::kAccepting) return;
  Journal& journal = shared_->journal;
  shared_->commit(std::min(decided_, journal.last_logged()));
  if (shared_->status.is_serving || shared_->is_stopped()) return;
  if (journal.committed() < std::max(sync_.end, sync_.decided)) return;
  Status status = shared_->status;
  status.epoch = shared_->promised().epoch;
  status.is_serving = true;
  shared_->set_status(status);
}

// ---- trees --------------------------------------------------------------------------------------

void Follower::snapshot(ServerId peer, LinkId link, const SnapshotHead& head, Bytes first_bytes) {
  const bool is_wanted = phase_ == Phase::kPromised && peer == leader() &&
                         head.ballot == shared_->promised() &&
                         head.number == shared_->last_number && shared_->is_settled() &&
                         head.zxid >= shared_->journal.committed();
  if (!is_wanted) return shared_->links.close(link, "no tree is wanted here now");
  trees_.end_all();
  // Another promise follows, with what the tree leaves: from there the leader goes on.
  phase_ = Phase::kPromising;
  shared_->install(peer, link, head, std::move(first_bytes));
}

// ---- service ------------------------------------------------------------------------------------

void Follower::deliver(ServerId from, const ServiceMessage& message) {
  const auto link = shared_->links.link_of(from);
  if (from == leader() && shared_->status.is_serving && link)
    shared_->outbox.add(effect::Deliver{*link, message});
}

void Follower::send_to_leader(const ServiceMessage& message) {
  if (shared_->status.is_serving) shared_->links.send(leader(), message);
}

}  // namespace synod::consensus::omnipaxos
