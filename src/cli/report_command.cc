#include "cli/report_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

namespace synod::cli {

bool write_report(const std::string& file, const sim::report::Page& page) {
  errno = 0;
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << sim::report::to_html(page);
  out.close();
  if (out) return true;
  fmt::print(stderr, "{}: {}\n", file, std::strerror(errno));
  return false;
}

int report_runs(const ReportOptions& options) {
  const bool shows_progress = isatty(STDERR_FILENO) != 0;
  sim::report::Group group{.title = fmt::format("{}, {} servers", options.run.engine,
                                                options.run.servers + options.run.observers),
                           .note = "Each seed draws its own load, speeds and faults.",
                           .unit_name = "seconds",
                           .bin = 2 * sim::kSecond,
                           .seeds = {},
                           .runs = {}};
  sim::report::Table summary{
      .head = {"seed", "verdict", "transactions", "leaders that served", "starts", "faults"},
      .rows = {}};
  std::size_t failed = 0;
  sim::RunOptions run = options.run;
  run.is_recorded = true;
  for (std::uint64_t i = 0; i < options.seeds; ++i, ++run.seed) {
    if (shows_progress) fmt::print(stderr, "\rseed {} ", run.seed);
    sim::RunReport report = sim::run(run);
    const bool is_clean = report.violations.empty();
    failed += is_clean ? 0 : 1;
    for (const std::string& violation : report.violations)
      fmt::print("seed {} FAILED: {}\n", run.seed, violation);
    summary.rows.push_back({fmt::to_string(run.seed), is_clean ? "passed" : "FAILED",
                            fmt::to_string(report.committed), fmt::to_string(report.leader_changes),
                            fmt::to_string(report.counts.restarts),
                            fmt::to_string(report.record->marks.size())});
    // One that was stopped half-way has no mean with the others.
    if (!is_clean) continue;
    group.seeds.push_back(run.seed);
    group.runs.push_back(std::move(*report.record));
  }
  if (shows_progress) fmt::print(stderr, "\r{:20}\r", "");
  sim::report::Page page{
      .title = fmt::format("Simulated runs of {}", options.run.engine),
      .text =
          "An ensemble and its clients in simulation, with faults drawn from each seed, for so "
          "long as the time lines show; then everything was healed, and what the clients had "
          "seen was judged.",
      .command = options.command,
      .sections = {{.title = "The runs", .text = "", .summary = std::move(summary), .groups = {}}}};
  if (!group.runs.empty()) page.sections.front().groups.push_back(std::move(group));
  const bool is_written = write_report(options.file, page);
  fmt::print("{} passed, {} failed; {}\n", options.seeds - failed, failed,
             is_written ? options.file : "no report");
  return failed == 0 && is_written ? 0 : 1;
}

}  // namespace synod::cli
