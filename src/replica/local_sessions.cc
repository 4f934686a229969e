// Sessions that only this server knows of (reference, quorum protocol section 5.9): nothing of them
// is replicated, until they want an ephemeral node.
#include "base/assert.h"
#include "jute/codec.h"
#include "replica/replica.h"

namespace synod::replica {

using jute::ErrorCode;
using jute::OpCode;

void Replica::open_local_session(const Connection& from, std::int32_t timeout_ms, Time now) {
  const SessionId session = next_session_id();
  const ReadersPaused paused(host_);
  if (from->is_gone()) return;
  local_.attach(session, timeout_ms, from, now.steady);
  from->session_opened(session, timeout_ms);
}

// True: it is one of ours. Any other may still be a global one.
bool Replica::resume_local_session(const Submission& submission, Time now) {
  const SessionId session = submission.request.session;
  if (!local_.contains(session)) return false;
  const ReadersPaused paused(host_);
  if (submission.from->is_gone()) return true;
  const auto before = local_.attach(session, submission.timeout_ms, submission.from, now.steady);
  if (before && before != submission.from) before->end();
  submission.from->session_opened(session, submission.timeout_ms);
  return true;
}

// True: the request of a local session had its answer here. One that wants an ephemeral node makes
// a global session of it first, as far as that is allowed.
bool Replica::is_settled_here(const Submission& submission, Time now) {
  const primary::Request& request = submission.request;
  if (!local_.contains(request.session)) return false;
  if (request.type == OpCode::kCloseSession && !opening_.contains(request.session)) {
    const ReadersPaused paused(host_);
    local_.remove(request.session);
    submission.from->refuse(submission.ticket, ErrorCode::kOk, now.steady);
    return true;
  }
  if (!primary::wants_ephemeral(request.type, request.body)) return false;
  if (!options_.upgrades_local_sessions) {
    const ReadersPaused paused(host_);
    submission.from->refuse(submission.ticket, ErrorCode::kEphemeralOnLocalSession, now.steady);
    return true;
  }
  if (!opening_.contains(request.session)) upgrade(submission.from, request.session, now);
  return false;
}

// The same session under the same id, known to everybody before what follows is.
void Replica::upgrade(const Connection& from, SessionId session, Time now) {
  opening_[session] = {from, {}, true};
  const primary::Request request{.session = session,
                                 .type = OpCode::kCreateSession,
                                 .body = jute::encode(jute::CreateSessionTxn{from->timeout_ms()}),
                                 .ids = nullptr,
                                 .refusal = {}};
  if (!is_leading()) return forward(request);
  const auto refusal = propose(request, now);
  SYNOD_ASSERT(!refusal);  // it is well formed
}

void Replica::expire_local_sessions(Time now) {
  if (local_.size() == 0) return;
  const ReadersPaused paused(host_);
  for (const SessionId session : local_.expire(now.steady)) {
    const auto connection = local_.connection_of(session);
    local_.remove(session);
    if (connection) connection->end();
  }
}

// One that the log does not know: some server's local session; but this server knows its own.
bool Replica::may_be_local(SessionId session) const {
  if (!options_.has_local_sessions || sessions_.contains(session)) return false;
  const auto made_at = static_cast<std::uint8_t>(static_cast<std::uint64_t>(session.value) >> 56);
  return made_at != options_.server_id || local_.contains(session);
}

}  // namespace synod::replica
