// `synod sim … --report FILE`: the runs as one HTML page, with plots.
#pragma once

#include <cstdint>
#include <string>

#include "sim/report/page.h"
#include "sim/simulation.h"

namespace synod::cli {

// An interval of confidence says little of fewer runs.
inline constexpr std::uint64_t kReportSeedsMin = 10;

struct ReportOptions {
  sim::RunOptions run;  // of every seed
  std::uint64_t seeds = kReportSeedsMin;
  std::string file;
  std::string command;  // that makes the page again
};

// One seed after another, in this process. The exit status: 0, 1 where a run violated what must
// always hold or the file cannot be written.
[[nodiscard]] int report_runs(const ReportOptions& options);

// False, and said on stderr: it cannot be written.
[[nodiscard]] bool write_report(const std::string& file, const sim::report::Page& page);

}  // namespace synod::cli
