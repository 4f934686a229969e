// Deadlines of sessions (reference, protocol section 3.3: ExpiryQueue). Sessions expire in buckets
// one tick wide, between `timeout` and `timeout + tick` after they were last heard of.
//
// Who is connected touches its session by noting the time in its own connection; the tracker looks
// there only when a bucket comes due, so that a request costs nothing here.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/ids.h"

namespace synod::replica {

class ClientConnection;

class SessionTracker {
 public:
  explicit SessionTracker(std::int64_t tick_ms) : tick_ms_(tick_ms) {}

  // A new session, or one known from disk, heard of now.
  void add(SessionId session, std::int32_t timeout_ms, SteadyTimeMs now);
  void remove(SessionId session);
  [[nodiscard]] bool contains(SessionId session) const { return sessions_.contains(session); }
  [[nodiscard]] std::size_t size() const { return sessions_.size(); }

  // From now on this connection speaks for the session. Returns the one that did before.
  std::shared_ptr<ClientConnection> attach(SessionId session, std::int32_t timeout_ms,
                                           std::shared_ptr<ClientConnection> connection,
                                           SteadyTimeMs now);
  void detach(SessionId session, const ClientConnection& connection, SteadyTimeMs now);
  [[nodiscard]] std::shared_ptr<ClientConnection> connection_of(SessionId session) const;

  // Sessions whose time has come, each given once. While this server was not running (a pause, a
  // stall) it cannot have heard from anyone: then every session gets its full timeout again.
  [[nodiscard]] std::vector<SessionId> expire(SteadyTimeMs now);

 private:
  struct Session {
    std::int32_t timeout_ms = 0;
    SteadyTimeMs last_heard;
    std::int64_t bucket_ms = 0;
    std::shared_ptr<ClientConnection> connection;
  };

  [[nodiscard]] std::int64_t bucket_of(const Session& session) const;
  void schedule(SessionId id, Session& session);
  static SteadyTimeMs last_heard(const Session& session);

  std::int64_t tick_ms_;
  std::map<SessionId, Session> sessions_;
  std::multimap<std::int64_t, SessionId>
      buckets_;  // stale entries are recognised when they come due
  std::optional<SteadyTimeMs> last_run_;
};

}  // namespace synod::replica
