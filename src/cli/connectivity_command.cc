#include "cli/connectivity_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "sim/connectivity.h"

namespace synod::cli {
namespace {

struct Row {
  std::string_view engine;  // as the simulator has it
  std::string_view name;
};
constexpr std::array kRows{Row{"omnipaxos", "Omni-Paxos"},
                           Row{"omnipaxos-later", "Omni-Paxos, later election"},
                           Row{"raft", "Raft, PreVote and CheckQuorum"},
                           Row{"raft-plain", "Raft without them"}, Row{"zab", "Zab"}};

template <class Number>
struct Spread {
  Number median{};
  Number worst{};
};

template <class Number>
Spread<Number> spread_of(std::vector<Number> numbers) {
  if (numbers.empty()) return {};
  std::ranges::sort(numbers);
  return {numbers[numbers.size() / 2], numbers.back()};
}

class Cell {
 public:
  void add(const sim::CutReport& report) {
    ++runs_;
    if (report.recovered_after >= 0) recovered_.push_back(report.recovered_after);
    gaps_.push_back(report.longest_gap);
    changes_.push_back(report.leader_changes);
    epochs_.push_back(report.epochs_opened);
  }
  void print(std::string_view cut, std::string_view engine) const {
    const auto [soon, late] = spread_of(recovered_);
    const auto [gap, longest_gap] = spread_of(gaps_);
    const auto [changes, most_changes] = spread_of(changes_);
    const auto [epochs, most_epochs] = spread_of(epochs_);
    const std::string times =
        recovered_.empty() ? "        -" : fmt::format("{:4.1f} {:4.1f}", soon, late);
    fmt::print("{:<12} {:<30} {:>4}/{:<4} {:<10} {:5.1f} {:5.1f} {:5} {:5} {:5} {:5}\n", cut,
               engine, recovered_.size(), runs_, times, gap, longest_gap, changes, most_changes,
               epochs, most_epochs);
    std::fflush(stdout);
  }

 private:
  std::size_t runs_ = 0;
  std::vector<double> recovered_;
  std::vector<double> gaps_;
  std::vector<std::uint64_t> changes_;
  std::vector<std::uint32_t> epochs_;
};

}  // namespace

int connectivity(const ConnectivityOptions& options) {
  const bool shows_progress = isatty(STDERR_FILENO) != 0;
  bool is_clean = true;
  fmt::print(
      "Links are cut for 40 election timeouts, {} times each. Recovered: an entry committed that "
      "nobody had\n"
      "at the cut; after so many timeouts. Gap: the longest between commits. Median and worst.\n\n"
      "{:<12} {:<30} {:<9} {:<10} {:<11} {:<11} {:<11}\n",
      options.seeds, "cut", "engine", "recovered", "after", "gap", "new leaders", "new epochs");
  for (const sim::CutName& cut : sim::kCutNames) {
    for (const Row& row : kRows) {
      Cell cell;
      for (std::uint64_t i = 0; i < options.seeds; ++i) {
        if (shows_progress) fmt::print(stderr, "\r{} {} {}  ", cut.name, row.name, i + 1);
        const std::uint64_t seed = options.first_seed + i;
        const sim::CutReport report =
            sim::play_cut({.cut = cut.cut, .engine = std::string(row.engine), .seed = seed});
        cell.add(report);
        for (const std::string& violation : report.violations) {
          is_clean = false;
          fmt::print("{} {} seed {}: {}\n", cut.name, row.engine, seed, violation);
        }
      }
      if (shows_progress) fmt::print(stderr, "\r{:60}\r", "");
      cell.print(cut.name, row.name);
    }
  }
  return is_clean ? 0 : 1;
}

}  // namespace synod::cli
