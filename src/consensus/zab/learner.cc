#include "consensus/zab/learner.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/assert.h"
#include "base/mutation.h"
#include "jute/codec.h"

namespace synod::consensus::zab {
namespace {

// Bugs that leave holes are caught at the next learner at the latest, unless it looks away as well.
bool are_gaps_overlooked() {
  return is_mutated(Mutation::kGapInDiff) || is_mutated(Mutation::kHoleInHistory) ||
         is_mutated(Mutation::kCommitLostAroundNewLeader);
}

}  // namespace

Learner::Learner(Shared& shared, ServerId leader) : shared_(&shared), leader_(leader) {
  if (!is_observing() && shared.options.observer_master_port != 0) observers_.emplace(shared);
}

bool Learner::is_observing() const { return shared_->status.role == Role::kObserving; }

void Learner::received(LinkId link, BytesView bytes) {
  if (ended_) return;
  if (observers_ && observers_->owns(link)) return serve_observer(link, bytes);
  if (link != link_) return;
  heard_at_ = shared_->now;
  if (!takes_packets()) {
    held_.append(bytes);
    return;
  }
  reader_.feed(bytes);
  handle_packets();
}

bool Learner::takes_packets() const {
  return stage_ != Stage::kCutting && stage_ != Stage::kInstalling;
}

void Learner::handle_packets() {
  while (!ended_ && takes_packets()) {
    const auto packet = reader_.next();
    if (!packet) return end(std::string(packet.error().what));
    if (*packet) {
      handle(**packet);
    } else if (!held_.empty()) {
      reader_.feed(std::exchange(held_, {}));
    } else {
      return;
    }
  }
}

void Learner::handle(const QuorumPacket& packet) {
  switch (stage_) {
    case Stage::kRegistering:
      return on_leader_info(packet);
    case Stage::kPromised:
      return on_sync_packet(packet);
    case Stage::kCatchingUp:
    case Stage::kAccepting:
    case Stage::kAccepted:
    case Stage::kUpToDate:
      return handle_in_stream(packet);
    case Stage::kDialling:
    case Stage::kPromising:
    case Stage::kCutting:
    case Stage::kInstalling:
      return end(fmt::format("{} out of place", name_of(packet.type)));
  }
}

// ---- discovery --------------------------------------------------------------------------------

void Learner::on_leader_info(const QuorumPacket& packet) {
  const Journal& journal = shared_->journal;
  if (packet.type != PacketType::kLeaderInfo)
    return end(fmt::format("{} instead of LEADERINFO", name_of(packet.type)));
  epoch_ = packet.zxid.epoch();
  if (epoch_ < journal.accepted_epoch())
    return end(fmt::format("its epoch {:#x} is older than what was promised", epoch_));
  stage_ = Stage::kPromising;
  // The same epoch again: counted when it was promised, or not at all.
  if (epoch_ == journal.accepted_epoch()) return send_ack_epoch();
  promise_ = static_cast<std::int32_t>(journal.current_epoch());
  // It leaves when it is on disk: epochs_saved().
  if (is_mutated(Mutation::kAcceptedEpochNotDurable)) send_ack_epoch();
  shared_->journal.save_epochs(
      epoch_, is_mutated(Mutation::kEpochBeforeHistory) ? epoch_ : journal.current_epoch());
}

void Learner::send_ack_epoch() {
  const Journal& journal = shared_->journal;
  stage_ = Stage::kPromised;
  Bytes payload;
  jute::Writer(payload).i32(promise_);
  // A new promise is only worth something together with the end of our log.
  const bool is_end_told = journal.has_memory() && !(journal.needs_tree() && promise_ == -1);
  send({.type = PacketType::kAckEpoch,
        .zxid = is_end_told ? journal.last_logged() : kNoZxid,
        .data = payload});
}

// ---- synchronisation --------------------------------------------------------------------------

void Learner::on_sync_packet(const QuorumPacket& packet) {
  switch (packet.type) {
    case PacketType::kDiff:
      return catch_up_from(shared_->journal.last_logged());
    case PacketType::kTrunc:
      return on_trunc(packet.zxid);
    case PacketType::kSnap:
      return on_snap(packet.zxid);
    default:
      return end(fmt::format("{} instead of a way to synchronise", name_of(packet.type)));
  }
}

void Learner::on_trunc(Zxid zxid) {
  Journal& journal = shared_->journal;
  if (zxid < journal.committed())
    return end(fmt::format("the leader would undo what is committed: {:#x} after {:#x}",
                           journal.committed().value, zxid.value));
  if (zxid >= journal.last_logged()) return catch_up_from(journal.last_logged());
  stage_ = Stage::kCutting;
  history_end_ = zxid;
  journal.cut(zxid);
}

void Learner::was_cut() {
  if (stage_ != Stage::kCutting) return;
  if (shared_->journal.needs_tree()) return ask_for_tree();
  if (shared_->journal.last_logged() != history_end_)
    return end("the log could not be cut where the leader asked for it");
  catch_up_from(history_end_);
  handle_packets();
}

// The leader knows our promise and where our log ends. Coming again we give it as -1, and it sends
// its tree.
void Learner::ask_for_tree() {
  close_link();
  reader_ = PacketReader();
  held_.clear();
  promise_ = -1;
  dials_ = 0;
  stage_ = Stage::kDialling;
  start();
}

void Learner::on_snap(Zxid zxid) {
  if (zxid < shared_->journal.committed())
    return end(fmt::format("the leader's tree is older than what is committed: {:#x} after {:#x}",
                           shared_->journal.committed().value, zxid.value));
  stage_ = Stage::kInstalling;
  shared_->outbox.add(effect::ReceiveSnapshot{*link_, zxid, reader_.take_rest()});
}

void Learner::snapshot_installed(LinkId link, Zxid zxid, BytesView rest) {
  if (link != link_ || stage_ != Stage::kInstalling) return;
  snapshot_ = zxid;
  held_.insert(0, rest);
  catch_up_from(zxid);
  handle_packets();
}

void Learner::catch_up_from(Zxid zxid) {
  stage_ = Stage::kCatchingUp;
  heard_at_ = shared_->now;
  commit_mark_ = zxid;
}

// From here on this history is what the epoch began with. It is on disk, and the epoch, before that
// is said.
void Learner::on_new_leader(const QuorumPacket& packet) {
  Journal& journal = shared_->journal;
  if (stage_ != Stage::kCatchingUp || packet.zxid.epoch() != epoch_)
    return end("a NEWLEADER that does not belong here");
  stage_ = Stage::kAccepting;
  note_configuration(packet.data.value_or(""));
  history_end_ = journal.last_logged();
  // What was committed by now is acknowledged with NEWLEADER, the rest one by one.
  while (!unacked_.empty() && unacked_.front() <= commit_mark_) unacked_.pop_front();
  // Not ahead of the history: the replica writes it behind what was appended.
  journal.save_epochs(std::max(journal.accepted_epoch(), epoch_), epoch_);
  accept_when_durable();
}

void Learner::accept_when_durable() {
  Journal& journal = shared_->journal;
  if (stage_ != Stage::kAccepting) return;
  const bool is_history_durable =
      journal.durable() >= history_end_ || is_mutated(Mutation::kAckBeforeFlush);
  const bool is_epoch_durable = journal.are_epochs_durable() ||
                                is_mutated(Mutation::kCurrentEpochNotDurable) ||
                                is_mutated(Mutation::kAckBeforeFlush);
  if (!is_history_durable || !is_epoch_durable) return;
  stage_ = Stage::kAccepted;
  journal.gain_memory();
  send({.type = PacketType::kAck, .zxid = Zxid::of(epoch_, 0)});
}

void Learner::on_up_to_date() {
  if (stage_ != Stage::kAccepted) return end("an UPTODATE that does not belong here");
  stage_ = Stage::kUpToDate;
  send({.type = PacketType::kAck, .zxid = Zxid::of(epoch_, 0)});
  shared_->journal.commit(commit_mark_);
  adopt_configuration();
  follow_configuration();
  if (!successor_) {
    Status status = shared_->status;
    status.epoch = epoch_;
    status.is_serving = true;
    shared_->set_status(status);
    if (observers_) observers_->start();
  }
  send_due_acks();
}

void Learner::epochs_saved() {
  if (!shared_->journal.are_epochs_durable()) return;
  if (stage_ == Stage::kPromising) return send_ack_epoch();
  accept_when_durable();
}

void Learner::durable() {
  accept_when_durable();
  send_due_acks();
}

// ---- the stream -------------------------------------------------------------------------------

void Learner::handle_in_stream(const QuorumPacket& packet) {
  switch (packet.type) {
    case PacketType::kProposal:
      return on_proposal(packet.zxid, packet.data.value_or(""));
    case PacketType::kCommitAndActivate:
      note_designated(packet.data.value_or(""));
      return on_commit(packet.zxid, designated_);
    case PacketType::kCommit:
      return on_commit(packet.zxid);
    case PacketType::kInform:
      return on_inform(packet.zxid, packet.data.value_or(""));
    case PacketType::kInformAndActivate:
      return on_inform_and_activate(packet);
    case PacketType::kNewLeader:
      return on_new_leader(packet);
    case PacketType::kUpToDate:
      return on_up_to_date();
    case PacketType::kPing:
      if (stage_ != Stage::kUpToDate) return;  // nor does ZooKeeper answer
      pings_.push_back(packet.zxid);
      return deliver(ServiceMessage::Kind::kTouchesWanted, packet);
    case PacketType::kRevalidate:
      return deliver(ServiceMessage::Kind::kRevalidated, packet);
    case PacketType::kSync:
      return deliver(ServiceMessage::Kind::kSynced, packet);
    default:
      return end(fmt::format("{} from a leader", name_of(packet.type)));
  }
}

bool Learner::is_in_new_leader_window() const {
  return stage_ == Stage::kAccepting || stage_ == Stage::kAccepted;
}

void Learner::on_proposal(Zxid zxid, BytesView bytes) {
  if (is_mutated(Mutation::kCommitLostAroundNewLeader) && is_in_new_leader_window()) return;
  if (zxid <= snapshot_ || !append(zxid, bytes)) return;
  uncommitted_.push_back(zxid);
  if (!is_observing()) unacked_.push_back(zxid);
  if (is_mutated(Mutation::kTxnAckBeforeFlush)) send_due_acks();
}

// Within an epoch positions are dense: a gap or a repeat means that leader and learner have lost
// each other's thread (reference 5.4), and only a new synchronisation finds it again.
bool Learner::append(Zxid zxid, BytesView bytes) {
  Journal& journal = shared_->journal;
  const Zxid last = journal.last_logged();
  const bool is_dense =
      zxid == last.next() || zxid.epoch() != last.epoch() || are_gaps_overlooked();
  if (zxid <= last || !is_dense) {
    end(fmt::format("the leader's stream jumps from {:#x} to {:#x}", last.value, zxid.value));
    shared_->outbox.warn(*ended_);
    return false;
  }
  const bool is_remembered = !is_mutated(Mutation::kHoleInHistory) || stage_ != Stage::kCatchingUp;
  journal.append({zxid, std::make_shared<const Bytes>(bytes)}, is_remembered);
  return true;
}

void Learner::on_commit(Zxid zxid, std::optional<ServerId> designated) {
  if (is_mutated(Mutation::kCommitLostAroundNewLeader) && is_in_new_leader_window()) return;
  if (zxid <= commit_mark_) return;
  if (uncommitted_.empty() || (uncommitted_.front() != zxid && !are_gaps_overlooked()))
    return end(fmt::format("COMMIT of {:#x} is not the next one due", zxid.value));
  uncommitted_.pop_front();
  committed(zxid, designated);
}

void Learner::on_inform(Zxid zxid, BytesView bytes) {
  if (zxid <= commit_mark_ || !append(zxid, bytes)) return;
  committed(zxid);
}

// long designatedLeader, then the transaction.
void Learner::on_inform_and_activate(const QuorumPacket& packet) {
  const BytesView data = packet.data.value_or("");
  if (data.size() < sizeof(std::int64_t)) return end("an INFORMANDACTIVATE without content");
  note_designated(data);
  on_inform(packet.zxid, data.substr(sizeof(std::int64_t)));
}

void Learner::committed(Zxid zxid, std::optional<ServerId> designated) {
  commit_mark_ = zxid;
  if (stage_ != Stage::kUpToDate) return shared_->journal.trim(zxid);
  const auto before = shared_->journal.configurations().decided().version;
  commit(std::min(zxid, shared_->journal.last_logged()), designated);
  if (shared_->journal.configurations().decided().version != before) follow_configuration();
}

// Each on its own, in order, behind its flush. Before UPTODATE the leader takes none.
void Learner::send_due_acks() {
  if (stage_ != Stage::kUpToDate) return;
  const Journal& journal = shared_->journal;
  const Zxid up_to =
      is_mutated(Mutation::kTxnAckBeforeFlush) ? journal.last_logged() : journal.durable();
  while (!unacked_.empty() && unacked_.front() <= up_to) {
    send({.type = PacketType::kAck, .zxid = unacked_.front()});
    unacked_.pop_front();
  }
  leave_when_acknowledged();
}

// ---- service messages -------------------------------------------------------------------------

void Learner::deliver(ServiceMessage::Kind kind, const QuorumPacket& packet) {
  if (stage_ != Stage::kUpToDate) return;
  ServiceMessage message{.kind = kind, .data = Bytes(packet.data.value_or("")), .identities = {}};
  if (observers_ && observers_->take_answer(message)) return;
  shared_->outbox.add(effect::Deliver{*link_, std::move(message)});
}

void Learner::send_to_leader(const ServiceMessage& message) {
  if (stage_ != Stage::kUpToDate || !link_) return;
  if (observers_) observers_->asked_by_us(message);
  ask(message);
}

void Learner::ask(const ServiceMessage& message) {
  using Kind = ServiceMessage::Kind;
  switch (message.kind) {
    case Kind::kRequest:
      return send({.type = PacketType::kRequest,
                   .zxid = kNoZxid,
                   .data = message.data,
                   .authinfo = message.identities.empty() ? kNoAuthinfo : message.identities});
    case Kind::kRevalidate:
      return send({.type = PacketType::kRevalidate, .zxid = kNoZxid, .data = message.data});
    case Kind::kTouches:
      return answer_ping(message.data);
    case Kind::kRevalidated:
    case Kind::kSynced:
    case Kind::kTouchesWanted:
      return;  // a leader's
  }
}

void Learner::answer_ping(Bytes touches) {
  if (pings_.empty()) return;
  if (observers_) observers_->add_touches(touches);
  send({.type = PacketType::kPing, .zxid = pings_.front(), .data = touches});
  pings_.pop_front();
}

void Learner::send(const QuorumPacket& packet) {
  shared_->outbox.send(*link_, encode_packet(packet));
}

void Learner::end(std::string reason) {
  if (!ended_) ended_ = std::move(reason);
}

}  // namespace synod::consensus::zab
