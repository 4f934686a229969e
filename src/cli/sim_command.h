// `synod sim`: runs of the simulator by the thousand, each seed in a child process, so that a
// broken invariant that stops a process is a failed seed and no more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace synod::cli {

struct SimOptions {
  std::vector<std::string>
      scenarios;       // published ones (comparison_command.h), in place of faults
  std::string engine;  // empty: zab; of a scenario: all
  std::size_t servers = 5;
  std::size_t observers = 0;
  std::size_t spares = 0;   // no members at first; with any, the membership changes during the run
  std::uint64_t seeds = 0;  // 0: 100, or 20 of a scenario or in a report
  std::uint64_t first_seed = 1;
  std::string faults = "all";  // all, none, or kinds with commas between them
  std::string only;  // of the faults drawn, those with these numbers (what a shrunk run says)
  std::int64_t seconds = 60;  // simulated, before everything is healed
  std::size_t jobs = 2;
  std::string report;       // a file for the page with plots; empty: none
  bool is_traced = false;   // one seed, and a line for everything that happens
  bool is_verbose = false;  // a line for each seed
};

// The exit status: 0 if all passed.
[[nodiscard]] int sim(const SimOptions& options);

}  // namespace synod::cli
