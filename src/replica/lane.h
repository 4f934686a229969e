// A connection thread's share of the server: its watches, and what passes between its connections
// and the core. Everything here, the connections included, is guarded by the lane's lock, which the
// thread holds while it works and the core takes (of all lanes) while it applies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/ids.h"
#include "primary/primary.h"
#include "state/state.h"
#include "state/watch_table.h"

namespace synod::replica {

class ClientConnection;

// From a connection to the core.
struct Submission {
  enum class Kind : std::uint8_t {
    kOpenSession,    // timeout_ms
    kResumeSession,  // request.session, timeout_ms; the password has been checked
    kWrite,          // request
    kSync,           // answer once everything committed so far is applied
    kGone,           // the connection is no more; its session lives on
  };
  Kind kind{};
  std::shared_ptr<ClientConnection> from;
  primary::Request request;
  std::int32_t timeout_ms = 0;
  std::uint64_t ticket = 0;  // kWrite, kSync: by which the core refers to it
};

// For mntr and srvr.
struct LaneCounters {
  std::uint64_t packets_received = 0;
  std::uint64_t packets_sent = 0;
  std::uint64_t requests = 0;  // answered
  std::uint64_t latency_ms_min = 0;
  std::uint64_t latency_ms_max = 0;
  std::uint64_t latency_ms_sum = 0;
};

struct Lane {
  explicit Lane(const state::State& replicated) : state(replicated) {}

  const state::State& state;
  state::WatchTable watches;
  std::vector<Submission> submitted;  // taken by the core
  std::vector<std::shared_ptr<ClientConnection>>
      stirred;                     // have output, or an end, that the core made
  bool is_core_congested = false;  // globalOutstandingLimit is reached
  // Nobody is served: there is no leader, or this server is not in step with it yet. Nothing is
  // taken from clients; who has sent something waits here.
  bool is_paused = false;
  std::vector<std::shared_ptr<ClientConnection>> paused;
  // Bytes of large requests (largeRequestThreshold) that wait in this lane's connections; and in
  // the others', as of the core's last turn.
  std::size_t large_request_bytes = 0;
  std::size_t large_request_bytes_elsewhere = 0;
  LaneCounters counters;
};

}  // namespace synod::replica
