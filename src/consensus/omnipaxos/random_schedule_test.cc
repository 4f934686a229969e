// Random schedules (consensus/cluster/schedule.h), with either election rule.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "base/mutation.h"
#include "consensus/cluster/schedule.h"
#include "consensus/omnipaxos/test_cluster.h"

namespace synod::consensus::omnipaxos {
namespace {

TEST(OmniPaxosRandomSchedule, SequenceConsensusHolds) {
  cluster::set_mutation_from_environment();
  const cluster::Seeds seeds = cluster::seeds_from_environment();
  int trees = 0;
  int fetches = 0;
  std::size_t commits = 0;
  std::size_t leaders = 0;
  for (std::uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    const auto rule = seed % 3 == 0 ? ElectionRule::kHappiness : ElectionRule::kPaper;
    cluster::Schedule schedule(seed, [&](const cluster::Options& options) {
      return std::make_unique<TestCluster>(options, TestOptions{.election = rule});
    });
    ASSERT_EQ(schedule.run(), "") << "seed " << seed;
    const auto& cluster = static_cast<TestCluster&>(schedule.cluster());
    trees += cluster.trees_sent() > 0;
    fetches += cluster.count_sent<Fetched>() > 0;
    commits += cluster.committed_count();
    leaders += cluster.leaders().size();
  }
  if (seeds.count < 100) return;
  EXPECT_GT(trees, 0);
  EXPECT_GT(fetches, 0);
  std::printf("%zu seeds: %d with a tree, %d with a fetched log; %zu commits, %zu leaders\n",
              static_cast<std::size_t>(seeds.count), trees, fetches, commits, leaders);
}

}  // namespace
}  // namespace synod::consensus::omnipaxos
