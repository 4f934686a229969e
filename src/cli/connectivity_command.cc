#include "cli/connectivity_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/report_command.h"
#include "sim/connectivity.h"
#include "sim/report/page.h"

namespace synod::cli {
namespace {

constexpr int kBadUse = 2;

// Published: down-time in election timeouts (of 500 and 5000 ms) as the artifact plots it, or what
// the paper's table says where nothing was measured (consensus.md 7.2, 7.3).
struct Row {
  std::string_view engine;  // as the simulator has it
  std::string_view name;
  std::array<std::string_view, sim::kCutNames.size()> published;  // in their order
};
constexpr std::array kRows{
    Row{"omnipaxos", "Omni-Paxos", {"3.7 to 4.1", "2.7 to 3.8", "stable", "-", "-"}},
    Row{"omnipaxos-later", "Omni-Paxos, later election", {"-", "-", "-", "-", "-"}},
    Row{"raft",
        "Raft, PreVote, CheckQuorum",
        {"2.8 to 3.9", "stuck", "stable", "stable", "stable"}},
    Row{"raft-plain",
        "Raft without them",
        {"3.5 to 5.0", "stuck", "unstable", "unstable", "unstable"}},
    Row{"zab", "Zab", {"stuck", "stuck", "unstable", "-", "-"}},
    Row{"multipaxos", "Multi-Paxos (model)", {"stuck", "2.5 to 3.4", "unstable", "-", "-"}},
    Row{"vr", "Viewstamped (model)", {"stuck", "stuck", "unstable", "-", "-"}}};

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
  // For a report: name, recovered, after, gap, leaders, epochs, published.
  [[nodiscard]] std::vector<std::string> row(const Row& row, std::size_t cut) const {
    const auto both = [](const auto& numbers) {
      const auto [median, worst] = spread_of(numbers);
      if constexpr (std::is_same_v<decltype(median), const double>)
        return fmt::format("{:.1f} / {:.1f}", median, worst);
      else
        return fmt::format("{} / {}", median, worst);
    };
    return {std::string(row.name),
            fmt::format("{} of {}", recovered_.size(), runs_),
            recovered_.empty() ? "-" : both(recovered_),
            both(gaps_),
            both(changes_),
            both(epochs_),
            std::string(row.published.at(cut))};
  }
  void print(std::string_view cut, std::string_view engine, std::string_view published) const {
    const auto [soon, late] = spread_of(recovered_);
    const auto [gap, longest_gap] = spread_of(gaps_);
    const auto [changes, most_changes] = spread_of(changes_);
    const auto [epochs, most_epochs] = spread_of(epochs_);
    const std::string times =
        recovered_.empty() ? "        -" : fmt::format("{:4.1f} {:4.1f}", soon, late);
    fmt::print("{:<20} {:<26} {:>4}/{:<4} {:<10} {:5.1f} {:5.1f} {:5} {:5} {:5} {:5}  {}\n", cut,
               engine, recovered_.size(), runs_, times, gap, longest_gap, changes, most_changes,
               epochs, most_epochs, published);
    std::fflush(stdout);
  }

