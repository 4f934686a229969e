#include "cli/replacement_comparison.h"

#include <array>

#include "sim/replacement.h"

namespace synod::cli {
namespace {

constexpr std::string_view kAll = "reconfigure";

// Published: throughput, with five million entries (consensus.md 8.1).
struct Row {
  std::string_view engine;  // as the simulator has it
  std::string_view name;
  std::array<std::string_view, sim::kReplacements.size()> published;  // in their order
};
constexpr std::array kRows{
    Row{"omnipaxos", "Omni-Paxos", {"20 % less, 15 s", "80 % less, 15 s", "-"}},
    Row{"raft", "Raft", {"90 % less, 55 s", "none 40 s, back after 120 s", "-"}},
    Row{"zab", "Zab", {"-", "-", "-"}}};

class Cell {
 public:
  void add(const sim::ReplacementReport& report) {
    const auto seconds = [](sim::Micros time) { return static_cast<double>(time) / sim::kSecond; };
    const auto megabytes = [](std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; };
    ++runs_;
    if (!report.served_after) return;  // a violation, which is told
    gaps_.push_back(seconds(report.longest_gap));
    taken_.push_back(seconds(*report.taken_after));
    served_.push_back(seconds(*report.served_after));
    leader_.push_back(megabytes(report.leader_bytes));
    most_.push_back(megabytes(report.most_bytes));
    all_.push_back(megabytes(report.all_bytes));
  }
  // As kHead has them.
  [[nodiscard]] std::vector<std::string> row(const Row& row, std::size_t replacement) const {
    std::vector<std::string> cells{std::string(row.name),
                                   fmt::format("{} of {}", served_.size(), runs_)};
    for (const std::vector<double>* figures : {&gaps_, &taken_, &served_, &leader_, &most_, &all_})
      cells.push_back(both_of(*figures, 2));
    cells.emplace_back(row.published.at(replacement));
    return cells;
  }

 private:
  std::size_t runs_ = 0;
  std::vector<double> gaps_;
  std::vector<double> taken_;
  std::vector<double> served_;
  std::vector<double> leader_;
  std::vector<double> most_;
  std::vector<double> all_;
};
constexpr std::array kHead{"engine",           "done",           "longest gap s",
                           "taken after s",    "serve after s",  "leader sent MB",
                           "most sent by one", "sent by all MB", "published"};

// Both may be given: "reconfigure" and one of its own.
bool is_asked_for(const sim::ReplacementName& replacement, const ComparisonOptions& options) {
  return std::ranges::any_of(options.scenarios, [&](std::string_view name) {
    return name == kAll || name == replacement.name;
  });
}

void print(std::string_view replacement, const std::vector<std::string>& cells) {
  fmt::print("{:<17}", replacement);
  for (const std::string& cell : cells) fmt::print(" {:<15}", cell);
  fmt::print("\n");
  std::fflush(stdout);
}

sim::report::Section empty_section(const sim::ReplacementName& replacement) {
  return {.title = std::string(replacement.name),
          .text = fmt::format("Five servers, of which {} replaced by fresh ones, while clients "
                              "write. Which of them: the seed says.",
                              replacement.replaced == 1 ? "one is"
                              : replacement.replaced == 5
                                  ? "all are"
                                  : fmt::format("{} are", replacement.replaced)),
          .summary = {.head = {kHead.begin(), kHead.end()}, .rows = {}},
          .groups = {}};
}

// True: no run violated anything.
bool play(const ComparisonOptions& options, std::size_t replacement, const Row& row,
          sim::report::Section& section) {
  const sim::ReplacementName& name = sim::kReplacements.at(replacement);
  Cell cell;
  sim::report::Group group{.title = fmt::format("{}: {}", name.name, row.name),
                           .note = "",
                           .unit_name = "seconds since the new servers started",
                           .bin = sim::kSecond / 2,
                           .seeds = {},
                           .runs = {}};
  const bool is_clean = play_seeds(
      options, name.name, row.name, group,
      [&](std::uint64_t seed) {
        return sim::play_replacement({.replaced = name.replaced,
                                      .engine = std::string(row.engine),
                                      .seed = seed,
                                      .is_recorded = !options.report.empty()});
      },
      [&](const sim::ReplacementReport& report) { cell.add(report); });
  section.summary.rows.push_back(cell.row(row, replacement));
  print(name.name, section.summary.rows.back());
  if (!group.runs.empty()) section.groups.push_back(std::move(group));
  return is_clean;
}

}  // namespace

std::vector<std::string_view> replacement_names() {
  std::vector<std::string_view> names{kAll};
  for (const sim::ReplacementName& replacement : sim::kReplacements)
    names.push_back(replacement.name);
  return names;
}

std::vector<std::string_view> replacement_engines() {
  std::vector<std::string_view> engines;
  for (const Row& row : kRows) engines.push_back(row.engine);
  return engines;
}

std::string replacement_text(const ComparisonOptions& options) {
  return fmt::format(
      "Servers with a log of {} entries, most of it on disk only, were replaced by fresh ones in "
      "each of {} runs, under load; what a server sends is limited to {} KB a second. Times are "
      "seconds since the new servers started, and one reconfiguration was asked for until it was "
      "taken: Raft and Zab want the new servers in step before. Gap: between commits. Sent: to "
      "other servers until all the new ones served, with what clients wrote meanwhile; by the one "
      "that led at first, by the one that sent most, by all. Median / worst. Published: "
      "throughput, with five million entries, and a Raft that does not wait for the new servers.",
      sim::ReplacementOptions{}.entries, options.seeds, sim::ReplacementOptions{}.uplink / 1000);
}

bool play_replacements(const ComparisonOptions& options, sim::report::Page& page) {
  fmt::print("{}\n\n", replacement_text(options));
  print("replaced", {kHead.begin(), kHead.end()});
  bool is_clean = true;
  for (std::size_t i = 0; i < sim::kReplacements.size(); ++i) {
    if (!is_asked_for(sim::kReplacements.at(i), options)) continue;
    page.sections.push_back(empty_section(sim::kReplacements.at(i)));
    for (const Row& row : kRows)
      if (options.engine.empty() || row.engine == options.engine)
        is_clean &= play(options, i, row, page.sections.back());
  }
  return is_clean;
}

}  // namespace synod::cli
