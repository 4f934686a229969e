// Reads under a lease (dissertation 6.4.1): as good as the clocks are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "consensus/raft/test_story.h"

namespace synod::consensus::raft {
namespace {

constexpr int kDrift = 10;

class RaftLease : public RaftStory {
 protected:
  static void lease(Options& options) {
    options.lease_drift_percent = kDrift;
    first_campaigns(options);
    if (options.self != ServerId{1}) options.election_timeout_ms = kT;
  }
  bool is_answered_at_once(NodeId node) {
    the().read_index(node, ++token_);
    return the().reads(node).contains(token_);
  }
  // While this lasts server `old` is asked every millisecond; whether it answered with less than
  // was committed when it was asked.
  bool is_stale_within(NodeId old, std::int64_t ms) {
    bool is_stale = false;
    for (const std::int64_t end = the().now() + ms; the().now() < end;) {
      the().run_for(1);
      the().write();
      if (!the().is_up(old) || the().status(old).role != Role::kLeading) continue;
      const Zxid committed = the().committed().back().zxid;
      if (is_answered_at_once(old)) is_stale |= the().reads(old).at(token_) < committed;
    }
    return is_stale;
  }
  std::uint64_t token_ = 0;
};

TEST_F(RaftLease, Dissertation6_4_1_ReadsAskNobody) {
  begin({}, lease);
  the().run_for(100);
  EXPECT_TRUE(is_answered_at_once(leader()));
  write(1);
  EXPECT_TRUE(is_answered_at_once(leader()));
  EXPECT_EQ(the().reads(leader()).at(token_), the().last_applied(leader()));
}

TEST_F(RaftLease, WithoutLeasesAMajorityIsAsked) {
  begin();
  the().run_for(100);
  EXPECT_FALSE(is_answered_at_once(leader()));
  the().run_for(10);
  EXPECT_TRUE(the().reads(leader()).contains(token_));
}

TEST_F(RaftLease, Dissertation6_4_1_WhoIsNotHeardLosesIt) {
  begin({}, lease);
  the().run_for(100);
  const NodeId old = leader();
  the().silence(follower(0), old);
  the().silence(follower(1), old);
  EXPECT_TRUE(is_answered_at_once(old)) << "not yet";
  the().run_for(kT * 100 / (100 + kDrift) + 1);
  ASSERT_EQ(the().status(old).role, Role::kLeading) << "it has not given up yet";
  EXPECT_FALSE(is_answered_at_once(old));
}

TEST_F(RaftLease, Dissertation6_4_1_WhoHandsOverGivesItUp) {
  begin({}, lease);
  the().run_for(100);
  const NodeId old = leader();
  the().on_message = [&](NodeId, NodeId to, const Message& message) {
    if (std::holds_alternative<message::TimeoutNow>(message)) the().crash(to);
  };
  ASSERT_TRUE(transfer(follower()));
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader() == std::nullopt; }));
  EXPECT_FALSE(is_answered_at_once(old));
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader() == old; }, 2 * kT));
  EXPECT_FALSE(is_answered_at_once(old)) << "who was told may hear of it late, and is listened to";
}

// The clock of a server that has to wait longer is slow, in everybody else's eyes.
class RaftLeaseDrift : public RaftLease {
 protected:
  void begin_with(std::int64_t leaders_timeout_ms, std::uint64_t seed) {
    begin({.seed = seed}, [&](Options& options) {
      options.lease_drift_percent = kDrift;
      if (options.self == ServerId{1}) options.election_timeout_ms = leaders_timeout_ms;
      // Server 2 is to find out, and long before server 3.
      if (options.self == ServerId{3}) options.election_timeout_ms = kT * 3 / 2;
    });
    if (leader() != 1) {
      ASSERT_TRUE(transfer(1));
      ASSERT_TRUE(the().run_until([&] { return the().serving_leader() == 1; }));
      ASSERT_TRUE(settles());
    }
    the().run_for(100);
  }
};

TEST_F(RaftLeaseDrift, Dissertation6_4_1_WithinTheBoundNoReadIsStale) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    begin_with(kT * (100 + kDrift) / 100, seed);
    ASSERT_TRUE(is_answered_at_once(1));
    the().isolate(1);
    EXPECT_FALSE(is_stale_within(1, 4 * kT)) << seed;
    EXPECT_NE(leader(), 1);
  }
}

// The documented limit.
TEST_F(RaftLeaseDrift, Dissertation6_4_1_BeyondTheBoundReadsAreStale) {
  begin_with(10 * kT, 1);
  ASSERT_TRUE(is_answered_at_once(1));
  the().isolate(1);
  EXPECT_TRUE(is_stale_within(1, 8 * kT));
}

// It has forgotten whom it heard: without a wait of its own it would vote at once.
TEST_F(RaftLeaseDrift, AVoterThatIsStartedAgainWaits) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    begin_with(kT, seed);
    the().cut_off(1, 3);
    the().run_for(3 * kT);
    ASSERT_TRUE(is_answered_at_once(1));
    the().crash(2);
    the().cut_off(1, 2);
    the().start(2);
    EXPECT_FALSE(is_stale_within(1, 4 * kT)) << seed;
  }
}

}  // namespace
}  // namespace synod::consensus::raft
