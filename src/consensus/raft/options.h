// What an operator, or a test, decides about an ensemble's member.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/ids.h"
#include "consensus/journal.h"
#include "consensus/membership.h"

namespace synod::consensus::raft {

struct Options {
  ServerId self;
  // As the server's own files say. `self` is in it, unless it was removed.
  Membership membership;
  std::int64_t tick_ms = 2000;  // twice in it learners are asked for the sessions they heard of
  // T: a follower waits between T and 2T for its leader before it campaigns (dissertation 3.4).
  std::int64_t election_timeout_ms = 1000;
  std::int64_t heartbeat_ms = 100;
  Journal::Memory memory;
  // Ask before campaigning whether it would be of use (dissertation 9.6).
  bool pre_vote = true;
  // A leader without a majority steps down; who hears its leader ignores candidates (6.2, 4.2.3).
  bool check_quorum = true;
  // A refusal says where to go on; without that the leader steps back one entry at a time (5.3).
  bool fast_repair = true;
  // A change of one voter at most takes one step (dissertation 4.1) instead of joint consensus (6).
  // Servers that differ in this understand each other.
  bool single_steps = false;
  // Reads are answered without asking anybody for as long as no other leader can be elected
  // (dissertation 6.4.1), if no server's clock runs by more than this faster than another's: the
  // limit of what that is worth. Nothing: every read asks. Needs check_quorum, on all servers.
  std::optional<int> lease_drift_percent;
  // To one peer: how much may be unacknowledged, and how much travels in one message.
  std::size_t max_in_flight = 256;
  std::size_t max_in_flight_bytes = std::size_t{16} << 20;
  std::size_t max_message_bytes = std::size_t{1} << 20;
  // Where the counter of a new term begins; near 0xffffffff to test the roll-over.
  std::uint32_t first_counter = 1;
};

}  // namespace synod::consensus::raft
