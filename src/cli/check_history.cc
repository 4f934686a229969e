#include "cli/check_history.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "sim/check/checks.h"
#include "sim/check/history_file.h"

namespace synod::cli {
namespace {

namespace check = sim::check;

Result<check::History> read_files(const std::vector<std::string>& files) {
  check::History history;
  for (const std::string& name : files) {
    std::ifstream file(name);
    std::ostringstream text;
    text << file.rdbuf();
    if (!file) return fail(ErrorKind::kIo, fmt::format("{}: {}", name, std::strerror(errno)));
    if (auto read = check::read_history(name, text.str(), history); !read) {
      return std::unexpected(read.error());
    }
  }
  return history;
}

void print_outcomes(const check::History& history) {
  std::map<check::Outcome, std::size_t> outcomes;
  for (const check::Operation& operation : history.operations) ++outcomes[operation.outcome];
  using Event = check::SessionEvent::Kind;
  std::map<Event, std::size_t> events;
  for (const check::SessionEvent& event : history.session_events) ++events[event.kind];
  fmt::print("{} operations: {} ok, {} refused, {} without an answer; {} watch events\n",
             history.operations.size(), outcomes[check::Outcome::kOk],
             outcomes[check::Outcome::kError], outcomes[check::Outcome::kUnknown],
             history.watch_events.size());
  fmt::print("{} sessions: {} expired; connections lost {} times, {} times back in the session\n",
             events[Event::kOpened], events[Event::kExpired], events[Event::kLost],
             events[Event::kReconnected]);
}

// What stands first in time is the one to look at first.
check::Moment began(const check::History& history, const check::Violation& violation) {
  check::Moment first = check::kNever;
  for (const std::size_t index : violation.operations) {
    first = std::min(first, history.operations[index].invoked_at);
  }
  return first;
}

int verdict(const check::History& history, const check::Report& report) {
  std::map<check::Rule, std::size_t> broken;
  for (const check::Violation& violation : report.violations) ++broken[violation.rule];
  for (const auto& [rule, count] : broken) fmt::print("{}: {}\n", check::to_string(rule), count);
  fmt::print("lost acknowledged writes: {}\nviolations: {}\n", report.lost.size(),
             report.violations.size());
  for (const std::string& line : report.undecided) fmt::print("undecided: {}\n", line);
  if (!report.violations.empty()) {
    const auto first = std::ranges::min_element(
        report.violations, {},
        [&](const check::Violation& violation) { return began(history, violation); });
    fmt::print("the first:\n{}\n", check::explain(history, *first));
    return 1;
  }
  if (!report.undecided.empty()) return 3;
  fmt::print("every rule holds\n");
  return 0;
}

}  // namespace

int check_history(const CheckHistory& task) {
  const auto history = read_files(task.files);
  if (!history) {
    fmt::print(stderr, "{}\n", history.error().text);
    return 2;
  }
  print_outcomes(*history);
  return verdict(*history, check::check(*history, {.sync_is_barrier = !task.has_weak_sync,
                                                   .search_budget = task.search_budget}));
}

}  // namespace synod::cli
