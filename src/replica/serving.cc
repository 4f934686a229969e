// Clients: what connections submit, and when they are served at all.
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "consensus/membership.h"
#include "jute/codec.h"
#include "replica/replica.h"

namespace synod::replica {

using jute::OpCode;

// ---- what connections submit ------------------------------------------------------------------

// What a connection asked that ends, or that its client has left, is dropped: the client is told
// nothing, and may have gone on elsewhere.
void Replica::gather() {
  const ReadersPaused paused(host_);
  std::erase_if(inbox_, [](const Submission& submission) {
    const ClientConnection& from = *submission.from;
    const bool is_over = from.is_ending() || from.is_gone() || from.is_abandoned();
    return is_over && submission.kind != Submission::Kind::kGone;
  });
  std::size_t large_request_bytes = 0;
  for (const auto& lane : lanes_) large_request_bytes += lane->large_request_bytes;
  for (const auto& lane : lanes_) {
    lane->large_request_bytes_elsewhere = large_request_bytes - lane->large_request_bytes;
    for (Submission& submission : lane->submitted) inbox_.push_back(std::move(submission));
    lane->submitted.clear();
  }
}

// While nobody is served, requests wait here. They are in no doubt: nobody else has seen them.
bool Replica::take_submissions(Time now) {
  bool is_progress = false;
  std::vector<Submission> waiting;
  for (Submission& submission : std::exchange(inbox_, {})) {
    if (submission.kind == Submission::Kind::kGone) {
      gone(submission.from, now);
    } else if (is_serving() && !submission.from->is_held()) {
      take(std::move(submission), now);
      is_progress = true;
    } else {
      waiting.push_back(std::move(submission));
    }
  }
  inbox_ = std::move(waiting);
  return is_progress;
}

void Replica::take(Submission submission, Time now) {
  if (!is_admitted(submission, now)) {
    const ReadersPaused paused(host_);
    return submission.from->end("too many sessions at a time (connection_throttle_tokens)");
  }
  switch (submission.kind) {
    case Submission::Kind::kOpenSession:
      return open_session(std::move(submission), now);
    case Submission::Kind::kResumeSession:
      abandon_former_connection(submission);
      if (resume_local_session(submission, now)) return;
      if (!is_leading())
        return ask_about(submission.request.session,
                         {std::move(submission.from), submission.timeout_ms, false});
      waiters_.push_back({.kind = Waiter::Kind::kResume,
                          .after = proposed_,
                          .from = std::move(submission.from),
                          .learner = {},
                          .session = submission.request.session,
                          .timeout_ms = submission.timeout_ms});
      return;
    case Submission::Kind::kWrite:
      if (is_settled_here(submission, now)) return;
      return is_leading() ? propose_write(std::move(submission), now)
                          : forward_write(std::move(submission), now);
    case Submission::Kind::kSync:
      return sync({std::move(submission.from), submission.ticket});
    case Submission::Kind::kGone:
      return;
  }
}

// The client has left the connection that it had here, whatever becomes of this one: it may be
// elsewhere by the time that it is answered, and what it asked here must not come behind.
void Replica::abandon_former_connection(const Submission& submission) {
  const auto former = sessions_.connection_of(submission.request.session);
  if (!former || former == submission.from) return;
  const ReadersPaused paused(host_);
  former->abandon();
}

bool Replica::is_admitted(const Submission& submission, Time now) {
  switch (submission.kind) {
    case Submission::Kind::kOpenSession:
      return throttle_.admits_new(now.steady);
    case Submission::Kind::kResumeSession:
      return throttle_.admits_resumed(now.steady);
    case Submission::Kind::kWrite:
    case Submission::Kind::kSync:
    case Submission::Kind::kGone:
      return true;
  }
  return true;
}

void Replica::open_session(Submission submission, Time now) {
  if (options_.has_local_sessions)
    return open_local_session(submission.from, submission.timeout_ms, now);
  const primary::Request request{
      .session = next_session_id(),
      .type = OpCode::kCreateSession,
      .body = jute::encode(jute::CreateSessionTxn{submission.timeout_ms}),
      .ids = nullptr,
      .refusal = {}};
  opening_[request.session] = {std::move(submission.from), {}, false};
  if (!is_leading()) return forward(request);
  const auto refusal = propose(request, now);
  SYNOD_ASSERT(!refusal);  // it is well formed
}

SessionId Replica::next_session_id() {
  SessionId id;
  do {
    id = {++last_session_id_};
  } while (id.value == INT64_MIN ||  // that number marks containers
           state_->sessions().contains(id));
  return id;
}

void Replica::sync(Syncing syncing) {
  if (!is_leading()) return forward_sync(std::move(syncing));
  await_read_index({.kind = Waiter::Kind::kSync,
                    .after = proposed_,
                    .from = std::move(syncing.from),
                    .learner = {},
                    .ticket = syncing.ticket,
                    .session = {}});
}

void Replica::gone(const Connection& connection, Time now) {
  const ReadersPaused paused(host_);
  forwarded_ -= std::min(forwarded_, connection->writes_lost());
  sessions_.detach(connection->session(), *connection, now.steady);
  local_.detach(connection->session(), *connection, now.steady);
}

// ---- what was waited for ----------------------------------------------------------------------

void Replica::finish(const Waiter& waiter, Time now) {
  switch (waiter.kind) {
    case Waiter::Kind::kResume:
      return resume(waiter, now);
    case Waiter::Kind::kSync:
      if (waiter.from) return waiter.from->answer_sync(waiter.ticket, now.steady);
      return answer_forwarded_sync(waiter.learner, now);
    case Waiter::Kind::kRevalidate:
      return answer_revalidation(waiter.learner, waiter.session);
  }
}

// A learner has its leader's word for it, and may know of the session only later.
void Replica::resume(const Waiter& waiter, Time now) {
  const SessionId session = waiter.session;
  if (is_leading() && (!sessions_.contains(session) || !primary_.is_open(session)))
    return waiter.from->session_refused();
  if (waiter.from->is_gone()) return;
  const auto before = sessions_.attach(session, waiter.timeout_ms, waiter.from, now.steady);
  if (before && before != waiter.from) before->end();
  waiter.from->session_opened(session, waiter.timeout_ms);
}

// ---- whether anybody is served ----------------------------------------------------------------

// Everything the leader inherited is applied by now.
void Replica::start_serving(Time now) {
  primary_.forget();
  is_digest_muted_ = false;
  std::deque<Syncing> syncs = std::exchange(syncs_asked_, {});
  if (is_leading()) {
    SYNOD_ASSERT(uncommitted_.empty());
    proposed_ = state_->applied();
    proposal_sizes_ = {};
    sessions_.start_expiring(now.steady);
  } else {
    sessions_.stop_expiring();
    touches_sent_ = now.steady;
    sessions_.for_each_connection([this](SessionId session, const Connection& connection) {
      if (connection->is_ending()) return;
      ask_about(session, {connection, connection->timeout_ms(), true});
    });
  }
  local_.start_expiring(now.steady);
  if (is_turning_clients_away()) return end_all_clients();
  for (Syncing& syncing : syncs) sync(std::move(syncing));
  const ReadersPaused paused(host_);
  if (is_leading())
    sessions_.for_each_connection([](SessionId, const Connection& kept) { kept->release(); });
  std::vector<Connection> waiting;
  for (const auto& lane : lanes_) {
    lane->is_paused = false;
    std::ranges::move(std::exchange(lane->paused, {}), std::back_inserter(waiting));
  }
  for (const Connection& connection : waiting) connection->unpause();
  for_each_client([](SessionId, const Connection& connection) { connection->unpause(); });
}

// Clients stay, but for those who would have to be told something that nobody knows now: what
// became of a write, or of a session that was about to be made or moved here.
void Replica::stop_serving(Time now) {
  paused_since_ = now.steady;
  primary_.forget();
  wants_read_index_ = false;
  behind_sync_.clear();
  forwarded_ = 0;
  const ReadersPaused paused(host_);
  for (const auto& lane : lanes_) lane->is_paused = true;
  for (Waiter& waiter : std::exchange(waiters_, {})) {
    if (!waiter.from) continue;
    if (waiter.kind == Waiter::Kind::kSync)
      syncs_asked_.push_back({std::move(waiter.from), waiter.ticket});
    else
      waiter.from->end();
  }
  for (const auto& [session, opening] : std::exchange(opening_, {})) {
    if (opening.from) opening.from->end();
  }
  for (const auto& [session, question] : std::exchange(revalidating_, {})) {
    if (!question.is_kept) question.from->end();
  }
  sessions_.for_each_connection([](SessionId, const Connection& kept) { kept->hold(); });
  for_each_client([](SessionId, const Connection& connection) {
    if (connection->writes_in_doubt() == 0) return;
    connection->end();
    connection->note_in_doubt(0);
  });
}

bool Replica::is_turning_clients_away() const {
  if (is_leading()) return !options_.leader_serves;
  const consensus::Membership* membership = engine_->membership();
  return !is_serving() && membership != nullptr &&
         !membership->members.contains(ServerId{options_.server_id});
}

void Replica::end_all_clients() {
  const ReadersPaused paused(host_);
  for_each_client([](SessionId, const Connection& connection) { connection->end(); });
  for (const auto& lane : lanes_) {
    for (const Connection& connection : std::exchange(lane->paused, {})) connection->end();
  }
  for (const Submission& submission : inbox_) {
    if (submission.kind != Submission::Kind::kGone) submission.from->end();
  }
  std::erase_if(inbox_, [](const Submission& submission) {
    return submission.kind != Submission::Kind::kGone;
  });
  syncs_asked_.clear();
}

}  // namespace synod::replica
