// Ensembles under scripted schedules: each test is a story (consensus.md 4.8, 4.13, 11).
#include "consensus/omnipaxos/omnipaxos.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consensus/cluster/schedule.h"
#include "consensus/omnipaxos/test_cluster.h"

namespace synod::consensus::omnipaxos {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

class OmniPaxosStory : public testing::Test {
 protected:
  void SetUp() override { cluster::set_mutation_from_environment(); }
  void begin(cluster::Options options = {}, TestOptions ours = {}) {
    cluster_.emplace(options, ours);
    cluster_->start_all();
    ASSERT_TRUE(settles()) << the().describe();
  }
  bool settles() {
    return cluster_->run_until([&] { return cluster_->are_all_serving_and_equal(); });
  }
  void write(int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(cluster_->write_and_wait()) << the().describe();
  }
  void TearDown() override {
    if (!cluster_) return;
    EXPECT_THAT(cluster_->violations(), IsEmpty()) << cluster_->describe();
  }
  TestCluster& the() { return *cluster_; }

  // The leader logs entries that reach nobody, and dies; the others go on without it.
  NodeId leave_tail_at_dead_leader(int entries) {
    const NodeId old = *the().serving_leader();
    the().isolate(old);
    for (int i = 0; i < entries; ++i) EXPECT_TRUE(the().write_at(old));
    the().run_for(20);
    the().crash(old);
    the().heal_all();
    EXPECT_TRUE(settles());
    return old;
  }

  std::optional<TestCluster> cluster_;
};

TEST_F(OmniPaxosStory, FreshServersElectTheGreatestBallotAndDecide) {
  begin();
  EXPECT_EQ(the().serving_leader(), 3);
  write(10);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().last_applied(1), Zxid::of(Ballot::of(1, ServerId{3}).epoch, 10));
}

TEST_F(OmniPaxosStory, OneVoterIsAQuorum) {
  begin({.voters = 1});
  write(3);
  the().read_index(1, 7);
  EXPECT_TRUE(the().reads(1).contains(7)) << "nobody else can have led";
}

TEST_F(OmniPaxosStory, AMinorityDecidesNothing) {
  begin();
  the().crash(1);
  the().crash(2);
  const std::size_t before = the().committed_count();
  the().write();
  the().run_for(30 * kTimeoutMs);
  EXPECT_EQ(the().committed_count(), before);
  EXPECT_EQ(the().serving_leader(), std::nullopt);
  EXPECT_THAT(the().warnings(), Contains(HasSubstr("only 1 of 3 voters are in touch")));
}

// Four servers; two may take over, three decide.
TEST_F(OmniPaxosStory, FlexibleQuorumsTakeOverWithFewAndDecideWithMany) {
  begin({.voters = 4}, {.read_quorum = 2, .write_quorum = 3});
  write(3);
  the().crash(4);
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader().value_or(4) != 4; }));
  write(2);
  the().crash(*the().serving_leader());
  ASSERT_TRUE(the().run_until(
      [&] { return the().is_up(1) ? the().status(1).role != Role::kLooking : true; }));
  const std::size_t before = the().committed_count();
  the().run_for(20 * kTimeoutMs);
  EXPECT_EQ(the().serving_leader(), std::nullopt) << "two do not decide what was inherited";
  EXPECT_EQ(the().committed_count(), before);
  the().start_all();
  ASSERT_TRUE(settles());
  write(1);
}

// ---- restarts and ballots ----------------------------------------------------------------------

TEST_F(OmniPaxosStory, AllRestartAndLeadWithinThreeRoundsByANewBallot) {
  begin();
  write(5);
  const std::uint32_t before = the().status(3).epoch;
  for (NodeId id = 1; id <= 3; ++id) the().crash(id);
  the().start_all();
  ASSERT_TRUE(
      the().run_until([&] { return the().serving_leader().has_value(); }, 3 * kTimeoutMs + 50))
      << the().describe();
  EXPECT_GT(the().status(*the().serving_leader()).epoch, before);
  write(1);
}

