#include "cli/scenario_command.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "base/mutation.h"
#include "sim/scenarios.h"

namespace synod::cli {
namespace {

constexpr int kBadUse = 2;

// In the child. A broken rule may stop the process: that is a failure like any other.
int play_one(const sim::Scenario& scenario, const ScenarioOptions& options) {
#ifdef SYNOD_MUTANTS
  if (options.breaks_rules) active_mutation = scenario.guards;
#endif
  sim::Trace::Sink trace;
  if (options.is_traced) trace = [](std::string_view line) { fmt::print("{}\n", line); };
  bool is_clean = true;
  for (std::uint64_t i = 0; i < options.seeds; ++i) {
    const std::uint64_t seed = options.first_seed + i;
    for (const std::string& violation : sim::play(scenario, seed, trace)) {
      is_clean = false;
      if (!options.breaks_rules) fmt::print("  seed {}: {}\n", seed, violation);
    }
  }
  return is_clean ? 0 : 1;
}

bool passes(const sim::Scenario& scenario, const ScenarioOptions& options) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const int status = play_one(scenario, options);
    std::fflush(stdout);
    _exit(status);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

int play_scenarios(const ScenarioOptions& options) {
  std::vector<const sim::Scenario*> wanted;
  for (const std::string& name : options.names) {
    wanted.push_back(sim::scenario_named(name));
    if (wanted.back()) continue;
    fmt::print(stderr, "no such scenario: {}. There are:\n", name);
    for (const sim::Scenario& known : sim::scenarios())
      fmt::print(stderr, "  {:<28} {} ({})\n", known.name, known.story, known.like);
    return kBadUse;
  }
  if (wanted.empty())
    for (const sim::Scenario& scenario : sim::scenarios()) wanted.push_back(&scenario);

  std::size_t passed = 0;
  std::size_t failed = 0;
  for (const sim::Scenario* scenario : wanted) {
    if (options.breaks_rules && scenario->guards == Mutation::kNone) continue;
    const bool is_as_it_should_be = passes(*scenario, options) != options.breaks_rules;
    ++(is_as_it_should_be ? passed : failed);
    const char* verdict = options.breaks_rules
                              ? (is_as_it_should_be ? "fails without its rule, as it must"
                                                    : "NOTICES NOTHING without its rule")
                              : (is_as_it_should_be ? "passed" : "FAILED");
    fmt::print("{:<28} {} ({})\n", scenario->name, verdict, scenario->like);
  }
  fmt::print("{} passed, {} failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace synod::cli
