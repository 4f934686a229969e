#include "cli/connectivity_comparison.h"

#include <array>
#include <string>

#include "sim/connectivity.h"

namespace synod::cli {
namespace {

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
    return {std::string(row.name),
            fmt::format("{} of {}", recovered_.size(), runs_),
            both_of(recovered_),
            both_of(gaps_),
            both_of(changes_),
            both_of(epochs_),
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
bool play(const ComparisonOptions& options, std::size_t cut, const Row& row,
          sim::report::Section& section) {
  const sim::CutName& name = sim::kCutNames.at(cut);
  Cell cell;
  sim::report::Group group = empty_group(name, row);
  const bool is_clean = play_seeds(
      options, name.name, row.name, group,
      [&](std::uint64_t seed) {
        return sim::play_cut({.cut = name.cut,
                              .engine = std::string(row.engine),
                              .seed = seed,
                              .is_recorded = !options.report.empty()});
      },
      [&](const sim::CutReport& report) { cell.add(report); });
  cell.print(name.name, row.name, row.published.at(cut));
  section.summary.rows.push_back(cell.row(row, cut));
  if (!group.runs.empty()) section.groups.push_back(std::move(group));
  return is_clean;
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

void print_head(const ComparisonOptions& options) {
  fmt::print(
      "Links are cut for {} election timeouts, {} times each. Recovered: an entry committed that "
      "nobody had\n"
      "at the cut; after so many timeouts. Gap: the longest between commits. Median and worst.\n\n"
      "{:<20} {:<26} {:<9} {:<10} {:<11} {:<11} {:<11}  {}\n",
      sim::CutOptions{}.timeouts, options.seeds, "cut", "engine", "recovered", "after", "gap",
      "new leaders", "new epochs", "published");
}

}  // namespace

std::string cut_text(const ComparisonOptions& options) {
  return fmt::format(
      "Links were cut for {} election timeouts, at another moment in each of {} runs. "
      "Recovered: an entry was committed that nobody had logged at the cut; after so many "
      "election timeouts. Gap: between commits, in election timeouts. Of these and of new "
      "leaders and epochs: median / worst. Published: down-time in election timeouts, or "
      "what was said of it.",
      sim::CutOptions{}.timeouts, options.seeds);
}

std::vector<std::string_view> cut_names() {
  std::vector<std::string_view> names;
  for (const sim::CutName& cut : sim::kCutNames) names.push_back(cut.name);
  return names;
}

std::vector<std::string_view> cut_engines() {
  std::vector<std::string_view> engines;
  for (const Row& row : kRows) engines.push_back(row.engine);
  return engines;
}

bool play_cuts(const ComparisonOptions& options, sim::report::Page& page) {
  print_head(options);
  bool is_clean = true;
  for (const std::string& name : options.scenarios) {
    const auto* const found = std::ranges::find(sim::kCutNames, name, &sim::CutName::name);
    if (found == sim::kCutNames.end()) continue;
    const auto cut = static_cast<std::size_t>(found - sim::kCutNames.begin());
    page.sections.push_back(empty_section(cut));
    for (const Row& row : kRows)
      if (options.engine.empty() || row.engine == options.engine)
        is_clean &= play(options, cut, row, page.sections.back());
  }
  return is_clean;
}

}  // namespace synod::cli
