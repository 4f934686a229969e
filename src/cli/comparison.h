// What the comparisons of engines have in common (comparison_command.h): every seed is played, and
// told as median and worst.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sim/report/page.h"

namespace synod::cli {

struct ComparisonOptions {
  std::vector<std::string> scenarios;
  std::string engine;        // empty: all
  std::uint64_t seeds = 20;  // of each cell
  std::uint64_t first_seed = 1;
  std::string report;  // a file for the page with plots; empty: none
};

template <class Number>
struct Spread {
  Number median{};
  Number worst{};
};

template <class Number>
[[nodiscard]] Spread<Number> spread_of(std::vector<Number> numbers) {
  if (numbers.empty()) return {};
  std::ranges::sort(numbers);
  return {numbers[numbers.size() / 2], numbers.back()};
}

// As a report's table has them.
template <class Number>
[[nodiscard]] std::string both_of(const std::vector<Number>& numbers, int decimals = 1) {
  if (numbers.empty()) return "-";
  const auto [median, worst] = spread_of(numbers);
  if constexpr (std::is_floating_point_v<Number>)
    return fmt::format("{:.{}f} / {:.{}f}", median, decimals, worst, decimals);
  else
    return fmt::format("{} / {}", median, worst);
}

// `play` has a report for a seed; `add` is shown each. What was violated is told at once, and what
// was recorded goes into the group. True: nothing was violated.
[[nodiscard]] bool play_seeds(const ComparisonOptions& options, std::string_view scenario,
                              std::string_view engine, sim::report::Group& group, const auto& play,
                              const auto& add) {
  const bool shows_progress = isatty(STDERR_FILENO) != 0;
  bool is_clean = true;
  for (std::uint64_t i = 0; i < options.seeds; ++i) {
    if (shows_progress) fmt::print(stderr, "\r{} {} {}  ", scenario, engine, i + 1);
    const std::uint64_t seed = options.first_seed + i;
    auto report = play(seed);
    add(report);
    if (report.record && report.violations.empty()) {
      group.seeds.push_back(seed);
      group.runs.push_back(std::move(*report.record));
    }
    for (const std::string& violation : report.violations) {
      is_clean = false;
      fmt::print("{} {} seed {}: {}\n", scenario, engine, seed, violation);
    }
  }
  if (shows_progress) fmt::print(stderr, "\r{:60}\r", "");
  return is_clean;
}

}  // namespace synod::cli
