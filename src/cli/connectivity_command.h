// `synod sim --scenario chained|quorum-loss|constrained-election`: which engine goes on when links
// are cut in which way, and how soon; beside what the Omni-Paxos paper and its artifact say.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace synod::cli {

struct ConnectivityOptions {
  std::vector<std::string> scenarios;
  std::string engine;        // empty: all, and the models
  std::uint64_t seeds = 20;  // each cuts at another moment
  std::uint64_t first_seed = 1;
  std::string report;  // a file for the page with plots; empty: none
};

// Prints a table, engine by cut. The exit status: 0, 1 where a run violated what must always hold
// or the report cannot be written, 2 for a name that is not known.
[[nodiscard]] int connectivity(const ConnectivityOptions& options);

}  // namespace synod::cli
