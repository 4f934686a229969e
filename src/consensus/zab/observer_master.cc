#include "consensus/zab/observer_master.h"

#include <fmt/format.h>

#include <algorithm>

#include "jute/codec.h"
#include "jute/opcode.h"

namespace synod::consensus::zab {
namespace {

using Kind = ServiceMessage::Kind;
using Stage = LearnerHandler::Stage;

// Where bytes of observers go on under our own name, they are looked at as far as a leader would
// close our link for them (reference 4.1).
constexpr std::size_t kTouchBytes = 12;         // long session, int timeout
constexpr std::size_t kRevalidationBytes = 12;  // likewise
constexpr std::size_t kRequestBytes = 16;       // long session, int cxid, int type; the record
constexpr std::size_t kRequestTypeAt = 12;

// A packet's worth, and no more, waits for the leader's next PING.
constexpr std::size_t kMaxTouched = kMaxBufferBytes / kTouchBytes;

bool is_sync(const ServiceMessage& question) {
  return question.kind == Kind::kRequest && question.data.size() >= kRequestBytes &&
         jute::load_big_endian<std::int32_t>(question.data.data() + kRequestTypeAt) ==
             static_cast<std::int32_t>(jute::OpCode::kSync);
}

}  // namespace

// ---- the way in -------------------------------------------------------------------------------

void ObserverMaster::start() {
  epoch_ = shared_->status.epoch;
  next_ping_ = shared_->now;
  for (auto& [link, learner] : learners_)
    if (learner.stage() == Stage::kRegistered) learner.send_leader_info(*epoch_);
}

void ObserverMaster::received(LinkId link, BytesView bytes) {
  learners_.feed(link, bytes);
  while (const auto packet = learners_.next_packet(link)) handle(*learners_.find(link), *packet);
}

void ObserverMaster::handle(LearnerHandler& learner, const QuorumPacket& packet) {
  switch (learner.stage()) {
    case Stage::kGreeting:
      return on_observer_info(learner, packet);
    case Stage::kPromising:
      return on_ack_epoch(learner, packet);
    case Stage::kNewLeader:
      return on_new_leader_ack(learner, packet);
    case Stage::kUpToDate:
      return handle_in_stream(learner, packet);
    case Stage::kRegistered:
    case Stage::kPromised:
    case Stage::kSyncing:
    case Stage::kAccepted:
      return learners_.drop(learner.link(), fmt::format("{} out of place", name_of(packet.type)));
  }
}

void ObserverMaster::on_observer_info(LearnerHandler& learner, const QuorumPacket& packet) {
  if (packet.type == PacketType::kFollowerInfo)
    return learners_.drop(learner.link(), "a follower came to the port that is for observers");
  const auto info = learners_.take_info(learner, packet);
  if (!info) return;
  if (info->config_version > shared_->members().decided().version)
    return learners_.drop(learner.link(), "its configuration is newer than ours");
  learners_.drop_older_link(learner);
  if (epoch_) learner.send_leader_info(*epoch_);
}

void ObserverMaster::on_ack_epoch(LearnerHandler& learner, const QuorumPacket& packet) {
  if (packet.type != PacketType::kAckEpoch) return learners_.drop(learner.link(), "no ACKEPOCH");
  learner.promised(packet.zxid);
  sync_when_due(learner);
}

// It was behind another master, and may know of a commit before we do. What it has of this epoch
// the leader has proposed, who still leads: it is committed here as well in a moment. To have it
// cut its log instead would undo what it has applied.
void ObserverMaster::sync_when_due(LearnerHandler& learner) {
  const Zxid theirs = learner.last_logged();
  const bool is_of_epoch = theirs.epoch() == *epoch_ && theirs.counter() != 0;
  if (is_of_epoch && theirs > shared_->journal.committed()) return;
  learner.sync(*epoch_);
}

void ObserverMaster::on_new_leader_ack(LearnerHandler& learner, const QuorumPacket& packet) {
  if (packet.type != PacketType::kAck || packet.zxid != Zxid::of(*epoch_, 0))
    return learners_.drop(learner.link(), "no ACK of NEWLEADER");
  learner.send_up_to_date();
}

// ---- the stream -------------------------------------------------------------------------------

void ObserverMaster::commit(Zxid up_to, std::optional<ServerId> designated) {
  const Journal& journal = shared_->journal;
  const History& history = journal.history();
  for (auto entry = history.after(journal.committed());
       entry != history.end() && entry->zxid <= up_to; ++entry) {
    const bool is_change = designated && entry->zxid == up_to;
    for (auto& [link, learner] : learners_)
      if (learner.is_forwarded()) learner.inform(*entry, is_change ? designated : std::nullopt);
  }
  shared_->journal.commit(up_to);
  for (auto& [link, learner] : learners_)
    if (learner.stage() == Stage::kPromised) sync_when_due(learner);
}

void ObserverMaster::handle_in_stream(LearnerHandler& learner, const QuorumPacket& packet) {
  const BytesView data = packet.data.value_or("");
  switch (packet.type) {
    case PacketType::kAck:
      return;  // of UPTODATE
    case PacketType::kPing:
      return on_ping_reply(learner, data);
    case PacketType::kRequest:
      if (data.size() < kRequestBytes) break;
      return on_question(learner, {Kind::kRequest, Bytes(data), Bytes(packet.authinfo)});
    case PacketType::kRevalidate:
      if (data.size() < kRevalidationBytes) break;
      return on_question(learner, {Kind::kRevalidate, Bytes(data), {}});
    default:
      return learners_.drop(learner.link(),
                            fmt::format("{} from an observer", name_of(packet.type)));
  }
  learners_.drop(learner.link(), fmt::format("{} without content", name_of(packet.type)));
}

// ---- questions --------------------------------------------------------------------------------

void ObserverMaster::on_question(LearnerHandler& learner, ServiceMessage question) {
  note_question(question, learner.link());
  questions_.push_back(std::move(question));
}

void ObserverMaster::note_question(const ServiceMessage& question, Asker asker) {
  if (is_sync(question))
    syncs_.push_back(asker);
  else if (question.kind == Kind::kRevalidate)
    revalidations_.push_back({jute::load_big_endian<std::int64_t>(question.data.data()), asker});
}

bool ObserverMaster::take_answer(const ServiceMessage& answer) {
  const Asker asker = take_asker(answer);
  if (!asker) return false;
  if (LearnerHandler* learner = learners_.find(*asker)) learner->answer(answer);
  return true;  // who is gone needs none
}

// Of questions for one session the oldest is answered first.
ObserverMaster::Asker ObserverMaster::take_asker(const ServiceMessage& answer) {
  Asker asker;
  if (answer.kind == Kind::kSynced && !syncs_.empty()) {
    asker = syncs_.front();
    syncs_.pop_front();
  } else if (answer.kind == Kind::kRevalidated && answer.data.size() >= sizeof(std::int64_t)) {
    const auto session = jute::load_big_endian<std::int64_t>(answer.data.data());
    const auto found = std::ranges::find(revalidations_, session, &Revalidation::session);
    if (found == revalidations_.end()) return asker;
    asker = found->asker;
    revalidations_.erase(found);
  }
  return asker;
}

void ObserverMaster::on_ping_reply(LearnerHandler& learner, BytesView touches) {
  learner.ping_answered();
  if (touches.size() % kTouchBytes != 0)
    return learners_.drop(learner.link(), "a PING whose sessions do not parse");
  jute::Reader in(touches);
  while (in.remaining() > 0 && touched_.size() < kMaxTouched) {
    const std::int64_t session = in.i64();
    touched_.insert_or_assign(session, in.i32());
  }
}

void ObserverMaster::add_touches(Bytes& touches) {
  jute::Writer out(touches);
  while (!touched_.empty() && touches.size() + kTouchBytes <= kMaxBufferBytes) {
    const auto first = touched_.extract(touched_.begin());
    out.i64(first.key());
    out.i32(first.mapped());
  }
}

// ---- signs of life ----------------------------------------------------------------------------

void ObserverMaster::tick() {
  if (!epoch_ || shared_->now < next_ping_) return;
  next_ping_ = {shared_->now.value + std::max<std::int64_t>(shared_->options.tick_ms / 2, 1)};
  learners_.drop_overdue();
  for (auto& [link, learner] : learners_) learner.ping(shared_->journal.committed());
}

std::optional<SteadyTimeMs> ObserverMaster::next_deadline() const {
  if (!epoch_ || learners_.is_empty()) return std::nullopt;
  return next_ping_;
}

}  // namespace synod::consensus::zab
