// What only followers and observers do: ask their leader, and remember whom they asked for.
#include <algorithm>
#include <utility>

#include "jute/codec.h"
#include "replica/replica.h"

namespace synod::replica {

using consensus::ServiceMessage;
using jute::ErrorCode;
using jute::OpCode;

// ---- writes -----------------------------------------------------------------------------------

void Replica::forward(const primary::Request& request) {
  ServiceMessage message{ServiceMessage::Kind::kRequest, {}, {}};
  message.data.reserve(16 + request.body.size());
  jute::append(message.data, RequestPrefix{request.session, request.cxid, request.type});
  message.data.append(request.body);
  append_identities(message.identities, request.ids.get());
  engine_->send_to_leader(std::move(message));
}

void Replica::forward_write(Submission submission, Time now) {
  const primary::Request& request = submission.request;
  if (!primary::is_well_formed(request.type, request.body)) {
    const ReadersPaused paused(host_);
    return submission.from->refuse(submission.ticket, ErrorCode::kMarshallingError, now.steady);
  }
  submission.from->note_in_doubt(submission.ticket);
  ++forwarded_;
  forward(request);
}

// ---- sync -------------------------------------------------------------------------------------

void Replica::forward_sync(Syncing syncing) {
  forward({.session = syncing.from->session(),
           .type = OpCode::kSync,
           .body = {},
           .ids = nullptr,
           .refusal = {}});
  syncs_asked_.push_back(std::move(syncing));
}

// The answers come in the order of the questions.
void Replica::take_synced() {
  if (syncs_asked_.empty()) return;
  Syncing syncing = std::move(syncs_asked_.front());
  syncs_asked_.pop_front();
  waiters_.push_back({.kind = Waiter::Kind::kSync,
                      .after = committed_,
                      .from = std::move(syncing.from),
                      .learner = {},
                      .ticket = syncing.ticket,
                      .session = {}});
}

// ---- sessions ---------------------------------------------------------------------------------

void Replica::ask_about(SessionId session, Revalidating question) {
  engine_->send_to_leader({ServiceMessage::Kind::kRevalidate,
                           jute::encode(Revalidation{session, question.timeout_ms}),
                           {}});
  revalidating_.emplace(session, std::move(question));
}

void Replica::take_revalidated(BytesView answer, Time now) {
  const auto reply = jute::decode<RevalidationReply>(answer);
  if (!reply) return;
  const auto found = revalidating_.find(reply->session);  // the oldest question for it
  if (found == revalidating_.end()) return;
  Revalidating question = std::move(revalidating_.extract(found).mapped());
  if (reply->is_valid) {
    if (question.is_kept) return release(*question.from, reply->session);
    waiters_.push_back({.kind = Waiter::Kind::kResume,
                        .after = committed_,
                        .from = std::move(question.from),
                        .learner = {},
                        .session = reply->session,
                        .timeout_ms = question.timeout_ms});
    return;
  }
  const ReadersPaused paused(host_);
  if (!question.is_kept) return question.from->session_refused();
  sessions_.detach(reply->session, *question.from, now.steady);
  question.from->end();
}

// The session is its again, unless the client has asked something of another server since: what it
// asked there was proposed before the leader answered, and so is here by now.
void Replica::release(ClientConnection& connection, SessionId session) {
  const ReadersPaused paused(host_);
  const bool has_moved = std::ranges::any_of(uncommitted_, [&](const consensus::Entry& entry) {
    return jute::load_big_endian<std::int64_t>(entry.bytes->data()) == session.value;
  });
  if (has_moved)
    connection.end();
  else
    connection.release();
}

void Replica::send_touches(Time now) {
  ServiceMessage message{ServiceMessage::Kind::kTouches, {}, {}};
  {
    const ReadersPaused paused(host_);
    for (const auto& [session, timeout_ms] : sessions_.heard_since(touches_sent_)) {
      jute::append(message.data, Touch{session, timeout_ms});
    }
  }
  touches_sent_ = now.steady;
  engine_->send_to_leader(std::move(message));
}

}  // namespace synod::replica
