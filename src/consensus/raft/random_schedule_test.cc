// Random schedules (consensus/cluster/schedule.h) for Raft.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>

#include "consensus/cluster/schedule.h"
#include "consensus/raft/test_cluster.h"

namespace synod::consensus::raft {
namespace {

// With all rules, with those of the paper alone, and with one-step repair and windows of two.
void adjust(std::uint64_t seed, Options& options) {
  if (seed % 4 == 1) options.pre_vote = options.check_quorum = false;
  if (seed % 4 == 2) options.fast_repair = false;
  if (seed % 4 == 3) {
    options.max_in_flight = 2;
    options.max_message_bytes = 4;
  }
}

TEST(RaftRandomSchedule, LogsMatchAndNothingCommittedIsLost) {
  cluster::set_mutation_from_environment();
  const cluster::Seeds seeds = cluster::seeds_from_environment();
  int trees = 0;
  int refusals = 0;
  std::size_t commits = 0;
  std::size_t terms = 0;
  for (std::uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TestCluster* cluster = nullptr;
    cluster::Schedule schedule(seed, [&](const TestOptions& options) {
      auto made =
          std::make_unique<TestCluster>(options, [seed](Options& engine) { adjust(seed, engine); });
      cluster = made.get();
      return made;
    });
    ASSERT_EQ(schedule.run(), "");
    trees += cluster->count_sent("SnapshotHead") > 0;
    refusals += cluster->count_sent("Refused") > 0;
    commits += cluster->committed_count();
    terms += cluster->status(*cluster->serving_leader()).epoch;
  }
  if (seeds.count < 100) return;
  EXPECT_GT(trees, 0);
  EXPECT_GT(refusals, 0);
  std::printf("%zu seeds: %d with trees, %d with refusals; %zu commits, %zu terms\n",
              static_cast<std::size_t>(seeds.count), trees, refusals, commits, terms);
}

}  // namespace
}  // namespace synod::consensus::raft
