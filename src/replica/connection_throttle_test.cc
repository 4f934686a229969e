#include "replica/connection_throttle.h"

#include <gtest/gtest.h>

namespace synod::replica {
namespace {

// How many of `tries` new sessions get in at that time.
int admitted(ConnectionThrottle& throttle, std::int64_t now_ms, int tries) {
  int count = 0;
  for (int i = 0; i < tries; ++i) count += throttle.admits_new({now_ms}) ? 1 : 0;
  return count;
}

TEST(ConnectionThrottle, OffWithoutTokens) {
  ConnectionThrottle throttle({}, 1, {0});
  EXPECT_EQ(admitted(throttle, 0, 1000), 1000);
}

TEST(ConnectionThrottle, TimeFillsTheBucketNoFurtherThanItIsLarge) {
  ConnectionThrottle throttle({.tokens = 5, .fill_time_ms = 10, .fill_count = 2}, 1, {100});
  EXPECT_EQ(admitted(throttle, 100, 20), 5);
  EXPECT_EQ(admitted(throttle, 109, 20), 0);
  EXPECT_EQ(admitted(throttle, 110, 20), 2);
  EXPECT_EQ(admitted(throttle, 129, 20), 2);  // nine of its milliseconds count towards the next
  EXPECT_EQ(admitted(throttle, 130, 20), 2);
  EXPECT_EQ(admitted(throttle, INT64_MAX / 2, 20), 5);
}

// Bucket and filling are measured in new sessions.
TEST(ConnectionThrottle, ResumedSessionsCostLessWithWeights) {
  ConnectionThrottle throttle({.tokens = 2, .fill_time_ms = 1000, .has_weights = true}, 1, {0});
  EXPECT_EQ(throttle.tokens(), 6);
  EXPECT_TRUE(throttle.admits_resumed({0}));
  EXPECT_TRUE(throttle.admits_resumed({0}));
  EXPECT_FALSE(throttle.admits_new({0}));
  EXPECT_TRUE(throttle.admits_resumed({0}));
  EXPECT_FALSE(throttle.admits_resumed({0}));
  EXPECT_TRUE(throttle.admits_new({1000}));
  EXPECT_EQ(throttle.tokens(), 0);
}

// An empty bucket raises the probability once a freeze time, a full one lowers it.
TEST(ConnectionThrottle, BlueStepsUpWhenEmptyAndDownWhenFull) {
  ConnectionThrottle throttle({.tokens = 1,
                               .fill_time_ms = 1000,
                               .freeze_time_ms = 10,
                               .drop_increase = 0.5,
                               .drop_decrease = 0.25},
                              1, {0});
  EXPECT_EQ(admitted(throttle, 1, 1), 1);
  EXPECT_EQ(admitted(throttle, 10, 5), 0);
  EXPECT_EQ(throttle.drop_probability(), 0);
  EXPECT_EQ(admitted(throttle, 11, 5), 0);
  EXPECT_EQ(throttle.drop_probability(), 0.5);
  EXPECT_EQ(admitted(throttle, 22, 5), 0);
  EXPECT_EQ(admitted(throttle, 33, 5), 0);
  EXPECT_EQ(throttle.drop_probability(), 1);
  (void)throttle.admits_new({2000});
  EXPECT_EQ(throttle.drop_probability(), 0.75);
}

TEST(ConnectionThrottle, BlueTurnsAwayTheShareThatItSays) {
  ConnectionThrottle throttle({.tokens = 1'000'000,
                               .fill_time_ms = 1,
                               .fill_count = 1'000'000,
                               .freeze_time_ms = 0,
                               .drop_increase = 0.25},
                              7, {0});
  EXPECT_EQ(admitted(throttle, 0, 1'000'001), 1'000'000);
  // One adjustment with the bucket empty; from then on it is full, and falls only by the small
  // step.
  ConnectionThrottle again({.tokens = 1,
                            .fill_time_ms = 1000,
                            .freeze_time_ms = 1,
                            .drop_increase = 0.25,
                            .drop_decrease = 0},
                           7, {0});
  EXPECT_EQ(admitted(again, 0, 1), 1);
  EXPECT_EQ(admitted(again, 2, 1), 0);
  ASSERT_EQ(again.drop_probability(), 0.25);
  int count = 0;
  for (int second = 1; second <= 4000; ++second) {
    count += again.admits_new({second * 1000 + 2}) ? 1 : 0;
  }
  EXPECT_GT(count, 2850);
  EXPECT_LT(count, 3150);
}

}  // namespace
}  // namespace synod::replica
