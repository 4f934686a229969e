#include "consensus/zab/leader.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/assert.h"
#include "base/mutation.h"
#include "jute/codec.h"

namespace synod::consensus::zab {
namespace {

using Stage = LearnerHandler::Stage;

// Counters end here: 0xffffffff is never used (reference 5.4). From the soft limit on a moment
// without outstanding proposals is waited for; what is proposed in one turn cannot bridge the
// distance.
constexpr std::uint32_t kLastCounter = 0xfffffffe;
constexpr std::uint32_t kRollOverSoon = kLastCounter - 0x20000;
constexpr std::uint32_t kRollOverNow = kLastCounter - 0x10000;

}  // namespace

Leader::Leader(Shared& shared) : shared_(&shared), learners_(shared) {}

// ---- discovery --------------------------------------------------------------------------------

void Leader::start() {
  const Journal& journal = shared_->journal;
  summary_ = {journal.current_epoch(), journal.last_logged()};
  proposed_ = self_acked_ = journal.last_logged();
  epoch_ = static_cast<std::uint32_t>(
      std::max<std::int64_t>(journal.accepted_epoch(), shared_->epoch_heard) + 1);
  next_ping_ = shared_->now;
  enter(Phase::kDiscovery);
  shared_->versioned.reset();
  add_to(connecting_, shared_->options.self);
  if (members().decided().is_quorum(connecting_)) epoch_found();
}

void Leader::enter(Phase phase) {
  phase_ = phase;
  phase_deadline_ = shared_->after_ticks(shared_->options.init_limit);
}

void Leader::on_learner_info(LearnerHandler& learner, const QuorumPacket& packet) {
  const auto info = learners_.take_info(learner, packet);
  if (!info) return;
  if (info->config_version > members().decided().version &&
      !is_mutated(Mutation::kZabLeadsWhoKnowsMore))
    return refuse_newer_configuration(learner);
  if (learners_.drop_older_link(learner)) std::erase(accepted_, learner.server());
  on_epoch_heard(learner, packet.zxid.value >> 32);
}

void Leader::on_epoch_heard(LearnerHandler& learner, std::int64_t accepted_epoch) {
  shared_->epoch_heard = std::max(shared_->epoch_heard, accepted_epoch);
  if (phase_ == Phase::kDiscovery) {
    epoch_ = static_cast<std::uint32_t>(std::max<std::int64_t>(epoch_, shared_->epoch_heard + 1));
    if (!learner.counts()) return;
    add_to(connecting_, learner.server());
    if (members().decided().is_quorum(connecting_)) epoch_found();
  } else if (votes(learner) && accepted_epoch > static_cast<std::int64_t>(epoch_)) {
    // It promised the epoch of a leader that came to nothing and can never follow an older one: for
    // ZooKeeper it would be lost until the next election.
    end(fmt::format("server {} has promised epoch {:#x}: a later one is opened",
                    learner.server().value, accepted_epoch));
  } else if (phase_ != Phase::kSavingAccepted) {
    learner.send_leader_info(epoch_);
  }
}

void Leader::epoch_found() {
  enter(Phase::kSavingAccepted);
  shared_->journal.save_epochs(epoch_, shared_->journal.current_epoch());
}

void Leader::epochs_saved() {
  if (!shared_->journal.are_epochs_durable()) return;
  if (phase_ == Phase::kSavingAccepted) {
    enter(Phase::kPromises);
    add_to(promised_, shared_->options.self);
    for (auto& [link, learner] : learners_)
      if (learner.stage() == Stage::kRegistered) learner.send_leader_info(epoch_);
    if (have_promised()) promises_complete();
  } else if (phase_ == Phase::kSavingCurrent) {
    synchronise();
  }
}

void Leader::on_ack_epoch(LearnerHandler& learner, const QuorumPacket& packet) {
  if (packet.type != PacketType::kAckEpoch || packet.data.value_or("").size() < 4)
    return learners_.drop(learner.link(), "no ACKEPOCH");
  const std::int32_t payload = jute::Reader(*packet.data).i32();
  learner.promised(packet.zxid);
  // -1: the promise was made on an earlier link, and counted then or not at all.
  if (phase_ == Phase::kPromises && payload != -1) {
    if (is_ahead(static_cast<std::uint32_t>(payload), packet.zxid))
      return learners_.drop(learner.link(), "it is ahead of us: it should lead");
    if (learner.counts() && packet.zxid.value >= 0) add_to(promised_, learner.server());
    if (have_promised()) return promises_complete();
  }
  if (phase_ >= Phase::kSynchronization) learner.sync(epoch_);
}

// The start of an epoch that we took part in is no entry that we could lack.
bool Leader::is_ahead(std::uint32_t current_epoch, Zxid last_logged) const {
  if (current_epoch != summary_.first) return current_epoch > summary_.first;
  if (last_logged.counter() == 0 && last_logged.epoch() <= summary_.first) return false;
  return last_logged > summary_.second;
}

// Those that are decided are enough: every commit had a quorum of them, or was made by a change
// that whoever takes part in it knows to be decided, and is refused for that.
bool Leader::have_promised() const { return members().decided().is_quorum(promised_); }

void Leader::promises_complete() {
  enter(Phase::kSavingCurrent);
  shared_->journal.save_epochs(epoch_, epoch_);
}

// ---- synchronisation --------------------------------------------------------------------------

// History and currentEpoch are on disk here: this server is the first of the quorum.
void Leader::synchronise() {
  enter(Phase::kSynchronization);
  give_first_version();
  add_to(accepted_, shared_->options.self);
  for (auto& [link, learner] : learners_)
    if (learner.stage() == Stage::kPromised) learner.sync(epoch_);
  if (members().is_quorum(accepted_)) established();
}

void Leader::on_new_leader_ack(LearnerHandler& learner) {
  learner.accepted();
  if (phase_ == Phase::kBroadcast) return learner.send_up_to_date();
  if (learner.counts()) add_to(accepted_, learner.server());
  if (members().is_quorum(accepted_)) established();
}

// What was inherited is committed now, whoever proposed it.
void Leader::established() {
  enter(Phase::kBroadcast);
  shared_->journal.commit(shared_->journal.last_logged());
  if (auto versioned = std::exchange(shared_->versioned, std::nullopt))
    shared_->journal.adopt(*std::move(versioned));
  const bool is_left_out = !members().is_voter(shared_->options.self);
  shared_->set_status({.role = Role::kLeading,
                       .leader = shared_->options.self,
                       .epoch = epoch_,
                       .is_serving = !is_left_out});
  for (auto& [link, learner] : learners_)
    if (learner.stage() == Stage::kAccepted) learner.send_up_to_date();
  if (is_left_out) end("a change of the membership that was inherited leaves this server out");
}

// ---- broadcast --------------------------------------------------------------------------------

Zxid Leader::next_zxid() const {
  return proposed_.epoch() == epoch_ ? proposed_.next()
                                     : Zxid::of(epoch_, shared_->options.first_counter);
}

void Leader::propose(Entry entry) {
  SYNOD_ASSERT(phase_ == Phase::kBroadcast && entry.zxid == next_zxid());
  SYNOD_ASSERT(entry.zxid.counter() <= kLastCounter);
  proposed_ = entry.zxid;
  packet_.clear();
  append_packet(packet_, {.type = PacketType::kProposal, .zxid = entry.zxid, .data = *entry.bytes});
  for (auto& [link, learner] : learners_) {
    if (!learner.is_forwarded() || learner.is_observer()) continue;
    learner.send_encoded(packet_);
    learner.proposal_sent(entry.zxid);
  }
  shared_->journal.append(std::move(entry));
  if (is_mutated(Mutation::kLeaderCountsItselfEarly)) {
    self_acked_ = proposed_;
    commit_what_a_quorum_has();
  }
}

void Leader::durable() {
  self_acked_ = std::max(self_acked_, shared_->journal.durable());
  if (phase_ == Phase::kBroadcast) commit_what_a_quorum_has();
}

// An ACK covers everything before it: they come in order, and each after its flush.
void Leader::on_ack(LearnerHandler& learner, Zxid zxid) {
  if (zxid.counter() == 0) return;  // of NEWLEADER, again after UPTODATE
  if (zxid > proposed_)
    return learners_.drop(learner.link(), "it acknowledges what was never proposed");
  learner.acknowledged(zxid);
  if (zxid > shared_->journal.committed()) commit_what_a_quorum_has();
}

// A change of the membership changes what a quorum is for what is proposed behind its commit.
void Leader::commit_what_a_quorum_has() {
  note_acks();
  const Zxid up_to = committable();
  const auto change = change_under_way();
  if (!change || up_to < *change) return commit(up_to);
  commit_change(*change);
  if (phase_ == Phase::kBroadcast) commit(committable());
}

// With a designated leader the last of it is a change of the membership.
void Leader::commit(Zxid up_to, std::optional<ServerId> designated) {
  const Zxid before = shared_->journal.committed();
  if (up_to <= before) return;
  const History& history = shared_->journal.history();
  for (auto entry = history.after(before); entry != history.end() && entry->zxid <= up_to;
       ++entry) {
    if (designated && entry->zxid == up_to)
      announce_change(*entry, *designated);
    else
      announce_commit(*entry);
  }
  shared_->journal.commit(up_to);
  if (outgoing_ && up_to >= outgoing_->until) outgoing_.reset();
}

void Leader::note_acks() {
  acks_.clear();
  acks_.push_back({self_acked_, shared_->options.self});
  for (const auto& [link, learner] : learners_)
    if (learner.is_up_to_date() && learner.counts())
      acks_.push_back({learner.acked(), learner.server()});
  std::ranges::sort(acks_, [](const Ack& a, const Ack& b) { return a.zxid > b.zxid; });
}

// The last position that a quorum has: from the furthest down, until those passed are a quorum.
template <class Electorate>
Zxid Leader::acked_by_quorum_of(const Electorate& electorate) {
  counted_.clear();
  for (const Ack& ack : acks_) {
    add_to(counted_, ack.server);
    if (electorate.is_quorum(counted_)) return ack.zxid;
  }
  return {};
}

Zxid Leader::committable() {
  const Zxid acked = acked_by_quorum_of(members());
  if (!outgoing_) return acked;
  const Zxid by_outgoing = acked_by_quorum_of(outgoing_->membership);
  return by_outgoing < outgoing_->until ? std::min(acked, by_outgoing) : acked;
}

void Leader::announce_commit(const Entry& entry) {
  for (auto& [link, learner] : learners_) {
    if (!learner.is_forwarded()) continue;
    if (learner.is_observer())
      learner.inform(entry);
    else
      learner.send({.type = PacketType::kCommit, .zxid = entry.zxid});
  }
}

void Leader::roll_over_when_due() {
  if (is_mutated(Mutation::kNoRollOver) || phase_ != Phase::kBroadcast ||
      proposed_.epoch() != epoch_)
    return;
  const bool is_idle = proposed_ == shared_->journal.committed();
  if (proposed_.counter() >= (is_idle ? kRollOverSoon : kRollOverNow))
    end(fmt::format("epoch {:#x} has no zxids left: a new one is opened", epoch_));
}

// ---- what learners send -----------------------------------------------------------------------

void Leader::received(LinkId link, BytesView bytes) {
  if (phase_ == Phase::kHandingOver) return;  // nobody is answered any more
  learners_.feed(link, bytes);
  while (!ended_ && phase_ != Phase::kHandingOver) {
    const auto packet = learners_.next_packet(link);
    if (!packet) return;
    handle(*learners_.find(link), *packet);
  }
}

void Leader::handle(LearnerHandler& learner, const QuorumPacket& packet) {
  switch (learner.stage()) {
    case Stage::kGreeting:
      return on_learner_info(learner, packet);
    case Stage::kPromising:
      return on_ack_epoch(learner, packet);
    case Stage::kNewLeader:
      if (packet.type != PacketType::kAck)
        return learners_.drop(learner.link(), "no ACK of NEWLEADER");
      if (packet.zxid == Zxid::of(epoch_, 0)) return on_new_leader_ack(learner);
      // The log thread of a Java follower (to 3.9.1) may overtake its answer to NEWLEADER. Were the
      // link closed for that, it would log what it has just logged a second time.
      if (packet.zxid.counter() == 0)
        return learners_.drop(learner.link(), "an ACK of another NEWLEADER");
      return on_ack(learner, packet.zxid);
    case Stage::kUpToDate:
      return handle_in_broadcast(learner, packet);
    case Stage::kAccepted:
      // A learner that does not wait for UPTODATE may acknowledge; all else is out of place.
      if (packet.type == PacketType::kAck) return on_ack(learner, packet.zxid);
      [[fallthrough]];
    case Stage::kRegistered:
    case Stage::kPromised:
    case Stage::kSyncing:
      return learners_.drop(learner.link(), fmt::format("{} out of place", name_of(packet.type)));
  }
}

void Leader::handle_in_broadcast(LearnerHandler& learner, const QuorumPacket& packet) {
  switch (packet.type) {
    case PacketType::kAck:
      return on_ack(learner, packet.zxid);
    case PacketType::kPing:
      return on_ping_reply(learner, packet);
    case PacketType::kRequest:
      return deliver(learner.link(), ServiceMessage::Kind::kRequest, packet);
    case PacketType::kRevalidate:
      return deliver(learner.link(), ServiceMessage::Kind::kRevalidate, packet);
    default:
      return learners_.drop(learner.link(), fmt::format("{} from a learner", name_of(packet.type)));
  }
}

void Leader::deliver(LinkId from, ServiceMessage::Kind kind, const QuorumPacket& packet) {
  shared_->outbox.add(effect::Deliver{from,
                                      {.kind = kind,
                                       .data = Bytes(packet.data.value_or("")),
                                       .identities = Bytes(packet.authinfo)}});
}

void Leader::send_to_learner(LinkId link, const ServiceMessage& message) {
  if (LearnerHandler* learner = learners_.find(link)) learner->answer(message);
}

// ---- signs of life ----------------------------------------------------------------------------

void Leader::tick() {
  roll_over_when_due();
  if (phase_ == Phase::kHandingOver) return end_when_all_have_left();
  if (!ended_ && phase_ != Phase::kBroadcast && shared_->now >= phase_deadline_)
    end("no quorum of followers got in step in time");
  if (ended_ || shared_->now < next_ping_) return;
  next_ping_ = {shared_->now.value + std::max<std::int64_t>(shared_->options.tick_ms / 2, 1)};
  learners_.drop_overdue();
  if (std::exchange(is_quorum_checked_next_, !is_quorum_checked_next_)) check_quorum();
  if (!ended_) ping_all();
}

SteadyTimeMs Leader::next_deadline() const {
  if (phase_ == Phase::kHandingOver) return phase_deadline_;
  return phase_ == Phase::kBroadcast ? next_ping_ : std::min(next_ping_, phase_deadline_);
}

void Leader::check_quorum() {
  if (is_mutated(Mutation::kLeadsAlone) || phase_ != Phase::kBroadcast) return;
  const Servers in_step = this->in_step();
  if (is_quorum_of_all(in_step)) return;
  const auto voters = members().voters();
  const auto in_touch = std::ranges::count_if(
      voters, [&](ServerId voter) { return std::ranges::binary_search(in_step, voter); });
  end(fmt::format("only {} of {} voters are in touch", in_touch, voters.size()));
}

void Leader::ping_all() {
  for (auto& [link, learner] : learners_) {
    learner.ping(proposed_);
    // Who came up to date since the round began can confirm it just as well.
    if (!round_.empty() && learner.is_up_to_date() && !learner.is_in_round()) learner.enter_round();
  }
}

void Leader::on_ping_reply(LearnerHandler& learner, const QuorumPacket& packet) {
  learner.ping_answered();
  if (!packet.data.value_or("").empty())
    deliver(learner.link(), ServiceMessage::Kind::kTouches, packet);
  if (learner.has_confirmed()) check_round();
}

// ---- links ------------------------------------------------------------------------------------

void Leader::unlinked(LinkId link) {
  learners_.unlinked(link);
  if (phase_ == Phase::kHandingOver) end_when_all_have_left();
}

void Leader::end(std::string reason) {
  if (!ended_) ended_ = std::move(reason);
}

}  // namespace synod::consensus::zab
