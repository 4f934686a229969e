#include "consensus/zab/learner_handler.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/mutation.h"
#include "jute/codec.h"

namespace synod::consensus::zab {

LearnerHandler::LearnerHandler(Shared& shared, LinkId link)
    : shared_(&shared), link_(link), heard_at_(shared.now) {}

// ---- the way in -------------------------------------------------------------------------------

void LearnerHandler::registered(ServerId server, bool is_observer, bool has_memory) {
  stage_ = Stage::kRegistered;
  server_ = server;
  is_observer_ = is_observer;
  has_memory_ = has_memory;
}

void LearnerHandler::send_leader_info(std::uint32_t epoch) {
  stage_ = Stage::kPromising;
  epoch_ = epoch;
  Bytes version;
  jute::Writer(version).i32(LearnerInfo::kProtocolVersion);
  send({.type = PacketType::kLeaderInfo, .zxid = Zxid::of(epoch, 0), .data = version});
}

void LearnerHandler::promised(Zxid last_logged) {
  stage_ = Stage::kPromised;
  last_logged_ = last_logged;
}

// Until the leader is established all it inherited is history: the quorum that accepts NEWLEADER
// commits it.
Zxid LearnerHandler::cut() const {
  const Journal& journal = shared_->journal;
  if (is_mutated(Mutation::kTailNotInherited)) return journal.committed();
  return shared_->status.is_serving ? journal.committed() : journal.last_logged();
}

void LearnerHandler::sync(std::uint32_t epoch) {
  SYNOD_ASSERT(stage_ == Stage::kPromised);
  stage_ = Stage::kSyncing;
  epoch_ = epoch;
  if (shared_->options.is_snapshot_forced) return begin_with_snapshot();
  begin(plan_sync(shared_->journal.history(), cut(), last_logged_));
}

void LearnerHandler::begin(const SyncPlan& plan) {
  sent_ = plan.from;
  switch (plan.way) {
    case SyncPlan::Way::kReadLog:
      if (!shared_->options.is_log_diff_allowed) return begin_with_snapshot();
      return read_log(plan.from);
    case SyncPlan::Way::kSnap:
      return begin_with_snapshot();
    case SyncPlan::Way::kDiff:
      send({.type = PacketType::kDiff, .zxid = cut()});
      break;
    case SyncPlan::Way::kTrunc:
      send({.type = PacketType::kTrunc, .zxid = plan.from});
      break;
  }
  is_begun_ = true;
  continue_sync();
}

// The tree as it is, followed by what of our history is not applied yet.
void LearnerHandler::begin_with_snapshot() {
  is_begun_ = gets_snapshot_ = true;
  sent_ = shared_->journal.applied();
  send({.type = PacketType::kSnap, .zxid = sent_});
  flush();
  shared_->outbox.add(effect::SendSnapshot{link_, sent_});
  continue_sync();
}

void LearnerHandler::read_log(Zxid after) {
  flush();
  const Zxid up_to = std::min(shared_->journal.history().base(), cut());
  shared_->outbox.add(effect::ReadLog{link_, after, up_to});
}

// The log answers only if it holds the entry that the learner ends with: the histories are the
// same.
void LearnerHandler::log_read(std::optional<std::vector<Entry>> entries, bool is_end) {
  if (stage_ != Stage::kSyncing) return;
  heard_at_ = shared_->now;
  if (!entries) {
    if (!is_begun_) return begin_with_snapshot();
    failure_ = "what it misses is not in the log any more";
    return;
  }
  if (!std::exchange(is_begun_, true)) send({.type = PacketType::kDiff, .zxid = cut()});
  if (is_mutated(Mutation::kGapInDiff) && !entries->empty()) entries->pop_back();
  for (const Entry& entry : *entries) send_missed(entry);
  if (is_end) continue_sync();
}

// From memory as far back as that goes; what it let go of meanwhile is read from the log.
void LearnerHandler::continue_sync() {
  const History& history = shared_->journal.history();
  const Zxid end = cut();
  if (sent_ < end && sent_ < history.base() && !is_mutated(Mutation::kGapInDiff))
    return read_log(sent_);
  for (auto entry = history.after(sent_); entry != history.end() && entry->zxid <= end; ++entry)
    send_missed(*entry);
  sent_ = end;
  send_new_leader();
}

void LearnerHandler::send_missed(const Entry& entry) {
  send({.type = PacketType::kProposal, .zxid = entry.zxid, .data = *entry.bytes});
  send({.type = PacketType::kCommit, .zxid = entry.zxid});
  sent_ = entry.zxid;
}

void LearnerHandler::send_new_leader() {
  stage_ = Stage::kNewLeader;
  heard_at_ = shared_->now;
  const std::string config = shared_->new_leader_text();
  send({.type = PacketType::kNewLeader, .zxid = Zxid::of(epoch_, 0), .data = config});
  if (is_observer_) return;
  const History& history = shared_->journal.history();
  for (auto entry = history.after(sent_); entry != history.end(); ++entry) {
    send({.type = PacketType::kProposal, .zxid = entry->zxid, .data = *entry->bytes});
    proposal_sent(entry->zxid);
  }
}

void LearnerHandler::send_up_to_date() {
  stage_ = Stage::kUpToDate;
  // Whoever was synchronised by an established leader knows again what it knew.
  has_memory_ = true;
  heard_at_ = awaited_since_ = shared_->now;
  send({.type = PacketType::kUpToDate, .zxid = kNoZxid});
}

// ---- broadcast --------------------------------------------------------------------------------

void LearnerHandler::send(const QuorumPacket& packet) { append_packet(output_, packet); }

void LearnerHandler::send_encoded(BytesView packets) { output_.append(packets); }

void LearnerHandler::proposal_sent(Zxid zxid) {
  last_sent_ = zxid;
  if (awaited_ack_) return;
  awaited_ack_ = zxid;
  awaited_since_ = shared_->now;
}

// long designatedLeader, then the transaction.
void LearnerHandler::inform(const Entry& entry, std::optional<ServerId> designated) {
  if (!designated)
    return send({.type = PacketType::kInform, .zxid = entry.zxid, .data = *entry.bytes});
  Bytes news;
  jute::Writer(news).i64(designated->value);
  news += *entry.bytes;
  send({.type = PacketType::kInformAndActivate, .zxid = entry.zxid, .data = news});
}

void LearnerHandler::answer(const ServiceMessage& message) {
  if (!is_up_to_date()) return;
  if (message.kind == ServiceMessage::Kind::kRevalidated)
    send({.type = PacketType::kRevalidate, .zxid = kNoZxid, .data = message.data});
  else if (message.kind == ServiceMessage::Kind::kSynced)
    send({.type = PacketType::kSync, .zxid = Zxid{0}});
}

void LearnerHandler::acknowledged(Zxid zxid) {
  acked_ = std::max(acked_, zxid);
  if (!awaited_ack_ || zxid < *awaited_ack_) return;
  awaited_ack_.reset();
  if (acked_ < last_sent_) proposal_sent(last_sent_);
}

// ---- signs of life ----------------------------------------------------------------------------

void LearnerHandler::ping(Zxid last_proposed) {
  if (!is_forwarded()) return;
  if (is_up_to_date()) ++pings_sent_;
  send({.type = PacketType::kPing, .zxid = last_proposed});
}

bool LearnerHandler::is_in_touch() const {
  return shared_->now.value - heard_at_.value <=
         shared_->options.sync_limit * shared_->options.tick_ms;
}

std::optional<std::string_view> LearnerHandler::overdue() const {
  const auto has_passed = [&](SteadyTimeMs since, std::int64_t ticks) {
    return shared_->now.value - since.value > ticks * shared_->options.tick_ms;
  };
  switch (stage_) {
    case Stage::kRegistered:  // it waits for us
    case Stage::kPromised:
    case Stage::kAccepted:
      return std::nullopt;
    case Stage::kUpToDate:
      if (awaited_ack_ && has_passed(awaited_since_, shared_->options.sync_limit))
        return "it does not acknowledge proposals in time";
      if (has_passed(heard_at_, shared_->options.sync_limit)) return "nothing is heard of it";
      return std::nullopt;
    case Stage::kSyncing:
    case Stage::kNewLeader:
      // How long a tree takes on its way is the link's business: a dead one breaks.
      if (gets_snapshot_) return std::nullopt;
      [[fallthrough]];
    case Stage::kGreeting:
    case Stage::kPromising:
      if (has_passed(heard_at_, shared_->options.init_limit)) return "it does not get in step";
      return std::nullopt;
  }
  return std::nullopt;
}

void LearnerHandler::flush() {
  if (output_.empty()) return;
  shared_->outbox.add(effect::Send{link_, std::exchange(output_, {})});
}

}  // namespace synod::consensus::zab
