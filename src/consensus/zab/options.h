// What an operator, or a test, decides about an ensemble's member.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/ids.h"
#include "consensus/membership.h"
#include "consensus/zab/election.h"

namespace synod::consensus::zab {

struct Options {
  ServerId self;
  Membership membership;  // what the server's own files say
  // The membership may change while it runs: entries of kind kReconfiguration are heeded, and newer
  // memberships that other servers speak of. All servers of an ensemble should agree on it.
  bool is_reconfig_enabled = false;
  std::int64_t tick_ms = 2000;
  std::int64_t init_limit = 10;    // ticks to connect and synchronise
  std::int64_t connect_limit = 0;  // ticks to connect to the leader; 0: init_limit
  std::int64_t redial_ms = 100;    // between tries to connect to it
  std::int64_t sync_limit = 5;     // ticks of silence before a peer counts as lost
  // Entries kept in memory to bring learners up to date, and their bytes.
  std::size_t commit_log_count = 500;
  std::size_t commit_log_bytes = std::size_t{16} << 20;
  // What memory does not reach may be read from the log on disk (the replica, which knows the
  // files' sizes, may still refuse: then a snapshot is sent).
  bool is_log_diff_allowed = true;
  bool is_snapshot_forced = false;  // every learner gets the whole tree
  // Observers learn from followers, which listen for them on this port at their quorum addresses;
  // 0: from the leader.
  std::uint16_t observer_master_port = 0;
  // An observer that lost its leader waits up to this long before it looks again.
  std::int64_t observer_delay_ms = 200;
  Election::Options election;  // `self` is filled in
  // Where the counter of a new epoch begins; near 0xffffffff to test the roll-over.
  std::uint32_t first_counter = 1;
};

}  // namespace synod::consensus::zab
