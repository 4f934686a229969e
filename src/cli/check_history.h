// `synod sim check`: judges histories that were written down.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace synod::cli {

struct CheckHistory {
  std::vector<std::string> files;  // together one history
  bool has_weak_sync = false;      // ZooKeeper's, which is no barrier
  std::uint64_t search_budget = 2'000'000;
};

// 0: every rule holds; 1: one is broken; 2: a file cannot be read; 3: undecided within the budget.
[[nodiscard]] int check_history(const CheckHistory& task);

}  // namespace synod::cli
