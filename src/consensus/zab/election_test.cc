#include "consensus/zab/election.h"

#include <gtest/gtest.h>

#include "consensus/zab/test_election_network.h"

namespace synod::consensus::zab {
namespace {

using test::ElectionNetwork;
using test::ensemble;

constexpr Zxid kOne = Zxid::of(1, 1);
constexpr Zxid kTwo = Zxid::of(1, 2);

// Whatever the order in which links come up and messages arrive.
class Elections : public testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, Elections, testing::Range<std::uint64_t>(1, 51));

// ---- who is elected -----------------------------------------------------------------------------

TEST_P(Elections, TheLargestServerLeadsWhenAllAreEqual) {
  for (const int count : {3, 5}) {
    ElectionNetwork network(ensemble(count), GetParam());
    for (int i = 1; i <= count; ++i) network.start(i);
    network.settle();
    EXPECT_EQ(network.common_leader(), count) << "and without waiting: all have spoken";
  }
}

TEST_P(Elections, MoreOfTheLogWins) {
  ElectionNetwork network(ensemble(3), GetParam());
  network.start(1, {.last_logged = kTwo, .current_epoch = 1});
  network.start(2, {.last_logged = kOne, .current_epoch = 1});
  network.start(3, {.last_logged = kOne, .current_epoch = 1});
  network.settle();
  EXPECT_EQ(network.common_leader(), 1);
}

TEST_P(Elections, ALaterEpochWinsOverMoreOfTheLog) {
  ElectionNetwork network(ensemble(5), GetParam());
  network.start(1, {.last_logged = kOne, .current_epoch = 1});
  network.start(2, {.last_logged = kOne, .current_epoch = 2});
  for (const int i : {3, 4, 5}) network.start(i, {.last_logged = kTwo, .current_epoch = 1});
  network.settle();
  EXPECT_EQ(network.common_leader(), 2);
}

TEST_P(Elections, OneVoterLeadsAtOnce) {
  ElectionNetwork network(ensemble(1), GetParam());
  network.start(1);
  EXPECT_EQ(network.common_leader(), 1);
}

TEST_P(Elections, TwoOfThreeAreEnoughAndOneIsNot) {
  ElectionNetwork network(ensemble(3), GetParam());
  network.start(1);
  network.run_for(5000);
  EXPECT_EQ(network.leader_of(1), 0);
  network.start(2);
  network.run_for(1500);
  EXPECT_EQ(network.common_leader(), 2);
}

// ---- joining ------------------------------------------------------------------------------------

TEST_P(Elections, ALateServerFollowsWhoLeadsAlready) {
  for (const int late : {1, 3}) {  // with both sides of the challenge
    ElectionNetwork network(ensemble(3), GetParam());
    for (const int i : {1, 2, 3}) {
      if (i != late) network.start(i, {.last_logged = kOne, .current_epoch = 1});
    }
    network.run_for(1000);
    const std::int64_t leader = network.common_leader();
    ASSERT_NE(leader, 0);
    for (int i = 1; i <= 3; ++i) {
      if (i != late) network.election(i).establish(2);
    }
    network.start(late, {.last_logged = kTwo, .current_epoch = 1});  // better, but late
    network.run_for(1000);
    EXPECT_EQ(network.common_leader(), leader);
  }
}

TEST_P(Elections, FollowersAloneDoNotMakeALeader) {
  ElectionNetwork network(ensemble(3), GetParam());
  for (const int i : {1, 2, 3}) network.start(i, {.last_logged = kOne, .current_epoch = 1});
  network.settle();
  ASSERT_EQ(network.common_leader(), 3);
  network.kill(3);
  network.start(3, {.last_logged = {}, .current_epoch = 0, .has_memory = false});
  network.settle();
  EXPECT_EQ(network.leader_of(1), 3) << "it has not noticed yet";
  EXPECT_EQ(network.leader_of(3), 0) << "what others remember of it is not what it remembers";
  network.run_for(3000);
  EXPECT_EQ(network.common_leader(), 2) << "the wiped one is never elected";
}

TEST_P(Elections, ObserversFindTheLeaderAndAreNeverElected) {
  ElectionNetwork network(ensemble(3, 2), GetParam());
  for (int i = 1; i <= 5; ++i) network.start(i, {.last_logged = {i}});
  network.run_for(2000);
  EXPECT_EQ(network.common_leader(), 3);
  network.kill(5);
  network.start(5, {.last_logged = Zxid::of(9, 9), .current_epoch = 9});
  network.run_for(2000);
  EXPECT_EQ(network.common_leader(), 3);
}

TEST_P(Elections, ObserversDoNotMakeAQuorum) {
  ElectionNetwork network(ensemble(3, 2), GetParam());
  network.start(1);
  network.start(4);
  network.start(5);
  network.run_for(5000);
  for (const int i : {1, 4, 5}) EXPECT_EQ(network.leader_of(i), 0);
}

// ---- memory -------------------------------------------------------------------------------------

constexpr test::Durable kNothing{.last_logged = {}, .current_epoch = 0, .has_memory = false};

TEST_P(Elections, AllBeingNewTheyStart) {
  for (const int count : {1, 3, 5}) {
    ElectionNetwork network(ensemble(count), GetParam());
    for (int i = 1; i <= count; ++i) network.start(i, kNothing);
    network.run_for(1500);
    EXPECT_EQ(network.common_leader(), count);
  }
}

TEST_P(Elections, AllButOneBeingNewTheyDoNot) {
  ElectionNetwork network(ensemble(3), GetParam());
  network.start(1, kNothing);
  network.start(2, kNothing);
  network.start(3, {.last_logged = kOne, .current_epoch = 1});
  network.run_for(10000);
  for (const int i : {1, 2, 3}) EXPECT_EQ(network.leader_of(i), 0);
}

TEST_P(Elections, WhileOneIsMissingNobodyKnowsThatAllAreNew) {
  ElectionNetwork network(ensemble(3), GetParam());
  network.start(1, kNothing);
  network.start(2, kNothing);
  network.run_for(10000);
  EXPECT_EQ(network.leader_of(1), 0);
  network.start(3, kNothing);
  network.run_for(2500);
  EXPECT_EQ(network.common_leader(), 3);
}

// One acknowledged, one lags, one is wiped: the wiped one and the lagging one are no quorum.
TEST_P(Elections, AWipedServerDoesNotHelpALaggingOne) {
  ElectionNetwork network(ensemble(3), GetParam());
  network.start(1, kNothing);
  network.start(2, {.last_logged = kOne, .current_epoch = 1});
  network.run_for(5000);
  EXPECT_EQ(network.leader_of(2), 0);
  network.start(3, {.last_logged = kTwo, .current_epoch = 1});
  network.run_for(1500);
  EXPECT_EQ(network.common_leader(), 3) << "and the wiped one follows as well";
}

// ---- failures -----------------------------------------------------------------------------------

TEST_P(Elections, TheOthersElectAnew) {
  ElectionNetwork network(ensemble(3), GetParam());
  for (const int i : {1, 2, 3}) network.start(i);
  network.settle();
  network.kill(3);
  network.settle();
  network.look({1});
  network.look({2});
  network.settle();
  EXPECT_EQ(network.common_leader(), 2)
      << "without waiting: who cannot be reached is not waited for";
}

// Others remember a vote longer than it is true: its log was cut since.
TEST_P(Elections, WhatAServerClaimedBeforeItsCutIsForgotten) {
  ElectionNetwork network(ensemble(5), GetParam());
  network.start(2, {.last_logged = kOne, .current_epoch = 1});
  network.start(3, {.last_logged = kTwo, .current_epoch = 1});
  network.run_for(2000);
  ASSERT_EQ(network.leader_of(2), 0) << "two of five: it repeats what 3 claims";
  network.kill(3);
  network.start(3, {.last_logged = kOne, .current_epoch = 1});
  network.run_for(2000);
  network.start(1, {.last_logged = kTwo, .current_epoch = 1});
  network.run_for(3000);
  EXPECT_EQ(network.common_leader(), 1);
}

TEST_P(Elections, WhoMayStillComeIsWaitedFor) {
  ElectionNetwork network(ensemble(3), GetParam());
  for (const int i : {1, 2, 3}) network.start(i);
  network.isolate(3);
  network.settle();
  EXPECT_EQ(network.leader_of(1), 0) << "3 may answer yet";
  network.heal();
  network.settle();
  EXPECT_EQ(network.common_leader(), 3);
  ElectionNetwork without(ensemble(3), GetParam());
  for (const int i : {1, 2, 3}) without.start(i);
  without.isolate(3);
  without.run_for(250);
  EXPECT_EQ(without.leader_of(1), 2) << "but not for long";
}

TEST_P(Elections, APartitionedMinorityComesBack) {
  ElectionNetwork network(ensemble(5), GetParam());
  for (int i = 1; i <= 5; ++i) network.start(i);
  network.settle();
  ASSERT_EQ(network.common_leader(), 5);
  network.isolate(5);
  network.isolate(4);
  network.run_for(20000);
  for (const int i : {1, 2, 3}) EXPECT_EQ(network.leader_of(i), 3);
  for (const int i : {4, 5}) EXPECT_EQ(network.leader_of(i), 0);
  network.heal();
  network.run_for(3000);
  EXPECT_EQ(network.common_leader(), 3) << "rounds that passed alone disturb nobody";
}

// A machine that is gone does not say so: its links look well until somebody starts anew.
TEST_P(Elections, AHalfOpenLinkIsReplaced) {
  for (const int gone : {1, 3}) {
    ElectionNetwork network(ensemble(3), GetParam());
    for (const int i : {1, 2, 3}) network.start(i);
    network.settle();
    network.power_off(gone);
    network.run_for(3000);
    network.start(gone);
    network.run_for(3000);
    EXPECT_NE(network.common_leader(), 0);
  }
}

// Dials cross, challenges are lost, but as long as they look all find each other.
TEST_P(Elections, ExactlyOneLinkAPairLives) {
  ElectionNetwork network(ensemble(9), GetParam());
  for (int i = 1; i <= 4; ++i) network.start(i);
  network.run_for(5000);
  for (int i = 1; i <= 4; ++i) {
    for (int j = i + 1; j <= 4; ++j) EXPECT_EQ(network.links_between(i, j), 1U) << i << ' ' << j;
  }
}

// ---- groups -------------------------------------------------------------------------------------

TEST_P(Elections, AServerOfWeightZeroIsNeverElected) {
  Membership membership = ensemble(4);
  for (int i = 1; i <= 4; ++i) membership.groups[{i}] = i == 4 ? 2 : 1;
  membership.weights[{4}] = 0;
  ElectionNetwork network(membership, GetParam());
  for (int i = 1; i <= 4; ++i) network.start(i, {.last_logged = {i}});
  network.run_for(1000);
  EXPECT_EQ(network.common_leader(), 3);
}

TEST_P(Elections, GroupsNeedAMajorityOfGroups) {
  Membership membership = ensemble(9);
  for (int i = 1; i <= 9; ++i) membership.groups[{i}] = (i - 1) / 3;
  ElectionNetwork network(membership, GetParam());
  for (const int i : {1, 2, 3, 4, 7}) network.start(i);
  network.run_for(5000);
  EXPECT_EQ(network.leader_of(1), 0) << "five of nine, but of one group only";
  network.start(5);
  network.run_for(2500);
  EXPECT_EQ(network.common_leader(), 7);
}

// ---- the port is open to everybody --------------------------------------------------------------

// Silence, noise, and noise behind a good beginning; never a member's number: without
// authentication between servers, who says that is believed.
Bytes noise(Random& random) {
  Bytes bytes;
  switch (random.below(4)) {
    case 0:
      break;
    case 1:
      bytes = encode_initial_message({static_cast<std::int64_t>(4 + random.below(300))},
                                     {{"nowhere", 1}});
      break;
    case 2:
      bytes = encode_initial_message(kAnonymous, {{"0.0.0.0", 1}});
      break;
    default:
      bytes = encode_initial_message({9}, {{"h", 1}}).substr(0, random.below(30));
  }
  const Notification vote{.state = static_cast<Role>(random.below(4)),
                          .vote = {.leader = {static_cast<std::int64_t>(random.below(5))},
                                   .zxid = Zxid::of(99, 99),
                                   .round = static_cast<std::int64_t>(random.next()),
                                   .peer_epoch = 99},
                          .config = "version=ffffffff"};
  for (std::uint64_t i = 0; i < random.below(4); ++i) bytes += framed(encode_notification(vote));
  for (std::uint64_t i = 0; i < random.below(60); ++i) {
    bytes.push_back(static_cast<char>(random.next()));
  }
  return bytes;
}

TEST_P(Elections, NoiseOnThePortChangesNothing) {
  ElectionNetwork network(ensemble(3), GetParam());
  network.start(1, {.last_logged = kOne, .current_epoch = 1});
  for (int i = 0; i < 300; ++i) {
    const Bytes bytes = noise(network.random());
    network.feed(1, network.connect(1), bytes);
  }
  network.start(2, {.last_logged = kOne, .current_epoch = 1});
  network.run_for(1500);
  ASSERT_EQ(network.common_leader(), 2);
  for (int i = 0; i < 300; ++i) {
    const int to = 1 + i % 2;
    const Bytes bytes = noise(network.random());
    network.feed(to, network.connect(to), bytes);
  }
  network.start(3, {.last_logged = kTwo, .current_epoch = 1});
  network.run_for(1500);
  EXPECT_EQ(network.common_leader(), 2);
}

// ---- anything at all ----------------------------------------------------------------------------

void break_something(ElectionNetwork& network, int count) {
  Random& random = network.random();
  const auto one = static_cast<std::int64_t>(1 + random.below(static_cast<std::uint64_t>(count)));
  const auto other = static_cast<std::int64_t>(1 + random.below(static_cast<std::uint64_t>(count)));
  switch (random.below(6)) {
    case 0:
      if (one != other) network.block(one, other);
      return;
    case 1:
      return network.unblock(one, other);
    case 2:
      return network.cut(one, other);
    case 3:
      return network.is_up(one) ? network.kill(one) : network.start(one, {.last_logged = {one}});
    case 4:
      return network.is_up(one) ? network.power_off(one)
                                : network.start(one, {.last_logged = {one}});
    case 5:
      if (network.is_up(one)) network.look({one});
      return;
  }
}

TEST(Election, AfterAnyTroubleAllAgree) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    const int voters = seed % 2 == 0 ? 3 : 5;
    const int count = voters + static_cast<int>(seed % 3);
    ElectionNetwork network(ensemble(voters, count - voters), seed);
    for (int i = 1; i <= count; ++i) network.start(i, {.last_logged = {i}});
    for (int step = 0; step < 600; ++step) {
      if (network.random().below(10) == 0) break_something(network, count);
      network.random_step();
    }
    network.heal();
    for (int i = 1; i <= count; ++i) {
      if (!network.is_up(i)) network.start(i, {.last_logged = {i}});
    }
    network.run_for(30000);
    ASSERT_FALSE(testing::Test::HasFailure());
    ASSERT_NE(network.common_leader(), 0);
    for (int i = 1; i <= count; ++i) {
      for (int j = i + 1; j <= count; ++j) ASSERT_LE(network.links_between(i, j), 1U);
    }
  }
}

}  // namespace
}  // namespace synod::consensus::zab