// Broken links tell at once of a process that has ended; only silence takes rounds to be noticed.
TEST_F(OmniPaxosStory, NobodyWaitsForTheSilenceOfALeaderWhoseLinksBroke) {
  for (const auto election : {ElectionRule::kPaper, ElectionRule::kHappiness}) {
    begin({.voters = 5}, {.election = election});
    the().run_for(3 * kTimeoutMs);
    write(3);
    const NodeId old = *the().serving_leader();
    the().crash(old);
    ASSERT_TRUE(the().run_until(
        [&] { return the().serving_leader() && the().serving_leader() != old; }, kTimeoutMs))
        << the().describe();
  }
}

TEST_F(OmniPaxosStory, AFollowerWhoseLinkBrokeLeavesALeaderAloneThatOthersHear) {
  begin();
  write(3);
  const NodeId old = *the().serving_leader();
  const std::uint32_t before = the().status(old).epoch;
  the().cut_off(old, 1);
  the().run_for(kTimeoutMs / 2);
  the().heal_all();
  the().run_for(10 * kTimeoutMs);
  EXPECT_EQ(the().serving_leader(), old);
  EXPECT_EQ(the().status(old).epoch, before);
}

TEST_F(OmniPaxosStory, ALeaderThatRestartsDoesNotLeadItsBallotAgain) {
  begin();
  write(2);
  for (int i = 0; i < 5; ++i) {
    const NodeId leader = *the().serving_leader();
    const std::uint32_t epoch = the().status(leader).epoch;
    the().crash(leader);
    the().start(leader);
    ASSERT_TRUE(settles());
    write(1);
    EXPECT_GT(the().status(*the().serving_leader()).epoch, epoch);
  }
}

TEST_F(OmniPaxosStory, AFollowerThatRestartsDisturbsNobody) {
  begin();
  write(2);
  const std::uint32_t epoch = the().status(3).epoch;
  for (int i = 0; i < 5; ++i) {
    the().crash(1);
    write(1);
    the().start(1);
    ASSERT_TRUE(settles());
  }
  the().run_for(10 * kTimeoutMs);
  EXPECT_EQ(the().status(3).epoch, epoch);
  EXPECT_EQ(the().leaders().size(), 1U);
}

TEST_F(OmniPaxosStory, ARoundWithoutCountersLeftIsFollowedByTheNextOfTheSameLeader) {
  begin({.first_counter = 0xfffffffe - 0x10005});
  write(1);
  const Status before = the().status(3);
  ASSERT_TRUE(the().run_until([&] {
    return the().status(3).is_serving && the().status(3).epoch > before.epoch;
  })) << the().describe();
  EXPECT_EQ(Ballot{the().status(3).epoch}, Ballot{before.epoch}.next_of(ServerId{3}));
  ASSERT_TRUE(settles());
  EXPECT_THAT(the().warnings(), Contains(HasSubstr("no zxids left")));
}

// ---- taking over -------------------------------------------------------------------------------

TEST_F(OmniPaxosStory, WhatNobodyElseHadIsCutWhenItsLeaderComesBack) {
  begin();
  write(5);
  const NodeId old = leave_tail_at_dead_leader(4);
  write(3);
  the().start(old);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().trees_sent(), 0);
  EXPECT_EQ(the().applied(old), the().applied(old == 1 ? 2 : 1));
}

// Only what differs leaves: entries before it are neither cut nor sent again.
TEST_F(OmniPaxosStory, AcceptSyncBeginsWhereTheLogsPart) {
  begin();
  write(5);
  const Zxid common = the().last_applied(3);
  const NodeId old = leave_tail_at_dead_leader(4);
  write(3);
  std::vector<AcceptSync> syncs;
  the().on_message = [&](NodeId, NodeId to, const Message& message) {
    if (const auto* sync = std::get_if<AcceptSync>(&message); sync != nullptr && to == old)
      syncs.push_back(*sync);
  };
  the().start(old);
  ASSERT_TRUE(settles());
  ASSERT_EQ(syncs.size(), 1U);
  EXPECT_EQ(syncs[0].after, common);
}

