// What only the leader does: requests become proposals, sessions have owners and an end.
#include <algorithm>
#include <utility>

#include "jute/codec.h"
#include "replica/reconfiguration.h"
#include "replica/replica.h"

namespace synod::replica {
namespace {

using consensus::ServiceMessage;
using jute::ErrorCode;
using jute::OpCode;

constexpr int kReapedPerTick = 1000;

// Of another server's clients; anything else was let in by mistake.
bool is_client_write(OpCode type) {
  switch (type) {
    case OpCode::kCreate:
    case OpCode::kCreate2:
    case OpCode::kCreateContainer:
    case OpCode::kCreateTtl:
    case OpCode::kDelete:
    case OpCode::kSetData:
    case OpCode::kSetAcl:
    case OpCode::kMulti:
    case OpCode::kReconfig:
    case OpCode::kCreateSession:
    case OpCode::kCloseSession:
      return true;
    default:
      return false;
  }
}

}  // namespace

// ---- requests become proposals ----------------------------------------------------------------

// Nothing: it was proposed. Otherwise why there is nothing to propose.
std::optional<ErrorCode> Replica::propose(const primary::Request& request, Time now) {
  const Zxid zxid = engine_->next_zxid();
  primary::Prepared prepared = primary_.prepare(request, zxid, now.wall);
  if (prepared.txn.empty()) return prepared.error;
  const auto size = static_cast<std::int64_t>(prepared.txn.size());
  ProposalSizes& sizes = proposal_sizes_;
  sizes = {size, sizes.min < 0 ? size : std::min(sizes.min, size), std::max(sizes.max, size)};
  engine_->propose({zxid, std::make_shared<const Bytes>(std::move(prepared.txn))});
  proposed_ = zxid;
  return std::nullopt;
}

void Replica::propose_write(Submission submission, Time now) {
  primary::Request& request = submission.request;
  if (request.type != OpCode::kCloseSession && !sessions_.owns({}, request.session))
    request.refusal = ErrorCode::kSessionMoved;
  request.is_local_session = may_be_local(request.session);
  plan_membership(request);
  submission.from->note_in_doubt(submission.ticket);
  const auto refusal = propose(request, now);
  if (!refusal) return;
  const ReadersPaused paused(host_);
  submission.from->refuse(submission.ticket, *refusal, now.steady);
}

// Only a reconfig asks for one, and only an ensemble has one.
void Replica::plan_membership(primary::Request& request) {
  if (request.type != OpCode::kReconfig || !options_.primary.allows_reconfig) return;
  const auto asked = jute::decode<jute::ReconfigRequest>(request.body);
  if (engine_->membership() == nullptr || !asked) return;
  auto planned = plan_reconfiguration(*asked, *engine_, options_.min_voters, engine_->next_zxid());
  if (planned) {
    request.membership = *std::move(planned);
  } else {
    warnings_.push_back("a reconfig was refused: " + planned.error().reason);
    request.membership = std::unexpected(planned.error().error);
  }
}

// What was held back behind a sync may come to its turn when the lead is lost already.
void Replica::take_forwarded(LinkId learner, ServiceMessage message, Time now) {
  if (!is_serving()) return;
  jute::Reader in(message.data);
  const auto prefix = jute::decode<RequestPrefix>(in);
  if (!prefix) return drop_link(learner, "a forwarded request that does not parse");
  const bool is_sync = prefix->type == OpCode::kSync;
  if (const auto behind = behind_sync_.find(learner);
      behind != behind_sync_.end() && (!is_sync || !behind->second.held.empty()))
    return behind->second.held.push_back(std::move(message));
  if (is_sync) {
    ++behind_sync_[learner].syncs;
    return await_read_index({.kind = Waiter::Kind::kSync,
                             .after = proposed_,
                             .from = nullptr,
                             .learner = learner,
                             .session = {}});
  }
  propose_forwarded(
      learner,
      {.session = prefix->session,
       .cxid = prefix->cxid,
       .type = prefix->type,
       .body = Bytes(in.rest()),
       .ids = std::make_shared<const state::AuthIds>(identities_of(message.identities)),
       .refusal = {}},
      now);
}

// Whatever it is, the learner waits for a transaction that answers it.
void Replica::propose_forwarded(LinkId learner, primary::Request request, Time now) {
  const bool is_of_session =
      request.type != OpCode::kCreateSession && request.type != OpCode::kCloseSession;
  if (!is_client_write(request.type))
    request.refusal = ErrorCode::kUnimplemented;
  else if (is_of_session && !sessions_.owns(learner, request.session))
    request.refusal = ErrorCode::kSessionMoved;
  if (request.type == OpCode::kCreateSession) opening_[request.session] = {nullptr, learner, false};
  request.is_local_session = may_be_local(request.session);
  plan_membership(request);
  if (const auto refusal = propose(request, now)) {
    request.refusal = refusal;
    (void)propose(request, now);
  }
}

// ---- sync -------------------------------------------------------------------------------------

void Replica::answer_forwarded_sync(LinkId learner, Time now) {
  engine_->send_to_learner(learner, {ServiceMessage::Kind::kSynced, {}, {}});
  const auto behind = behind_sync_.find(learner);
  if (behind == behind_sync_.end() || --behind->second.syncs > 0) return;
  auto held = std::move(behind->second.held);
  behind_sync_.erase(behind);
  for (ServiceMessage& message : held) take_forwarded(learner, std::move(message), now);
}

// One question serves all that came in a turn.
void Replica::await_read_index(Waiter waiter) {
  waiter.token = last_read_index_ + 1;
  waiters_.push_back(std::move(waiter));
  wants_read_index_ = true;
}

void Replica::ask_read_index() {
  if (!wants_read_index_ || !is_serving()) return;
  wants_read_index_ = false;
  engine_->read_index(++last_read_index_);
}

// ---- sessions ---------------------------------------------------------------------------------

void Replica::take_touches(BytesView touches, Time now) {
  jute::Reader in(touches);
  while (in.remaining() > 0) {
    const auto touch = jute::decode<Touch>(in);
    if (!touch) return;
    sessions_.touch(touch->session, now.steady);
  }
}

void Replica::revalidate(LinkId learner, BytesView question, Time now) {
  const auto asked = jute::decode<Revalidation>(question);
  if (!asked) return drop_link(learner, "a question for a session that does not parse");
  const SessionId session = asked->session;
  if (sessions_.contains(session) && primary_.is_open(session)) {
    const ReadersPaused paused(host_);
    if (const auto before = sessions_.move_to(session, learner, now.steady)) before->end();
  }
  // From here on nobody else may write in its name. What others did before, the learner has when it
  // hears the answer: an observer is told of commits only.
  waiters_.push_back({.kind = Waiter::Kind::kRevalidate,
                      .after = proposed_,
                      .from = nullptr,
                      .learner = learner,
                      .session = session});
}

void Replica::answer_revalidation(LinkId learner, SessionId session) {
  const bool is_valid = sessions_.contains(session) && primary_.is_open(session);
  engine_->send_to_learner(
      learner,
      {ServiceMessage::Kind::kRevalidated, jute::encode(RevalidationReply{session, is_valid}), {}});
}

void Replica::expire_sessions(Time now) {
  std::vector<SessionId> expired;
  {
    const ReadersPaused paused(host_);
    expired = sessions_.expire(now.steady);
  }
  for (const SessionId session : expired) {
    if (!primary_.is_open(session) || !is_serving()) continue;  // it is closing already
    (void)propose({.session = session,
                   .type = OpCode::kCloseSession,
                   .body = {},
                   .ids = nullptr,
                   .refusal = {}},
                  now);
  }
}

void Replica::reap(Time now) {
  for (int i = 0; i < kReapedPerTick && is_serving(); ++i) {
    auto path = reaper_.next(state_->tree(), now.steady, now.wall);
    if (!path) return;
    (void)propose({.session = {},
                   .type = OpCode::kDeleteContainer,
                   .body = std::move(*path),
                   .ids = nullptr,
                   .refusal = {}},
                  now);
  }
}

}  // namespace synod::replica