 private:
  std::size_t runs_ = 0;
  std::vector<double> recovered_;
  std::vector<double> gaps_;
  std::vector<std::uint64_t> changes_;
  std::vector<std::uint32_t> epochs_;
};

sim::report::Group empty_group(const sim::CutName& cut, const Row& row) {
  const sim::Micros timeout = sim::election_timeout_of(row.engine);
  return {.title = fmt::format("{}: {}", cut.name, row.name),
          .note = "",
          .unit = timeout,
          .unit_name = fmt::format("election timeouts since the cut (each {} ms)",
                                   timeout / sim::kMillisecond),
          .bin = timeout / 2,
          .seeds = {},
          .runs = {}};
}

// True: no run violated anything.
bool play(const ConnectivityOptions& options, std::size_t cut, const Row& row,
          sim::report::Section& section) {
  const bool shows_progress = isatty(STDERR_FILENO) != 0;
  const sim::CutName& name = sim::kCutNames.at(cut);
  bool is_clean = true;
  Cell cell;
  sim::report::Group group = empty_group(name, row);
  for (std::uint64_t i = 0; i < options.seeds; ++i) {
    if (shows_progress) fmt::print(stderr, "\r{} {} {}  ", name.name, row.name, i + 1);
    const std::uint64_t seed = options.first_seed + i;
    sim::CutReport report = sim::play_cut({.cut = name.cut,
                                           .engine = std::string(row.engine),
                                           .seed = seed,
                                           .is_recorded = !options.report.empty()});
    cell.add(report);
    if (report.record && report.violations.empty()) {
      group.seeds.push_back(seed);
      group.runs.push_back(std::move(*report.record));
    }
    for (const std::string& violation : report.violations) {
      is_clean = false;
      fmt::print("{} {} seed {}: {}\n", name.name, row.engine, seed, violation);
    }
  }
  if (shows_progress) fmt::print(stderr, "\r{:60}\r", "");
  cell.print(name.name, row.name, row.published.at(cut));
  section.summary.rows.push_back(cell.row(row, cut));
  if (!group.runs.empty()) section.groups.push_back(std::move(group));
  return is_clean;
}

// Their places in kCutNames.
std::optional<std::vector<std::size_t>> cuts_named(const std::vector<std::string>& names) {
  std::vector<std::size_t> cuts;
  for (const std::string& name : names) {
    const auto* const found = std::ranges::find(sim::kCutNames, name, &sim::CutName::name);
    if (found == sim::kCutNames.end()) {
      fmt::print(stderr, "no such scenario: {}. There are:", name);
      for (const sim::CutName& known : sim::kCutNames) fmt::print(stderr, " {}", known.name);
      fmt::print(stderr, "; and those of `synod sim scenario`\n");
      return std::nullopt;
    }
    cuts.push_back(static_cast<std::size_t>(found - sim::kCutNames.begin()));
  }
  return cuts;
}

sim::report::Section empty_section(std::size_t cut) {
  static constexpr std::array kStories{
      "Five servers. Of all links only those of one server are left, which does not lead: a star. "
      "Its centre alone reaches a quorum.",
      "Five servers. The centre of the star loses the leader half a timeout before the others do, "
      "and so is behind; then the leader reaches nobody, and the others the centre only.",
      "Three servers. The leader and another do not reach each other; the third reaches both.",
      "Five servers. Three reach each other, of which one leads; of the other two servers one "
      "hangs "
      "on the leader alone, one on a follower (Howard and Abraham 2020).",
      "Five servers. The leader and one other do not reach each other; three servers reach both "
      "(NuRaft's page about PreVote)."};
  static_assert(kStories.size() == sim::kCutNames.size());
  return {.title = std::string(sim::kCutNames.at(cut).name),
          .text = kStories.at(cut),
          .summary = {.head = {"engine", "recovered", "after", "longest gap", "new leaders",
                               "new epochs", "published"},
                      .rows = {}},
          .groups = {}};
}

sim::report::Page empty_page(const ConnectivityOptions& options) {
  return {.title = "Which engine goes on when links are cut",
          .text = fmt::format(
              "Links were cut for {} election timeouts, at another moment in each of {} runs. "
              "Recovered: an entry was committed that nobody had logged at the cut; after so many "
              "election timeouts. Gap: between commits, in election timeouts. Of these and of new "
              "leaders and epochs: median / worst. Published: down-time in election timeouts, or "
              "what was said of it.",
              sim::CutOptions{}.timeouts, options.seeds),
          .command = fmt::format("synod sim --scenario {}{} --seeds {} --first-seed {} --report {}",
                                 fmt::join(options.scenarios, ","),
                                 options.engine.empty() ? "" : " --engine " + options.engine,
                                 options.seeds, options.first_seed, options.report),
          .sections = {}};
}

}  // namespace

int connectivity(const ConnectivityOptions& options) {
  const auto cuts = cuts_named(options.scenarios);
  if (!cuts) return kBadUse;
  std::vector<Row> rows;
  for (const Row& row : kRows)
    if (options.engine.empty() || row.engine == options.engine) rows.push_back(row);
  if (rows.empty()) {
    fmt::print(stderr, "no such engine: {}. There are:", options.engine);
    for (const Row& row : kRows) fmt::print(stderr, " {}", row.engine);
    fmt::print(stderr, "\n");
    return kBadUse;
  }
  fmt::print(
      "Links are cut for {} election timeouts, {} times each. Recovered: an entry committed that "
      "nobody had\n"
      "at the cut; after so many timeouts. Gap: the longest between commits. Median and worst.\n\n"
      "{:<20} {:<26} {:<9} {:<10} {:<11} {:<11} {:<11}  {}\n",
      sim::CutOptions{}.timeouts, options.seeds, "cut", "engine", "recovered", "after", "gap",
      "new leaders", "new epochs", "published");
  bool is_clean = true;
  sim::report::Page page = empty_page(options);
  for (const std::size_t cut : *cuts) {
    page.sections.push_back(empty_section(cut));
    for (const Row& row : rows) is_clean &= play(options, cut, row, page.sections.back());
  }
  if (!options.report.empty()) is_clean &= write_report(options.report, page);
  return is_clean ? 0 : 1;
}

}  // namespace synod::cli
