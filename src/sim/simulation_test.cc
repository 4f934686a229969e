// The simulator itself: a seed is the whole run; what it shrinks; a sample of seeds.
#include "sim/simulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace synod::sim {
namespace {

using testing::IsEmpty;

TEST(Simulation, OneServerKeepsWhatItAcknowledged) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const RunReport report =
        run({.engine = "solo", .servers = 1, .seed = seed, .duration = 10 * kSecond});
    EXPECT_THAT(report.violations, IsEmpty()) << "seed " << seed;
    EXPECT_GT(report.requests, 0U) << "seed " << seed;
  }
}

class EnsembleSimulation : public testing::TestWithParam<std::string> {};

TEST_P(EnsembleSimulation, KeepsItsPromises) {
  for (const std::size_t servers : {1U, 3U, 5U}) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
      const RunReport report = run({.engine = GetParam(),
                                    .servers = servers,
                                    .observers = seed % 3,
                                    .seed = seed,
                                    .duration = 20 * kSecond});
      EXPECT_THAT(report.violations, IsEmpty()) << servers << " servers, seed " << seed;
    }
  }
}

TEST_P(EnsembleSimulation, ASeedIsTheWholeRun) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const RunOptions options{
        .engine = GetParam(), .servers = 3, .observers = 1, .seed = seed, .duration = 5 * kSecond};
    EXPECT_EQ(run(options).hash, run(options).hash) << "seed " << seed;
  }
}

TEST_P(EnsembleSimulation, WithoutFaultsNobodyLosesTheLead) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    WorldOptions options = plain_options();
    options.engine = GetParam();
    options.servers = 3;
    options.seed = seed;
    World world(std::move(options));
    world.start_all();
    EXPECT_TRUE(world.run_until([&] { return world.all_serve(); }, 5 * kSecond));
    // Omni-Paxos may begin with another one, before all of them have heard each other's ballots.
    world.run_for(2 * kSecond);
    const std::uint64_t leaders = world.ghost().leader_changes();
    EXPECT_LE(leaders, GetParam() == "omnipaxos" ? 2U : 1U);
    world.run_for(10 * kSecond);
    EXPECT_EQ(world.ghost().leader_changes(), leaders);
    world.finish();
    EXPECT_THAT(world.violations(), IsEmpty());
  }
}

INSTANTIATE_TEST_SUITE_P(Each, EnsembleSimulation, testing::Values("zab", "raft", "omnipaxos"));

// A snapshot whose link breaks while it is being installed, and that is sent again at once.
TEST(Simulation, AnInstallationIsGivenUpForTheNext) {
  const RunReport report = run({.engine = "raft", .servers = 5, .seed = 3});
  EXPECT_THAT(report.violations, IsEmpty());
}

TEST(Simulation, ShrinkingLeavesWhatMatters) {
  const auto fails = [](const std::vector<std::size_t>& faults) {
    return std::ranges::count(faults, 3U) + std::ranges::count(faults, 11U) == 2;
  };
  EXPECT_EQ(shrink({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, fails),
            (std::vector<std::size_t>{3, 11}));
}

}  // namespace
}  // namespace synod::sim
