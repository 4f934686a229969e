// The report's pictures: SVG and tables, as text in the page. Each has a title and a description
// for who cannot see it; colours are the page's variables, so that they follow its light or dark.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/recorder.h"
#include "sim/report/statistics.h"

namespace synod::sim::report {

// Runs that differ in their seeds only, and how their time is told.
struct Group {
  std::string title;
  std::string note;             // a sentence, or nothing
  Micros unit = kSecond;        // of the time axis
  std::string unit_name = "s";  // as the axis says it
  Micros bin = kSecond;         // for throughput
  std::vector<std::uint64_t> seeds;
  std::vector<RunRecord> runs;  // of each seed, all of the same ensemble and length
};

// Committed transactions a second over all runs of a group.
struct Throughput {
  std::vector<Micros> middles;  // of the bins
  std::vector<Estimate> rates;
};
[[nodiscard]] Throughput throughput_of(const Group& group);

// Up to `top` (a rate), so that figures of several groups can be compared.
[[nodiscard]] std::string throughput_figure(const Group& group, const Throughput& throughput,
                                            double top);
[[nodiscard]] std::string throughput_numbers(const Group& group, const Throughput& throughput);
// One run: who was what, and below it what was committed.
[[nodiscard]] std::string leaders_figure(const Group& group, std::size_t run);
// The mean of all runs.
[[nodiscard]] std::string bytes_table(const Group& group);

[[nodiscard]] std::string escaped(std::string_view text);
// At or above `most`: 1, 2 or 5 times a power of ten.
[[nodiscard]] double round_top(double most);

}  // namespace synod::sim::report
