#include "sim/simulation.h"

#include <algorithm>
#include <utility>

namespace synod::sim {

std::vector<Fault> faults_of(const RunOptions& options) {
  FaultSet faults = options.faults;
  faults[static_cast<std::size_t>(FaultKind::kReconfigure)] &= options.spares > 0;
  return draw_faults(options.seed, faults, options.duration);
}

RunReport run(const RunOptions& options) {
  WorldOptions drawn = drawn_options(options.seed);
  drawn.engine = options.engine;
  drawn.servers = options.servers;
  drawn.observers = options.observers;
  drawn.spares = options.spares;
  drawn.trace = options.trace;
  World world(std::move(drawn));
  Recorder recorder(world);
  const std::vector<Fault> faults = faults_of(options);
  for (std::size_t i = 0; i < faults.size(); ++i) {
    if (options.only && std::ranges::find(*options.only, i) == options.only->end()) continue;
    recorder.mark(faults[i].at, describe(faults[i]));
    world.timeline().at(faults[i].at, [&world, fault = faults[i]] { world.commit_fault(fault); });
  }
  if (options.is_recorded) recorder.begin(options.duration);
  world.start_all();
  world.run_for(options.duration);
  world.finish();
  RunReport report{.violations = world.violations(),
                   .hash = world.trace().hash(),
                   .simulated = world.now(),
                   .requests = world.answered(),
                   .committed = world.ghost().committed().size(),
                   .leader_changes = world.ghost().leader_changes(),
                   .reconfigurations = world.ghost().reconfigurations(),
                   .counts = world.counts(),
                   .record = {}};
  if (options.is_recorded) report.record = recorder.take();
  return report;
}

std::vector<std::size_t> shrink(std::vector<std::size_t> faults,
                                const std::function<bool(const std::vector<std::size_t>&)>& fails) {
  for (std::size_t piece = std::max<std::size_t>(faults.size() / 2, 1); !faults.empty();) {
    bool has_shrunk = false;
    for (std::size_t at = 0; at < faults.size();) {
      std::vector<std::size_t> fewer = faults;
      const auto first = fewer.begin() + static_cast<std::ptrdiff_t>(at);
      fewer.erase(first, first + static_cast<std::ptrdiff_t>(std::min(piece, fewer.size() - at)));
      if (fails(fewer)) {
        faults = std::move(fewer);
        has_shrunk = true;
      } else {
        at += piece;
      }
    }
    if (piece > 1)
      piece /= 2;
    else if (!has_shrunk)
      break;
  }
  return faults;
}

}  // namespace synod::sim
