// The membership changes while the ensemble runs (reference, quorum protocol 6): stories, and a
// crash at every packet of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>

#include "consensus/zab/test_crashes.h"
#include "consensus/zab/test_story.h"

namespace synod::consensus::zab {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;

class ZabReconfiguration : public Story {
 protected:
  // The spares are up as well: they know the members, and follow without a vote.
  void begin(const TestOptions& options) {
    Story::begin(options);
    const NodeId members = options.voters + options.observers;
    for (NodeId spare = members + 1; spare <= members + options.spares; ++spare)
      ASSERT_TRUE(the().run_until([&] { return the().status(spare).is_serving; }));
  }
  std::optional<std::string> change(const Servers& voters, const Servers& observers = {}) {
    return the().reconfigure(the().with_members(voters, observers));
  }
  // Proposed, committed, and everybody in his new place.
  void change_and_settle(const Servers& voters, const Servers& observers = {}) {
    const int before = the().changes();
    ASSERT_EQ(change(voters, observers), std::nullopt);
    ASSERT_TRUE(the().run_until([&] { return the().changes() > before; })) << the().describe();
    ASSERT_TRUE(the().run_until([&] { return the().write_and_wait(1000); })) << the().describe();
    ASSERT_TRUE(settles()) << the().describe();
  }
  const Membership& known_to(NodeId node) {
    const Membership* known = nullptr;
    the().with_engine(node, [&](Engine& engine) { known = engine.membership(); });
    return *known;
  }
};

// ---- joining ----------------------------------------------------------------------------------

// 6.5: the first epoch gives the members that nobody has changed a version; who joins hears of it.
TEST_F(ZabReconfiguration, FirstEpochGivesAVersion) {
  begin({.voters = 3, .spares = 1});
  for (NodeId node = 1; node <= 4; ++node) {
    EXPECT_EQ(known_to(node).version, Zxid::of(1, 0).value);
    EXPECT_EQ(known_to(node).members.size(), 3U) << "the spare is not in it";
  }
  EXPECT_EQ(the().status(4).role, Role::kFollowing);
}

TEST_F(ZabReconfiguration, WhoIsNoMemberDecidesNothing) {
  begin({.voters = 3, .spares = 2});
  the().crash(1);
  the().crash(2);
  const std::size_t before = the().committed_count();
  the().write();
  the().run_for(3000);
  EXPECT_EQ(the().committed_count(), before) << "one voter and two guests are no quorum";
  EXPECT_EQ(the().serving_leader(), std::nullopt);
}

TEST_F(ZabReconfiguration, NewVoterDecidesFromTheCommitOn) {
  begin({.voters = 1, .spares = 1});
  change_and_settle({{1}, {2}});
  EXPECT_THAT(the().transcript(), Contains("1->2 COMMITANDACTIVATE 0x100000001"));
  EXPECT_EQ(the().handovers(), 0);
  the().stall_disk(2, true);
  const auto bytes = the().write();
  the().run_for(200);
  EXPECT_FALSE(the().is_committed(*bytes)) << "it takes both now";
  the().stall_disk(2, false);
  EXPECT_TRUE(the().run_until([&] { return the().is_committed(*bytes); }));
}

TEST_F(ZabReconfiguration, ObserverIsAddedPromotedAndDemoted) {
  begin({.voters = 3, .spares = 1});
  change_and_settle({{1}, {2}, {3}}, {{4}});
  EXPECT_EQ(the().status(4).role, Role::kObserving);
  the().clear_transcript();
  change_and_settle({{1}, {2}, {3}, {4}});
  EXPECT_THAT(the().transcript(), Contains("3->4 INFORMANDACTIVATE 0x100000003"));
  EXPECT_EQ(the().status(4).role, Role::kFollowing);
  change_and_settle({{2}, {3}, {4}}, {{1}});
  EXPECT_EQ(the().status(1).role, Role::kObserving);
  EXPECT_EQ(the().handovers(), 0) << "the leader goes on through all of it";
  EXPECT_EQ(the().status(3).epoch, 1U);
}

// Who starts later with the files of before hears of the change by the election.
TEST_F(ZabReconfiguration, WhoWasAwayHearsOfTheChange) {
  begin({.voters = 3, .spares = 1});
  the().crash(1);
  change_and_settle({{2}, {3}, {4}}, {{1}});
  the().start(1);
  ASSERT_TRUE(settles()) << the().describe();
  EXPECT_EQ(the().status(1).role, Role::kObserving);
  EXPECT_EQ(known_to(1).version, the().membership().version);
}

// ---- leaving ----------------------------------------------------------------------------------

TEST_F(ZabReconfiguration, RemovedFollowerGoesOnWithoutAVote) {
  begin({.voters = 3, .spares = 1});
  change_and_settle({{2}, {3}});
  ASSERT_TRUE(the().run_until([&] { return the().last_applied(1) == the().last_applied(3); }));
  EXPECT_EQ(the().status(1).role, Role::kFollowing);
  the().crash(2);
  const std::size_t before = the().committed_count();
  the().write();
  the().run_for(3000);
  EXPECT_EQ(the().committed_count(), before) << "the removed one does not count";
}

// 6.4: everybody goes straight to the leader that was named; no election, one epoch later.
TEST_F(ZabReconfiguration, RemovedLeaderHandsOver) {
  begin({.voters = 3, .spares = 1});
  change_and_settle({{1}, {2}});
  EXPECT_EQ(the().handovers(), 1);
  const auto leader = the().serving_leader();
  ASSERT_TRUE(leader == 1 || leader == 2) << the().describe();
  EXPECT_EQ(the().status(*leader).epoch, 2U);
  ASSERT_TRUE(the().run_until([&] { return the().status(3).is_serving; }));
  EXPECT_EQ(the().status(3).role, Role::kFollowing);
  EXPECT_EQ(the().status(3).leader.value, *leader);
}

TEST_F(ZabReconfiguration, DemotedLeaderHandsOver) {
  begin({.voters = 3, .spares = 1});
  change_and_settle({{1}, {2}}, {{3}});
  EXPECT_EQ(the().handovers(), 1);
  EXPECT_EQ(the().status(3).role, Role::kObserving);
}

// What was proposed behind the change is brought to its end by the successor.
TEST_F(ZabReconfiguration, NothingProposedIsLostWhenTheLeaderHandsOver) {
  begin({.voters = 3, .spares = 1});
  ASSERT_EQ(change({{1}, {2}}), std::nullopt);
  std::vector<std::string> writes;
  for (int i = 0; i < 5; ++i) writes.push_back(*the().write_at(3));
  ASSERT_TRUE(the().run_until([&] { return the().is_committed(writes.back()); }))
      << the().describe();
  EXPECT_EQ(the().handovers(), 1);
}

TEST_F(ZabReconfiguration, AllServersAreReplaced) {
  begin({.voters = 3, .spares = 3});
  change_and_settle({{4}, {5}, {6}});
  for (NodeId old = 1; old <= 3; ++old) the().crash(old);
  EXPECT_TRUE(the().run_until([&] { return the().write_and_wait(1000); })) << the().describe();
}

// ---- what is refused --------------------------------------------------------------------------

TEST_F(ZabReconfiguration, NoQuorumIsRefusedWithTheReason) {
  begin({.voters = 3, .observers = 1, .spares = 3});
  the().crash(5);
  the().run_for(100);
  EXPECT_THAT(change({{3}, {4}, {5}}),
              Optional(std::string("2 of the 3 participants it needs a majority of are not in "
                                   "step: server.4 is an observer, which acknowledges nothing "
                                   "before the change, server.5 is not connected")));
  EXPECT_EQ(change({{3}, {6}, {5}}), std::nullopt) << "two of three are there";
}

TEST_F(ZabReconfiguration, OneChangeAtATime) {
  begin({.voters = 3, .spares = 1});
  the().stall_disk(3, true);
  the().stall_disk(2, true);
  ASSERT_EQ(change({{2}, {3}, {4}}), std::nullopt);
  EXPECT_EQ(change({{3}, {4}}), "another change is not finished");
  the().stall_disk(2, false);
  the().stall_disk(3, false);
  ASSERT_TRUE(settles());
  ASSERT_TRUE(the().run_until([&] { return the().changes() == 1; }));
  EXPECT_EQ(change({{3}, {4}}), std::nullopt);
}

// ---- quorums ----------------------------------------------------------------------------------

// 6.2: the change, and what is proposed behind it, takes both quorums until it commits.
TEST_F(ZabReconfiguration, ChangeNeedsBothQuorums) {
  begin({.voters = 3, .spares = 3});
  the().stall_disk(1, true);
  the().stall_disk(2, true);  // of the old, the leader alone can log
  ASSERT_EQ(change({{3}, {4}, {5}}), std::nullopt);
  const auto behind = the().write();
  the().run_for(150);
  EXPECT_TRUE(the().is_durable(4, Zxid::of(1, 2)) && the().is_durable(5, Zxid::of(1, 2)));
  EXPECT_EQ(the().committed_count(), 0U);
  the().stall_disk(2, false);
  EXPECT_TRUE(the().run_until([&] { return the().is_committed(*behind); }));
}

TEST_F(ZabReconfiguration, WhatWasProposedBeforeTheCommitNeedsTheOldQuorum) {
  begin({.voters = 3, .spares = 3});
  ASSERT_EQ(change({{3}, {4}, {5}}), std::nullopt);
  the().on_packet = [&](NodeId from, NodeId to, PacketType type) {
    // The old ones log the change, and no more.
    if (type != PacketType::kAck || to != 3 || from > 2) return;
    the().stall_disk(from, true);
  };
  const auto behind = the().write();
  ASSERT_TRUE(the().run_until([&] { return the().changes() == 1; }, 200));
  the().run_for(100);
  EXPECT_FALSE(the().is_committed(*behind));
  the().on_packet = nullptr;
  the().stall_disk(1, false);
  the().stall_disk(2, false);
  EXPECT_TRUE(the().run_until([&] { return the().is_committed(*behind); }));
}

// A leader that does not know of a change refuses who does, and looks for a leader again: then it
// hears of it.
TEST_F(ZabReconfiguration, WhoKnowsOfANewerMembershipIsNotLed) {
  begin({.voters = 3, .spares = 1});
  the().crash(1);
  change_and_settle({{1}, {2}, {3}, {4}});
  the().crash(3);
  the().crash(4);
  the().start(1);  // with 2 it would be a quorum of three
  the().run_for(2000);
  EXPECT_EQ(the().serving_leader(), std::nullopt);
  EXPECT_EQ(known_to(1).members.size(), 4U);
  the().start(4);
  ASSERT_TRUE(settles());
}

// ---- crashes ----------------------------------------------------------------------------------

TEST_F(ZabReconfiguration, LeaderDiesBetweenProposalAndCommit) {
  begin({.voters = 3, .spares = 2});
  bool is_dead = false;
  the().on_packet = [&](NodeId from, NodeId /*to*/, PacketType type) {
    if (type != PacketType::kCommitAndActivate || std::exchange(is_dead, true)) return;
    the().crash(from);
  };
  ASSERT_EQ(change({{1}, {2}, {4}, {5}}), std::nullopt);
  ASSERT_TRUE(the().run_until([&] { return is_dead; }));
  the().on_packet = nullptr;
  ASSERT_TRUE(the().run_until([&] { return the().write_and_wait(1000); })) << the().describe();
  EXPECT_EQ(the().membership().members.size(), 4U) << "its successor finished it";
  the().start(3);
  ASSERT_TRUE(settles());
}

// A change that reached too few is undone with the rest of its leader's tail.
TEST_F(ZabReconfiguration, ChangeThatReachedNobodyIsUndone) {
  begin({.voters = 3, .spares = 2});
  for (const NodeId other : {1, 2, 4, 5}) the().silence(3, other);
  ASSERT_EQ(change({{3}, {4}, {5}}), std::nullopt);
  the().run_for(20);
  the().crash(3);
  the().heal_all();
  ASSERT_TRUE(the().run_until([&] { return the().write_and_wait(1000); })) << the().describe();
  the().start(3);
  ASSERT_TRUE(settles());
  EXPECT_EQ(known_to(3).version, Zxid::of(1, 0).value);
}

using ZabReconfigurationCrashes = testing::TestWithParam<Victim>;

void change_members(TestCluster& cluster, const Servers& voters, const Servers& observers = {}) {
  cluster.run_until([&] { return !cluster.is_up(4) || cluster.status(4).is_serving; }, 1000);
  for (int i = 0; i < 3; ++i) cluster.write();
  (void)cluster.reconfigure(cluster.with_members(voters, observers));
  for (int i = 0; i < 3; ++i) cluster.write();
  cluster.run_for(600);
}

const TestOptions kThreeAndASpare{
    .voters = 3, .spares = 1, .memory_entries = 3, .max_delay_ms = 3, .max_flush_ms = 3};

TEST_P(ZabReconfigurationCrashes, WhileAFollowerIsReplaced) {
  crash_at_every_packet(kThreeAndASpare, GetParam(),
                        [](TestCluster& cluster) { change_members(cluster, {{2}, {3}, {4}}); });
}

TEST_P(ZabReconfigurationCrashes, WhileTheLeaderIsReplaced) {
  crash_at_every_packet(kThreeAndASpare, GetParam(),
                        [](TestCluster& cluster) { change_members(cluster, {{1}, {2}, {4}}); });
}

TEST_P(ZabReconfigurationCrashes, WhileTheLeaderIsDemoted) {
  crash_at_every_packet(kThreeAndASpare, GetParam(), [](TestCluster& cluster) {
    change_members(cluster, {{1}, {2}}, {{3}, {4}});
  });
}

INSTANTIATE_TEST_SUITE_P(Each, ZabReconfigurationCrashes,
                         testing::Values(Victim::kSender, Victim::kReceiver, Victim::kEverybody));

}  // namespace
}  // namespace synod::consensus::zab
