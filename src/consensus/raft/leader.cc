#include "consensus/raft/leader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/mutation.h"

namespace synod::consensus::raft {
namespace {

constexpr std::uint32_t kLastCounter = 0xffffffff;
// Idle leaders open a new term early, busy ones while there is room for what comes in a turn.
constexpr std::uint32_t kRollOverSoon = kLastCounter - 0x20000;
constexpr std::uint32_t kRollOverNow = kLastCounter - 0x10000;

}  // namespace

// 8: with the no-op committed the leader knows what is.
void Leader::start() {
  meet_peers();
  was_joint_ = shared_->configuration.is_joint();
  next_beat_ = next_touches_ = shared_->now;
  next_quorum_check_ = shared_->in(shared_->options.election_timeout_ms);
  append_first();
  beat();
}

// Where the membership was changed once, the first entry says what it is: the log does not tell
// whether C_new is already behind a C_old,new that is committed.
void Leader::append_first() {
  const Configuration& configuration = shared_->configuration;
  const Zxid zxid = next_zxid();
  const bool is_told = configuration.newest().version != 0 && !configuration.is_joint();
  shared_->journal.append({zxid, is_told ? shared_->forms->write(EntryKind::kConfiguration, zxid,
                                                                 configuration.newest().to_text())
                                         : shared_->forms->write(EntryKind::kNoOp, zxid, {})});
}

// ---- proposals and commits --------------------------------------------------------------------

Zxid Leader::next_zxid() const {
  const Zxid last = shared_->journal.last_logged();
  if (last.epoch() == shared_->term()) return last.next();
  return Zxid::of(shared_->term(), shared_->options.first_counter);
}

void Leader::propose(Entry entry) {
  SYNOD_ASSERT(entry.zxid == next_zxid());
  shared_->journal.append(std::move(entry));
}

bool Leader::counts(ServerId peer, const Progress& progress) const {
  return progress.has_memory && shared_->configuration.is_voter(peer);
}

// The last position that a majority has on disk: from the furthest down, until those passed are
// one. This server is one of many (dissertation 10.2.1).
Zxid Leader::held_by_quorum() const {
  std::vector<std::pair<Zxid, ServerId>> held{{shared_->journal.durable(), shared_->options.self}};
  for (const auto& [peer, progress] : peers_)
    if (counts(peer, progress)) held.emplace_back(progress.match(), peer);
  std::ranges::sort(held, std::greater{}, [](const auto& one) { return one.first; });
  Servers servers;
  for (const auto& [zxid, server] : held) {
    add_to(servers, server);
    if (shared_->configuration.is_quorum(servers)) return zxid;
  }
  return {};
}

// 5.4.2: an entry of an earlier term is committed by one of this term behind it, never by counting
// (figure 8).
void Leader::commit_what_a_quorum_has() {
  const Zxid held = held_by_quorum();
  const bool is_of_this_term =
      held.epoch() == shared_->term() || is_mutated(Mutation::kRaftPriorTermByCounting);
  if (held <= shared_->journal.committed() || !is_of_this_term) return;
  shared_->journal.commit(held);
  serve();
}

// Nothing that is not committed yet may be behind the first proposal. Who is no voter leads only to
// have a configuration committed, and goes.
void Leader::serve() {
  if (!shared_->configuration.is_voter(shared_->options.self)) return;
  if (shared_->status.is_serving || (transfer_ && transfer_->is_told)) return;
  if (shared_->journal.committed() != shared_->journal.last_logged()) return;
  Status status = shared_->status;
  status.is_serving = true;
  shared_->set_status(status);
}

// ---- signs of life ----------------------------------------------------------------------------

void Leader::tick() {
  roll_over_when_due();
  if (shared_->now >= next_quorum_check_) check_quorum();
  if (ended_) return;
  give_up_transfer_when_due();
  if (shared_->now >= next_touches_) ask_for_touches();
  if (shared_->now >= next_beat_) beat();
}

SteadyTimeMs Leader::next_deadline() const {
  SteadyTimeMs next = std::min(next_beat_, next_touches_);
  next = std::min(next, next_quorum_check_);
  return transfer_ ? std::min(next, transfer_->until) : next;
}

void Leader::beat() {
  if (shared_->options.lease_drift_percent) begin_round();
  next_beat_ = shared_->in(shared_->options.heartbeat_ms);
  for (const auto& [peer, progress] : peers_)
    if (shared_->links.is_up(peer)) beat(peer, progress);
}

// 5.3, consensus.md 3.12 #21: a follower hears of commits only as far as it is known to have them.
void Leader::beat(ServerId peer, const Progress& progress) {
  const Zxid committed = shared_->journal.committed();
  const Zxid least = is_mutated(Mutation::kRaftCommitBeyondMatch) ? committed : progress.match();
  const bool is_synchronised = progress.recovery && !progress.has_memory &&
                               progress.match() >= progress.recovery->least &&
                               confirmed_round() >= progress.recovery->round;
  shared_->send(peer, message::Heartbeat{.term = shared_->term(),
                                         .round = round_,
                                         .commit = std::min(least, committed),
                                         .leader_commit = committed,
                                         .is_synchronised = is_synchronised});
}

// A leader that a majority does not answer may not be one any more (dissertation 6.2).
void Leader::check_quorum() {
  next_quorum_check_ = shared_->in(shared_->options.election_timeout_ms);
  if (!shared_->options.check_quorum) return;
  const std::int64_t since = shared_->now.value - shared_->options.election_timeout_ms;
  Servers in_touch;
  if (shared_->configuration.is_voter(shared_->options.self))
    add_to(in_touch, shared_->options.self);
  for (const auto& [peer, progress] : peers_)
    if (shared_->configuration.is_voter(peer) && progress.heard_at.value >= since)
      add_to(in_touch, peer);
  if (!shared_->configuration.is_quorum(in_touch))
    end(fmt::format("only {} of {} voters are in touch", in_touch.size(),
                    shared_->configuration.voters().size()));
}

void Leader::ask_for_touches() {
  next_touches_ = shared_->in(std::max<std::int64_t>(shared_->options.tick_ms / 2, 1));
  if (!shared_->status.is_serving) return;
  for (const auto& [peer, progress] : peers_)
    if (progress.is_joined)
      shared_->links.send(peer, ServiceMessage{.kind = ServiceMessage::Kind::kTouchesWanted});
}

// What is not committed yet is, behind the new term's no-op.
void Leader::roll_over_when_due() {
  const Zxid last = shared_->journal.last_logged();
  // The no-op alone uses up nothing (where tests begin a term near the end).
  if (last == Zxid::of(shared_->term(), shared_->options.first_counter)) return;
  if (std::exchange(last_seen_, last) != last) quiet_since_ = shared_->now;
  const bool is_idle =
      last == shared_->journal.committed() &&
      shared_->now.value - quiet_since_.value >= shared_->options.election_timeout_ms;
  if (last.counter() < (is_idle ? kRollOverSoon : kRollOverNow)) return;
  is_to_campaign_again_ = true;
  end(fmt::format("term {} has no zxids left: a new one is opened", shared_->term()));
}

Progress* Leader::heard(ServerId from, bool has_memory) {
  const auto found = peers_.find(from);
  if (found == peers_.end()) return nullptr;
  Progress& progress = found->second;
  progress.heard_at = shared_->now;
  progress.is_joined = true;
  progress.has_memory = has_memory;
  if (!has_memory && !progress.recovery) {
    begin_round();
    progress.recovery = {.least = shared_->journal.last_logged(), .round = round_};
    next_beat_ = shared_->now;
  }
  return &progress;
}

void Leader::on_heartbeat_reply(ServerId from, const message::HeartbeatReply& reply) {
  Progress* progress = heard(from, reply.has_memory);
  if (progress == nullptr || reply.round > round_) return;
  progress->round = std::max(progress->round, reply.round);
  progress->resume({shared_->now.value - shared_->options.heartbeat_ms});
  extend_lease();
  answer_reads();
}

void Leader::end(std::string reason) {
  if (!ended_) ended_ = std::move(reason);
}

}  // namespace synod::consensus::raft
