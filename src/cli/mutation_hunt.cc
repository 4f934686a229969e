#include "cli/mutation_hunt.h"

#ifdef SYNOD_MUTANTS

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "base/mutation.h"
#include "sim/simulation.h"

namespace synod::cli {
namespace {

constexpr int kBadUse = 2;
constexpr std::size_t kSpares = 2;  // in every second run, whose membership changes as well

bool activate(const std::string& name) {
  if (name == "none") return true;
  const auto* const known = std::ranges::find(kMutationNames, name, &MutationName::name);
  if (known == kMutationNames.end()) return false;
  active_mutation = known->mutation;
  return true;
}

// The engine whose rule it breaks is in its name.
std::string engine_of(const HuntOptions& options) {
  if (options.mutation == "none") return options.engine;
  if (options.mutation.starts_with("raft-")) return "raft";
  return options.mutation.starts_with("omni-") ? "omnipaxos" : "zab";
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace

int hunt(const HuntOptions& options) {
  if (!activate(options.mutation)) {
    fmt::print(stderr, "no such mutation: {}. There are: none", options.mutation);
    for (const MutationName& known : kMutationNames) fmt::print(stderr, ", {}", known.name);
    fmt::print(stderr, "\n");
    return kBadUse;
  }
  std::uint64_t seeds = 0;
  while (cpu_seconds() < options.cpu_seconds) {
    const std::uint64_t seed = options.first_seed + seeds++;
    fmt::print("seed {}\n", seed);
    std::fflush(stdout);
    const sim::RunReport report = sim::run({.engine = engine_of(options),
                                            .servers = options.servers,
                                            .spares = seed % 2 == 0 ? 0U : kSpares,
                                            .seed = seed});
    if (report.violations.empty()) continue;
    const std::string& first = report.violations.front();
    fmt::print("found at seed {} after {} seeds and {:.1f} CPU s: {}\n", seed, seeds, cpu_seconds(),
               first.substr(0, first.find('\n')));
    return 1;
  }
  fmt::print("not found in {} seeds and {:.1f} CPU s\n", seeds, cpu_seconds());
  return 0;
}

}  // namespace synod::cli

#endif