// Torn: it crashes as soon as either is on disk. Had it the round without the log, its empty
// promise would outdo that of a server that has what was decided in the round before.
TEST_F(OmniPaxosStory, ARoundIsNeverOnDiskWithoutItsLog) {
  begin({.voters = 5});
  the().isolate(1);
  the().isolate(3);
  write(10);
  const Zxid decided = the().last_applied(5);
  the().crash(5);
  for (const NodeId other : {NodeId{2}, NodeId{4}}) the().heal(1, other);
  the().on_message = [&](NodeId from, NodeId, const Message& message) {
    if (from == 2 && std::holds_alternative<Promise>(message)) the().stall_disk(2, true);
  };
  const std::uint32_t before = the().epochs_on_disk(1).current;
  const auto has_either = [&] {
    return the().epochs_on_disk(1).current > before || the().last_durable(1) == decided;
  };
  ASSERT_TRUE(the().run_until(has_either));
  ASSERT_EQ(the().serving_leader(), std::nullopt) << "it is the third";
  for (const NodeId id : {NodeId{1}, NodeId{2}, NodeId{4}}) the().crash(id);
  the().on_message = nullptr;
  the().stall_disk(2, false);
  the().heal_all();
  the().start(1);
  the().start(2);
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader().has_value(); }));
  write(1);
  the().start_all();
  ASSERT_TRUE(settles()) << the().describe();
  EXPECT_EQ(the().committed_count(), 11U);
}

// Two tails that nobody chose, of different rounds; in between, rounds that proposed nothing. By
// length alone the first tail would be decided, and then undone by the second.
TEST_F(OmniPaxosStory, TheLatestRoundWinsNotTheLongestLog) {
  begin();
  write(5);
  ASSERT_EQ(the().serving_leader(), 3);
  the().isolate(3);
  const auto first_tail = the().write_at(3);
  the().run_for(20);
  the().crash(3);
  the().heal_all();
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader().has_value(); }));
  const NodeId second = *the().serving_leader();
  const NodeId other = 3 - second;
  the().isolate(second);
  const auto second_tail = the().write_at(second);
  the().run_for(20);
  the().crash(second);
  the().heal_all();
  the().start(3);
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader().has_value(); }));
  ASSERT_TRUE(settles());
  EXPECT_FALSE(the().is_committed(*first_tail));
  the().crash(3);
  the().crash(other);
  the().start(second);
  the().start(other);
  ASSERT_TRUE(settles());
  write(1);
  EXPECT_FALSE(the().is_committed(*second_tail));
  EXPECT_THAT(the().violations(), IsEmpty());
}

TEST_F(OmniPaxosStory, ATailThatCannotBeCutIsReplacedByATree) {
  begin();
  write(5);
  const NodeId old = leave_tail_at_dead_leader(4);
  write(3);
  the().purge_log(old);  // its only tree holds the tail
  the().start(old);
  ASSERT_TRUE(settles());
  EXPECT_GT(the().trees_sent(), 0);
}

TEST_F(OmniPaxosStory, ALateServerGetsTheLogFromDisk) {
  begin({.memory_entries = 3});
  write(1);
  the().crash(1);
  write(20);
  the().start(1);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().trees_sent(), 0);
}

TEST_F(OmniPaxosStory, ALateServerGetsATreeWhereTheLogIsGone) {
  begin({.memory_entries = 3, .is_log_kept = false});
  the().crash(1);
  write(20);
  the().start(1);
  ASSERT_TRUE(settles());
  EXPECT_GT(the().trees_sent(), 0);
}

// The greater part was trimmed elsewhere: whoever leads fetches a tree.
TEST_F(OmniPaxosStory, ALeaderFetchesATreeFromWhoPromised) {
  begin({.memory_entries = 3, .is_log_kept = false});
  the().crash(2);
  write(20);
  the().crash(1);
  the().crash(3);
  the().start(1);
  the().start(2);  // of the two its ballot is the greater
  ASSERT_TRUE(settles()) << the().describe();
  EXPECT_EQ(the().serving_leader(), 2);
  EXPECT_GT(the().trees_sent(), 0);
  EXPECT_EQ(the().committed_count(2), 20U);
}

TEST_F(OmniPaxosStory, ALeaderFetchesWhatItLacksFromLogOnDisk) {
  begin({.memory_entries = 3});
  write(1);
  the().crash(2);
  write(20);
  the().crash(1);
  the().crash(3);
  the().start(1);
  the().start(2);
  ASSERT_TRUE(settles()) << the().describe();
  EXPECT_EQ(the().serving_leader(), 2);
  EXPECT_EQ(the().trees_sent(), 0);
  EXPECT_EQ(the().committed_count(2), 21U);
}

