// What an operator, or a test, decides about an ensemble's member.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/ids.h"
#include "consensus/journal.h"
#include "consensus/membership.h"

namespace synod::consensus::omnipaxos {

// Who takes over, and when: as the paper has it, or as its authors' implementation has it since
// October 2023 (consensus.md 4.3, 4.4).
enum class ElectionRule : std::uint8_t { kPaper, kHappiness };

struct Options {
  ServerId self;
  // Decided, as its own files say. Who is no member of it stands by until it is named.
  Membership membership;
  std::int64_t tick_ms = 2000;
  std::int64_t election_timeout_ms = 1000;  // a round of heartbeats
  std::int64_t heartbeat_ms = 100;          // what a leader repeats, it repeats at this pace
  ElectionRule election = ElectionRule::kPaper;
  // Flexible quorums: so many voters to take over, so many to decide; together more than all. 0:
  // the membership's own.
  std::size_t read_quorum = 0;
  std::size_t write_quorum = 0;
  Journal::Memory memory;
  // Not acknowledged yet and sent all the same, to one follower.
  std::size_t window_bytes = std::size_t{8} << 20;
  // What a server that lacks much of the log asks another one for at a time.
  std::uint32_t segment_entries = 4096;
  // Where the counter of a new round begins; near 0xffffffff to test the roll-over.
  std::uint32_t first_counter = 1;
};

}  // namespace synod::consensus::omnipaxos
