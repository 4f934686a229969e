// `synod sim connectivity`: which engine goes on when links are cut in which way, and how soon.
#pragma once

#include <cstdint>

namespace synod::cli {

struct ConnectivityOptions {
  std::uint64_t seeds = 20;  // each cuts at another moment
  std::uint64_t first_seed = 1;
};

// Prints a table, engine by cut. The exit status: 0, 1 where a run violated what must always hold.
[[nodiscard]] int connectivity(const ConnectivityOptions& options);

}  // namespace synod::cli
