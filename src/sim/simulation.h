// One run: an ensemble drawn from a seed, faults drawn from it too, and a verdict.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sim/faults.h"
#include "sim/recorder.h"
#include "sim/world.h"

namespace synod::sim {

struct RunOptions {
  std::string engine = "zab";
  std::size_t servers = 5;
  std::size_t observers = 0;
  std::size_t spares = 0;  // with any, the membership changes during the run
  std::uint64_t seed = 1;
  Micros duration = 60 * kSecond;
  FaultSet faults = all_faults();
  // Of the faults drawn, only these happen (by their place in the list): how a schedule is shrunk.
  std::optional<std::vector<std::size_t>> only;
  Trace::Sink trace;
  bool is_recorded = false;
};

struct RunReport {
  std::vector<std::string> violations;  // none: passed
  std::uint64_t hash = 0;               // of all that happened
  Micros simulated = 0;
  std::uint64_t requests = 0;  // answered
  std::uint64_t committed = 0;
  std::uint64_t leader_changes = 0;
  std::uint64_t reconfigurations = 0;  // committed
  WorldCounts counts;
  std::optional<RunRecord> record;  // until everything is healed
};

// The same options, the same report.
[[nodiscard]] RunReport run(const RunOptions& options);
// What `run` draws.
[[nodiscard]] std::vector<Fault> faults_of(const RunOptions& options);

// As few of the faults as still make it fail, found by leaving out one half, one quarter, … of them
// as long as that helps. `fails` runs with the given faults only.
[[nodiscard]] std::vector<std::size_t> shrink(
    std::vector<std::size_t> faults,
    const std::function<bool(const std::vector<std::size_t>&)>& fails);

}  // namespace synod::sim