// A crash of whoever sends, or of whoever is sent to, at every message of a take-over with a tail
// to cut and a log to fetch: in particular between a log and the round it was accepted in.
TEST_F(OmniPaxosStory, ACrashAtAnyMessageOfATakeOverLosesNothing) {
  for (int victim = 0; victim < 2; ++victim) {
    for (int crash_at = 1; crash_at < 60; ++crash_at) {
      SCOPED_TRACE(testing::Message() << "victim " << victim << ", message " << crash_at);
      begin({.max_flush_ms = 4});
      the().crash(2);
      write(6);
      const NodeId old = *the().serving_leader();
      the().isolate(old);
      for (int i = 0; i < 3; ++i) ASSERT_TRUE(the().write_at(old));
      the().run_for(10);
      for (const NodeId id : {NodeId{1}, NodeId{3}}) the().crash(id);
      the().heal_all();
      int messages = 0;
      the().on_message = [&](NodeId from, NodeId to, const Message& message) {
        if (message.index() <= Message(HeartbeatReply{}).index() || ++messages != crash_at) return;
        the().crash(victim == 0 ? from : to);
      };
      the().start(1);
      the().start(2);
      the().run_for(4 * kTimeoutMs);
      the().on_message = nullptr;
      the().start_all();
      ASSERT_TRUE(settles()) << the().describe();
      write(1);
      ASSERT_THAT(the().violations(), IsEmpty()) << the().describe();
    }
  }
}

// A power failure of all, wherever the disks have got to while a tail is replaced.
TEST_F(OmniPaxosStory, APowerFailureWhileALogIsTakenOverLosesNothing) {
  for (std::int64_t after_ms = 1; after_ms < 60; ++after_ms) {
    SCOPED_TRACE(after_ms);
    begin({.min_flush_ms = 5, .max_flush_ms = 9});
    write(4);
    const NodeId old = leave_tail_at_dead_leader(4);
    write(4);
    the().start(old);
    the().run_for(after_ms);
    for (NodeId id = 1; id <= 3; ++id) the().crash(id);
    the().start_all();
    ASSERT_TRUE(settles()) << the().describe();
    write(1);
    ASSERT_THAT(the().violations(), IsEmpty()) << the().describe();
  }
}

// ---- memory ------------------------------------------------------------------------------------

TEST_F(OmniPaxosStory, WhoForgotItsPromisesDoesNotCountUntilSynchronised) {
  begin();
  write(3);
  the().crash(1);
  the().crash(2);
  the().wipe(1);
  the().start(1);
  the().run_for(30 * kTimeoutMs);
  EXPECT_EQ(the().serving_leader(), std::nullopt) << "one that remembers is no quorum of three";
  the().start(2);
  ASSERT_TRUE(settles()) << the().describe();
  the().crash(2);
  write(2);
}

// ---- observers, service, reads -----------------------------------------------------------------

TEST_F(OmniPaxosStory, AnObserverFollowsAndNeverCounts) {
  begin({.observers = 1});
  EXPECT_EQ(the().status(4).role, Role::kObserving);
  write(3);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().last_applied(4), the().last_applied(3));
  the().crash(1);
  the().crash(2);
  const std::size_t before = the().committed_count();
  the().write();
  the().run_for(10 * kTimeoutMs);
  EXPECT_EQ(the().committed_count(), before);
}

TEST_F(OmniPaxosStory, AReadIsAnsweredWhileAQuorumHasPromisedNothingHigher) {
  begin();
  write(4);
  the().read_index(3, 1);
  EXPECT_THAT(the().reads(3), IsEmpty()) << "it has to ask";
  the().run_for(5);
  ASSERT_TRUE(the().reads(3).contains(1));
  EXPECT_EQ(the().reads(3).at(1), the().last_applied(3));
  the().isolate(3);
  the().read_index(3, 2);
  the().run_for(20 * kTimeoutMs);
  EXPECT_FALSE(the().reads(3).contains(2)) << "others may have decided since";
}

