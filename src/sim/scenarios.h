// Schedules written by hand: what broke real systems, played against this one. Random runs find the
// unknown; these stay found.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutation.h"
#include "sim/trace.h"
#include "sim/world.h"

namespace synod::sim {

struct Scenario {
  std::string_view name;
  std::string_view like;   // the bug it replays: its number in the track record, its issue
  std::string_view story;  // one line
  // The rule that it guards: with this one switched off, in a test build, it must fail.
  Mutation guards = Mutation::kNone;
  std::function<void(WorldOptions&)> set_up;
  // Complains to the world where it does not go as it should; the end of a run (World::finish) and
  // its judges follow by themselves.
  std::function<void(World&)> play;
};

[[nodiscard]] const std::vector<Scenario>& scenarios();
[[nodiscard]] const Scenario* scenario_named(std::string_view name);
// What went wrong; nothing: passed. The seed moves latencies and what clients ask.
[[nodiscard]] std::vector<std::string> play(const Scenario& scenario, std::uint64_t seed,
                                            Trace::Sink trace = {});

}  // namespace synod::sim
