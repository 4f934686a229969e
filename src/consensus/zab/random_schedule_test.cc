// Random schedules (consensus/cluster/schedule.h) for Zab.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>

#include "consensus/cluster/schedule.h"
#include "consensus/zab/test_cluster.h"

namespace synod::consensus::zab {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

TEST(ZabRandomSchedule, LogsMatchAndNothingCommittedIsLost) {
  cluster::set_mutation_from_environment();
  const cluster::Seeds seeds = cluster::seeds_from_environment();
  int snap = 0;
  int trunc = 0;
  int diff = 0;
  std::size_t commits = 0;
  std::size_t epochs = 0;
  for (std::uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TestCluster* cluster = nullptr;
    cluster::Schedule schedule(seed, [&](const TestOptions& options) {
      auto made = std::make_unique<TestCluster>(options);
      cluster = made.get();
      return made;
    });
    ASSERT_EQ(schedule.run(), "");
    ASSERT_THAT(cluster->warnings(), Not(Contains(HasSubstr("jumps"))));
    snap += cluster->count_sent("SNAP") > 0;
    trunc += cluster->count_sent("TRUNC") > 0;
    diff += cluster->count_sent("DIFF") > 0;
    commits += cluster->committed_count();
    epochs += cluster->status(*cluster->serving_leader()).epoch;
  }
  if (seeds.count < 100) return;
  EXPECT_GT(snap, 0);
  EXPECT_GT(trunc, 0);
  EXPECT_GT(diff, 0);
  std::printf("%zu seeds: %d with SNAP, %d with TRUNC, %d with DIFF; %zu commits, %zu epochs\n",
              static_cast<std::size_t>(seeds.count), snap, trunc, diff, commits, epochs);
}

}  // namespace
}  // namespace synod::consensus::zab