TEST_F(OmniPaxosStory, ADeposedLeaderThatDoesNotKnowAnswersNoRead) {
  begin();
  write(2);
  for (const NodeId other : {NodeId{1}, NodeId{2}}) {
    the().silence(3, other);
    the().silence(other, 3);
  }
  ASSERT_TRUE(the().run_until([&] { return the().status(2).role == Role::kLeading; }));
  the().read_index(3, 9);
  the().heal_all();
  ASSERT_TRUE(settles());
  EXPECT_FALSE(the().reads(3).contains(9));
}

TEST_F(OmniPaxosStory, ServiceMessagesKeepTheirPlaceBehindEntries) {
  begin({}, {.window_bytes = 1});
  std::vector<std::string> heard;
  std::optional<LinkId> learner;
  the().on_deliver = [&](NodeId at, const effect::Deliver& delivery) {
    if (delivery.message.kind == ServiceMessage::Kind::kRequest) {
      EXPECT_EQ(at, 3);
      EXPECT_EQ(delivery.message.data, "please");
      EXPECT_EQ(delivery.message.identities, "who");
      learner = delivery.from;
    }
    if (delivery.message.kind == ServiceMessage::Kind::kSynced)
      heard.push_back(std::to_string(the().applied(at).size()) + " " +
                      std::to_string(the().last_durable(3).counter()));
  };
  the().send_to_leader(
      1, {.kind = ServiceMessage::Kind::kRequest, .data = "please", .identities = "who"});
  the().run_for(5);
  ASSERT_TRUE(learner);
  the().stall_disk(1, true);  // the window stays shut for it
  for (int i = 0; i < 5; ++i) the().write();
  the().run_for(20);
  ASSERT_EQ(the().committed_count(), 5U);
  the().send_to_learner(3, *learner, {.kind = ServiceMessage::Kind::kSynced});
  the().run_for(20);
  EXPECT_THAT(heard, IsEmpty()) << "what was decided before has not been sent yet";
  the().stall_disk(1, false);
  ASSERT_TRUE(the().run_until([&] { return !heard.empty(); }));
  EXPECT_EQ(heard.front(), "5 5");
}

TEST_F(OmniPaxosStory, ARequestOfAnEarlierRoundIsNotServedInTheNext) {
  begin({.first_counter = 0xfffffffe - 0x10005});
  int requests = 0;
  the().on_deliver = [&](NodeId, const effect::Deliver& delivery) {
    requests += delivery.message.kind == ServiceMessage::Kind::kRequest;
  };
  the().silence(1, 3);
  the().send_to_leader(1, {.kind = ServiceMessage::Kind::kRequest, .data = "late"});
  const std::uint32_t before = the().status(3).epoch;
  the().write();
  ASSERT_TRUE(the().run_until(
      [&] { return the().status(3).is_serving && the().status(3).epoch > before; }));
  the().heal_all();
  ASSERT_TRUE(settles());
  EXPECT_EQ(requests, 0) << "the same server leads, on the same link";
  the().send_to_leader(1, {.kind = ServiceMessage::Kind::kRequest, .data = "new"});
  the().run_for(5);
  EXPECT_EQ(requests, 1);
}

TEST_F(OmniPaxosStory, TouchesAreAskedForAtAPace) {
  begin();
  int wanted = 0;
  int touched = 0;
  the().on_deliver = [&](NodeId, const effect::Deliver& delivery) {
    wanted += delivery.message.kind == ServiceMessage::Kind::kTouchesWanted;
    touched += delivery.message.kind == ServiceMessage::Kind::kTouches;
  };
  the().run_for(1000);  // ten ticks
  EXPECT_NEAR(wanted, 40, 4) << "two learners, twice a tick";
  EXPECT_NEAR(touched, 40, 4);
}

TEST_F(OmniPaxosStory, AWindowThatIsShutOpensAgain) {
  begin({.max_delay_ms = 5}, {.window_bytes = 1});
  for (int i = 0; i < 200; ++i) {
    the().write();
    the().run_for(1);
  }
  ASSERT_TRUE(the().run_until([&] { return the().committed_count() == 200; }));
  ASSERT_TRUE(settles());
}

}  // namespace
}  // namespace synod::consensus::omnipaxos
