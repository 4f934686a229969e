// The simulator itself: a seed is the whole run, and what it finds.
#include "sim/simulation.h"

#include <gtest/gtest.h>

namespace synod::sim {
namespace {

std::string text_of(const RunReport& report) {
  std::string text;
  for (const std::string& violation : report.violations) text += violation + '\n';
  return text;
}

TEST(Simulation, OneServerKeepsWhatItAcknowledged) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const RunReport report =
        run({.engine = "solo", .servers = 1, .seed = seed, .duration = 10 * kSecond});
    EXPECT_TRUE(report.violations.empty()) << "seed " << seed << ": " << text_of(report);
    EXPECT_GT(report.requests, 10U);
  }
}

TEST(Simulation, ASeedIsTheWholeRun) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const RunOptions options{.engine = "solo", .servers = 1, .seed = seed, .duration = 5 * kSecond};
    EXPECT_EQ(run(options).hash, run(options).hash) << "seed " << seed;
  }
}

}  // namespace
}  // namespace synod::sim
