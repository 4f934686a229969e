#include "cli/comparison_command.h"

#include <array>
#include <string_view>

#include "cli/connectivity_comparison.h"
#include "cli/replacement_comparison.h"
#include "cli/report_command.h"

namespace synod::cli {
namespace {

constexpr int kBadUse = 2;

// Of scenarios that are alike.
struct Kind {
  std::string_view title;
  std::vector<std::string_view> (*names)();
  std::vector<std::string_view> (*engines)();
  std::string (*text)(const ComparisonOptions& options);
  // Of those of its scenarios that are asked for; adds to the page. True: nothing was violated.
  bool (*play)(const ComparisonOptions& options, sim::report::Page& page);
};
constexpr std::array kKinds{
    Kind{"Which engine goes on when links are cut", cut_names, cut_engines, cut_text, play_cuts},
    Kind{"What it takes to replace servers", replacement_names, replacement_engines,
         replacement_text, play_replacements}};

bool is_among(std::string_view name, const std::vector<std::string_view>& names) {
  return std::ranges::find(names, name) != names.end();
}

bool is_asked_for(const Kind& kind, const ComparisonOptions& options) {
  return std::ranges::any_of(options.scenarios,
                             [&](std::string_view name) { return is_among(name, kind.names()); });
}

// False, and said: none of the kinds has it, of those that are asked for.
bool are_known(const ComparisonOptions& options) {
  for (const std::string& name : options.scenarios) {
    if (std::ranges::any_of(kKinds, [&](const Kind& kind) { return is_among(name, kind.names()); }))
      continue;
    fmt::print(stderr, "no such scenario: {}. There are:", name);
    for (const Kind& kind : kKinds) fmt::print(stderr, " {}", fmt::join(kind.names(), " "));
    fmt::print(stderr, "; and those of `synod sim scenario`\n");
    return false;
  }
  if (options.engine.empty()) return true;
  for (const Kind& kind : kKinds) {
    if (!is_asked_for(kind, options) || is_among(options.engine, kind.engines())) continue;
    fmt::print(stderr, "no such engine: {}. There are: {}\n", options.engine,
               fmt::join(kind.engines(), " "));
    return false;
  }
  return true;
}

std::string command_line(const ComparisonOptions& options) {
  return fmt::format("synod sim --scenario {}{} --seeds {} --first-seed {} --report {}",
                     fmt::join(options.scenarios, ","),
                     options.engine.empty() ? "" : " --engine " + options.engine, options.seeds,
                     options.first_seed, options.report);
}

}  // namespace

int compare(const ComparisonOptions& options) {
  if (!are_known(options)) return kBadUse;
  bool is_clean = true;
  sim::report::Page page{.title = "", .text = "", .command = command_line(options), .sections = {}};
  for (const Kind& kind : kKinds) {
    if (!is_asked_for(kind, options)) continue;
    page.title += fmt::format("{}{}", page.title.empty() ? "" : "; ", kind.title);
    page.text += fmt::format("{}{}", page.text.empty() ? "" : " ", kind.text(options));
    is_clean &= kind.play(options, page);
  }
  if (!options.report.empty()) is_clean &= write_report(options.report, page);
  return is_clean ? 0 : 1;
}

}  // namespace synod::cli
