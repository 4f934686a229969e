#include "replica/session_tracker.h"

#include <gtest/gtest.h>

#include "replica/test_server.h"

namespace synod::replica {
namespace {

constexpr std::int64_t kTick = 2000;

// Ticks through a span of time; when each session was given.
std::map<SessionId, std::int64_t> expiries(SessionTracker& tracker, std::int64_t from,
                                           std::int64_t to) {
  std::map<SessionId, std::int64_t> given;
  for (std::int64_t now = from; now <= to; now += kTick / 4) {
    for (const SessionId session : tracker.expire({now})) {
      EXPECT_FALSE(given.contains(session)) << "given twice";
      given[session] = now;
    }
  }
  return given;
}

// Between `timeout` and `timeout + tick` after the last word, whatever the moment in the tick.
TEST(SessionTracker, ExpiresWithinATickAfterTheTimeout) {
  for (std::int64_t start = 10000; start < 12000; start += 250) {
    for (const std::int32_t timeout : {1, 1999, 2000, 4000, 10001, 40000}) {
      SessionTracker tracker(kTick);
      (void)tracker.expire({start});
      tracker.add({1}, timeout, {start});
      const auto given = expiries(tracker, start, start + 60000);
      ASSERT_TRUE(given.contains({1}));
      EXPECT_GT(given.at({1}), start + timeout);
      EXPECT_LE(given.at({1}), start + timeout + kTick + kTick / 4);
    }
  }
}

TEST(SessionTracker, RemovedOnesAreNotGiven) {
  SessionTracker tracker(kTick);
  tracker.add({1}, 4000, {0});
  tracker.add({2}, 4000, {0});
  tracker.remove({1});
  const auto given = expiries(tracker, 0, 20000);
  EXPECT_FALSE(given.contains({1}));
  EXPECT_TRUE(given.contains({2}));
  EXPECT_EQ(tracker.size(), 1U);
}

TEST(SessionTracker, AConnectionThatIsHeardOfKeepsItsSession) {
  TestServer server;
  ASSERT_EQ(server.open(), "");
  SessionTracker tracker(kTick);
  const auto connection = server.connect();
  (void)tracker.attach({1}, 4000, connection, {0});
  for (std::int64_t now = 0; now < 100000; now += kTick / 4) {
    if (now % 3500 == 0) connection->receive("", {now});
    EXPECT_TRUE(tracker.expire({now}).empty()) << now;
  }
  tracker.detach({1}, *connection, {100000});
  EXPECT_TRUE(expiries(tracker, 100000, 108000).contains({1}));
}

TEST(SessionTracker, TheLaterConnectionSpeaksForTheSession) {
  TestServer server;
  ASSERT_EQ(server.open(), "");
  SessionTracker tracker(kTick);
  const auto first = server.connect();
  const auto second = server.connect();
  EXPECT_EQ(tracker.attach({1}, 4000, first, {0}), nullptr);
  EXPECT_EQ(tracker.attach({1}, 4000, second, {0}), first);
  tracker.detach({1}, *first, {0});  // it speaks for nobody any more
  EXPECT_EQ(tracker.connection_of({1}), second);
  EXPECT_EQ(tracker.connection_of({2}), nullptr);
}

// A server that did not run for more than two ticks has heard from nobody.
TEST(SessionTracker, AStallCostsNobodyASession) {
  SessionTracker tracker(kTick);
  (void)tracker.expire({0});
  tracker.add({1}, 4000, {0});
  tracker.add({2}, 8000, {0});
  EXPECT_TRUE(tracker.expire({1000}).empty());
  EXPECT_TRUE(tracker.expire({90000}).empty());
  const auto given = expiries(tracker, 90500, 110000);
  EXPECT_GT(given.at({1}), 94000);
  EXPECT_GT(given.at({2}), 98000);
}

}  // namespace
}  // namespace synod::replica
