// Ensembles under scripted schedules: each test is a story that broke a real system, or could.
#include "consensus/zab/zab.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "consensus/zab/test_cluster.h"

namespace synod::consensus::zab {
namespace {

using testing::IsEmpty;

TEST(Zab, ThreeFreshServersElectOneAndCommit) {
  TestCluster cluster({});
  cluster.start_all();
  ASSERT_TRUE(cluster.run_until([&] { return cluster.are_all_serving_and_equal(); }));
  EXPECT_EQ(cluster.serving_leader(), 3);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(cluster.write_and_wait());
  ASSERT_TRUE(cluster.run_until([&] { return cluster.are_all_serving_and_equal(); }));
  EXPECT_EQ(cluster.last_applied(1), Zxid::of(1, 10));
  EXPECT_THAT(cluster.violations(), IsEmpty());
}

}  // namespace
}  // namespace synod::consensus::zab
