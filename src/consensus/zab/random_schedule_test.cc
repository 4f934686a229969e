// Random schedules (consensus/cluster/schedule.h) for Zab.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <string>

#include "consensus/cluster/schedule.h"
#include "consensus/zab/test_cluster.h"

namespace synod::consensus::zab {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

// Plays every seed and hands over what has become of the ensemble.
void play(bool reconfigures, const std::function<void(const TestCluster&)>& look,
          bool has_observer_masters = false) {
  cluster::set_mutation_from_environment();
  const cluster::Seeds seeds = cluster::seeds_from_environment();
  for (std::uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TestCluster* cluster = nullptr;
    cluster::Schedule schedule(
        seed,
        [&](TestOptions options) {
          options.has_observer_masters = has_observer_masters;
          auto made = std::make_unique<TestCluster>(options);
          cluster = made.get();
          return made;
        },
        reconfigures);
    ASSERT_EQ(schedule.run(), "");
    ASSERT_THAT(cluster->warnings(), Not(Contains(HasSubstr("jumps"))));
    look(*cluster);
  }
}

bool are_few() { return cluster::seeds_from_environment().count < 100; }

TEST(ZabRandomSchedule, LogsMatchAndNothingCommittedIsLost) {
  int snap = 0;
  int trunc = 0;
  int diff = 0;
  std::size_t commits = 0;
  std::size_t epochs = 0;
  play(false, [&](const TestCluster& cluster) {
    snap += cluster.count_sent("SNAP") > 0;
    trunc += cluster.count_sent("TRUNC") > 0;
    diff += cluster.count_sent("DIFF") > 0;
    commits += cluster.committed_count();
    epochs += cluster.status(*cluster.serving_leader()).epoch;
  });
  if (are_few()) return;
  EXPECT_GT(snap, 0);
  EXPECT_GT(trunc, 0);
  EXPECT_GT(diff, 0);
  std::printf("%d seeds with SNAP, %d with TRUNC, %d with DIFF; %zu commits, %zu epochs\n", snap,
              trunc, diff, commits, epochs);
}

// The same storms, with whoever observes behind a follower.
TEST(ZabRandomSchedule, ObserversBehindFollowersFollowToo) {
  int behind_followers = 0;
  int trunc = 0;
  play(
      false,
      [&](const TestCluster& cluster) {
        behind_followers += cluster.count_sent("INFORM") > 0;
        trunc += cluster.count_sent("TRUNC") > 0;
      },
      true);
  if (are_few()) return;
  EXPECT_GT(behind_followers, 0);
  EXPECT_GT(trunc, 0);
  std::printf("%d seeds with an observer behind followers, %d with TRUNC\n", behind_followers,
              trunc);
}

TEST(ZabRandomSchedule, NothingCommittedIsLostWhileTheMembershipChanges) {
  int changes = 0;
  int handovers = 0;
  std::size_t commits = 0;
  play(true, [&](const TestCluster& cluster) {
    changes += cluster.changes();
    handovers += cluster.handovers();
    commits += cluster.committed_count();
  });
  if (are_few()) return;
  EXPECT_GT(changes, 0);
  EXPECT_GT(handovers, 0);
  std::printf("%d changes of the membership, %d of them with another leader; %zu commits\n",
              changes, handovers, commits);
}

}  // namespace
}  // namespace synod::consensus::zab
