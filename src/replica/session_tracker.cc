#include "replica/session_tracker.h"

#include <algorithm>
#include <utility>

#include "base/mutation.h"
#include "replica/client_connection.h"

namespace synod::replica {

void SessionTracker::add(SessionId id, std::int32_t timeout_ms, SteadyTimeMs now) {
  Session& session = sessions_[id];
  session.timeout_ms = timeout_ms;
  session.last_heard = now;
  schedule(id, session);
}

void SessionTracker::remove(SessionId session) { sessions_.erase(session); }

std::shared_ptr<ClientConnection> SessionTracker::attach(
    SessionId id, std::int32_t timeout_ms, std::shared_ptr<ClientConnection> connection,
    SteadyTimeMs now) {
  add(id, timeout_ms, now);
  Session& session = sessions_[id];
  session.learner = {};
  session.is_owned = true;
  return std::exchange(session.connection, std::move(connection));
}

void SessionTracker::detach(SessionId id, const ClientConnection& connection, SteadyTimeMs now) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.connection.get() != &connection) return;
  found->second.last_heard = std::min(now, last_heard(found->second));
  found->second.connection.reset();
}

std::shared_ptr<ClientConnection> SessionTracker::connection_of(SessionId session) const {
  const auto found = sessions_.find(session);
  return found == sessions_.end() ? nullptr : found->second.connection;
}

void SessionTracker::for_each_connection(
    const std::function<void(SessionId, const std::shared_ptr<ClientConnection>&)>& visit) const {
  for (const auto& [id, session] : sessions_) {
    if (session.connection) visit(id, session.connection);
  }
}

std::vector<std::pair<SessionId, std::int32_t>> SessionTracker::heard_since(
    SteadyTimeMs since) const {
  std::vector<std::pair<SessionId, std::int32_t>> heard;
  for (const auto& [id, session] : sessions_) {
    if (last_heard(session) >= since) heard.emplace_back(id, session.timeout_ms);
  }
  return heard;
}

// ---- at the leader ----------------------------------------------------------------------------

void SessionTracker::start_expiring(SteadyTimeMs now) {
  stop_expiring();
  is_expiring_ = true;
  for (auto& [id, session] : sessions_) {
    session.learner = {};
    session.is_owned = session.connection != nullptr;
  }
  give_full_timeouts(now);
}

void SessionTracker::stop_expiring() {
  is_expiring_ = false;
  last_run_.reset();
  buckets_.clear();
  for (auto& [id, session] : sessions_) session.bucket_ms = 0;
}

void SessionTracker::touch(SessionId id, SteadyTimeMs now) {
  const auto found = sessions_.find(id);
  if (found != sessions_.end()) found->second.last_heard = now;
}

std::shared_ptr<ClientConnection> SessionTracker::move_to(SessionId id, consensus::LinkId learner,
                                                          SteadyTimeMs now) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return nullptr;
  found->second.last_heard = now;
  found->second.learner = learner;
  found->second.is_owned = true;
  return std::exchange(found->second.connection, nullptr);
}

bool SessionTracker::owns(consensus::LinkId learner, SessionId id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return true;  // there is no such session: others say so
  Session& session = found->second;
  if (!std::exchange(session.is_owned, true)) session.learner = learner;
  return session.learner == learner || is_mutated(Mutation::kNoSessionMoved);
}

void SessionTracker::give_full_timeouts(SteadyTimeMs now) {
  for (auto& [id, session] : sessions_) {
    session.last_heard = now;
    schedule(id, session);
  }
}

std::vector<SessionId> SessionTracker::expire(SteadyTimeMs now) {
  const SteadyTimeMs last_run = std::exchange(last_run_, now).value_or(now);
  if (now.value - last_run.value > 2 * tick_ms_) give_full_timeouts(now);
  std::vector<SessionId> expired;
  while (!buckets_.empty() && buckets_.begin()->first <= now.value) {
    const auto [bucket_ms, id] = *buckets_.begin();
    buckets_.erase(buckets_.begin());
    const auto found = sessions_.find(id);
    if (found == sessions_.end() || found->second.bucket_ms != bucket_ms) continue;
    Session& session = found->second;
    session.last_heard = last_heard(session);
    if (bucket_of(session) > now.value) {
      schedule(id, session);
    } else {
      session.bucket_ms = 0;  // given; its removal follows when the transaction is applied
      expired.push_back(id);
    }
  }
  return expired;
}

std::int64_t SessionTracker::bucket_of(const Session& session) const {
  return ((session.last_heard.value + session.timeout_ms) / tick_ms_ + 1) * tick_ms_;
}

void SessionTracker::schedule(SessionId id, Session& session) {
  if (!is_expiring_) return;
  const std::int64_t bucket_ms = bucket_of(session);
  if (bucket_ms == session.bucket_ms) return;
  session.bucket_ms = bucket_ms;
  buckets_.emplace(bucket_ms, id);
}

SteadyTimeMs SessionTracker::last_heard(const Session& session) {
  if (!session.connection) return session.last_heard;
  return std::max(session.last_heard, session.connection->last_heard());
}

}  // namespace synod::replica
