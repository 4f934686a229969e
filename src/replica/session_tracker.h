// Sessions: who is connected here, and, where this server leads, when they expire and through which
// server they talk (reference, protocol section 3.3: ExpiryQueue; quorum protocol section 5.9).
// They expire in buckets one tick wide, between `timeout` and `timeout + tick` after they were last
// heard of.
//
// Who is connected touches its session by noting the time in its own connection; the tracker looks
// there only when a bucket comes due, or the leader asks, so that a request costs nothing here.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "consensus/engine.h"

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

  // From now on this connection, here, speaks for the session. Returns the one that did before.
  std::shared_ptr<ClientConnection> attach(SessionId session, std::int32_t timeout_ms,
                                           std::shared_ptr<ClientConnection> connection,
                                           SteadyTimeMs now);
  void detach(SessionId session, const ClientConnection& connection, SteadyTimeMs now);
  [[nodiscard]] std::shared_ptr<ClientConnection> connection_of(SessionId session) const;
  // All that are connected here.
  void for_each_connection(
      const std::function<void(SessionId, const std::shared_ptr<ClientConnection>&)>& visit) const;
  // Sessions that this server has heard of since, with their timeouts.
  [[nodiscard]] std::vector<std::pair<SessionId, std::int32_t>> heard_since(
      SteadyTimeMs since) const;

  // ---- at the leader, who alone expires sessions (a server on its own leads)
  // Everybody gets the full timeout, and belongs to whoever speaks first, unless connected here.
  void start_expiring(SteadyTimeMs now);
  void stop_expiring();
  void touch(SessionId session, SteadyTimeMs now);
  // A learner's client goes on with this session. Returns the connection here that did before.
  std::shared_ptr<ClientConnection> move_to(SessionId session, consensus::LinkId learner,
                                            SteadyTimeMs now);
  // May the session be used by a client of this learner (0: of this server itself)? Whoever comes
  // first owns it, and keeps it though the link or the connection breaks, until the client shows
  // up elsewhere: a server that the client had left before may still forward what it asked there.
  [[nodiscard]] bool owns(consensus::LinkId learner, SessionId session);
  // Sessions whose time has come, each given once. While this server was not running (a pause, a
  // stall) it cannot have heard from anyone: then every session gets its full timeout again.
  [[nodiscard]] std::vector<SessionId> expire(SteadyTimeMs now);

 private:
  struct Session {
    std::int32_t timeout_ms = 0;
    SteadyTimeMs last_heard;
    std::int64_t bucket_ms = 0;
    std::shared_ptr<ClientConnection> connection;
    consensus::LinkId learner;  // its owner, if it has one; 0: this server
    bool is_owned = false;
  };

  [[nodiscard]] std::int64_t bucket_of(const Session& session) const;
  void schedule(SessionId id, Session& session);
  static SteadyTimeMs last_heard(const Session& session);
  void give_full_timeouts(SteadyTimeMs now);

  std::int64_t tick_ms_;
  std::map<SessionId, Session> sessions_;
  std::multimap<std::int64_t, SessionId>
      buckets_;  // stale entries are recognised when they come due
  bool is_expiring_ = true;
  std::optional<SteadyTimeMs> last_run_;
};

}  // namespace synod::replica
