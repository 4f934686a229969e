// Servers are replaced by fresh ones while clients write, and a long log has to be moved: how long
// nothing commits, how long it takes, and who sends how much (consensus.md 4.11, 8.1). A
// measurement, like connectivity.h; that nothing is violated is checked as ever.
//
// What a server sends passes an uplink of limited width, which is what the published figures are
// about: whether the leader's carries all of the log, or each old server's a part of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/recorder.h"
#include "sim/timeline.h"
#include "sim/trace.h"

namespace synod::sim {

struct ReplacementName {
  std::string_view name;
  std::size_t replaced = 0;  // of five
};
inline constexpr std::array kReplacements{ReplacementName{"replace-one", 1},
                                          ReplacementName{"replace-majority", 3},
                                          ReplacementName{"replace-all", 5}};

struct ReplacementOptions {
  std::size_t servers = 5;
  std::size_t replaced = 1;    // of these; the seed says which
  std::string engine = "zab";  // as WorldOptions has it
  std::uint64_t seed = 1;
  std::size_t entries = 4000;    // of the log, when the new servers start
  std::size_t uplink = 400'000;  // bytes a second that a server may send
  // An old server that does not lead dies when a new one has half of the log, and stays away.
  bool kills_a_source = false;
  bool is_recorded = false;
  Trace::Sink trace{};
};

// Times are counted from when the new servers start, which is when the reconfiguration is asked for
// first: again and again until it is taken, as an engine may want them in step before.
struct ReplacementReport {
  std::optional<Micros> taken_after;   // until the new membership was committed
  std::optional<Micros> served_after;  // until it was, and all the new servers served; nothing:
                                       // never, which is a violation
  Micros longest_gap = 0;              // between two commits, up to two seconds after that
  std::optional<Micros> killed_after;  // until a source died
  // Sent to other servers until all the new ones served, what clients wrote meanwhile included.
  std::uint64_t leader_bytes = 0;  // by the one that led at first,
  std::uint64_t most_bytes = 0;    // by the one that sent most,
  std::uint64_t all_bytes = 0;     // by all, the new ones too
  bool is_leader_replaced = false;
  std::optional<RunRecord> record;  // from a little before the new servers start, which is its zero
  std::vector<std::string> violations;
};

[[nodiscard]] ReplacementReport play_replacement(const ReplacementOptions& options);

}  // namespace synod::sim
