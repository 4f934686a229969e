// Ensembles under scripted schedules: each test is a story that broke a real system, or could.
// Numbers are those of the list of instructive bugs (docs: reliability).
#include "consensus/zab/zab.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "consensus/zab/test_crashes.h"
#include "consensus/zab/test_story.h"

namespace synod::consensus::zab {
namespace {

using testing::Contains;
using testing::HasSubstr;

class ZabStory : public Story {
 protected:
  // The leader logs entries that reach nobody, and dies; the others go on without it.
  void leave_tail_at_dead_leader(int entries) {
    const NodeId old = *the().serving_leader();
    the().isolate(old);
    for (int i = 0; i < entries; ++i) ASSERT_TRUE(the().write_at(old));
    the().run_for(20);
    the().crash(old);
    the().heal_all();
    ASSERT_TRUE(settles());
  }
};

TEST_F(ZabStory, FreshServersElectOneAndCommit) {
  begin();
  EXPECT_EQ(the().serving_leader(), 3);
  write(10);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().last_applied(1), Zxid::of(1, 10));
}

TEST_F(ZabStory, OneVoterIsAQuorum) {
  begin({.voters = 1});
  write(3);
  the().read_index(1, 7);
  EXPECT_TRUE(the().reads(1).contains(7)) << "nobody else can have led";
}

TEST_F(ZabStory, AMinorityCommitsNothing) {
  begin();
  the().crash(1);
  the().crash(2);
  const std::size_t before = the().committed_count();
  the().write();
  the().run_for(3000);
  EXPECT_EQ(the().committed_count(), before);
  EXPECT_EQ(the().serving_leader(), std::nullopt);
  EXPECT_THAT(the().warnings(), Contains(HasSubstr("only 1 of 3 voters are in touch")));
}

// ---- joining ----------------------------------------------------------------------------------

TEST_F(ZabStory, LateFollowerGetsTheDifferenceFromMemory) {
  begin();
  write(3);
  the().crash(1);
  write(5);
  the().clear_transcript();
  the().start(1);
  ASSERT_TRUE(settles());
  EXPECT_THAT(the().transcript(), Contains("3->1 DIFF 0x100000008"));
  EXPECT_EQ(the().count_sent("SNAP"), 0);
}

TEST_F(ZabStory, LateFollowerGetsTheDifferenceFromTheLog) {
  begin({.memory_entries = 3});
  write(3);
  the().crash(1);
  write(20);
  the().clear_transcript();
  the().start(1);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().count_sent("DIFF"), 1);
  EXPECT_EQ(the().count_sent("SNAP"), 0);
  EXPECT_EQ(the().last_applied(1), Zxid::of(1, 23));
}

// 8: what memory lets go of while the log is read is read as well.
TEST_F(ZabStory, NothingIsLeftOutBetweenLogAndMemory) {
  begin({.memory_entries = 3});
  write(3);
  the().crash(1);
  write(20);
  the().start(1);
  ASSERT_TRUE(the().run_until([&] { return the().count_sent("ACKEPOCH") > 2; }));
  for (int i = 0; i < 40; ++i) {
    the().write();
    the().step();
  }
  ASSERT_TRUE(settles());
}

TEST_F(ZabStory, LateFollowerGetsTheTreeWhenTheLogIsGone) {
  begin({.memory_entries = 3, .is_log_kept = false});
  write(3);
  the().crash(1);
  write(20);
  the().clear_transcript();
  the().start(1);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().count_sent("SNAP"), 1);
  write(2);
  ASSERT_TRUE(settles());
}

// 1: what the old leader logged alone is dropped, whether its successor wrote anything or not.
TEST_F(ZabStory, OldLeaderGivesUpItsTail) {
  begin();
  write(4);
  leave_tail_at_dead_leader(2);
  the().clear_transcript();
  the().start(3);
  ASSERT_TRUE(settles());
  EXPECT_THAT(the().transcript(), Contains("2->3 TRUNC 0x100000004"));
  EXPECT_EQ(the().last_applied(3), Zxid::of(1, 4));
}

TEST_F(ZabStory, OldLeaderGivesUpItsTailForNewEntries) {
  begin();
  write(4);
  leave_tail_at_dead_leader(2);
  write(3);
  the().clear_transcript();
  the().start(3);
  ASSERT_TRUE(settles());
  EXPECT_THAT(the().transcript(), Contains("2->3 TRUNC 0x100000004"));
  EXPECT_EQ(the().last_applied(3), Zxid::of(2, 3));
}

TEST_F(ZabStory, TailBelowMemoryIsReplacedByTheTree) {
  begin({.memory_entries = 3});
  write(4);
  leave_tail_at_dead_leader(2);
  write(20);
  the().clear_transcript();
  the().start(3);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().count_sent("SNAP"), 1);
  EXPECT_EQ(the().last_applied(3), Zxid::of(2, 20));
}

// 2: an epoch without transactions leaves no entry that could be mistaken for one. A logs alone, B
// and C open epochs in which nothing is written, then A and B meet, then all.
TEST_F(ZabStory, EmptyEpochsDoNotSaveATail) {
  begin();
  write(1);
  leave_tail_at_dead_leader(1);  // of 3
  the().crash(1);
  the().run_for(2000);
  the().start(3);
  ASSERT_TRUE(settles());  // 2 and 3
  the().crash(2);
  the().start(1);
  ASSERT_TRUE(settles());  // 1 and 3
  the().start(2);
  ASSERT_TRUE(settles());
  write(1);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().applied(1), the().applied(3));
}

// 4: what two servers logged survives elections without a restart, and whoever leads then has it.
TEST_F(ZabStory, LoggedEntriesCountInTheNextElection) {
  begin();
  write(2);
  the().stall_disk(3, true);  // the leader cannot count itself
  the().isolate(1);
  const auto bytes = the().write();
  ASSERT_TRUE(bytes);
  the().run_for(1);  // the PROPOSAL is on its way to 2, its ACK is not back
  the().cut_off(2, 3);
  the().run_for(2000);
  the().heal(1, 2);  // 1 and 2 elect: 2 has it logged
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader() == 2; }));
  the().stall_disk(3, false);
  the().heal_all();
  ASSERT_TRUE(settles());
  EXPECT_TRUE(the().is_committed(*bytes));
}

// 13: who joined by DIFF passes on all of it when it leads.
TEST_F(ZabStory, WhatCameByDiffIsSentOn) {
  begin();
  write(2);
  the().crash(1);
  the().run_for(500);
  the().crash(2);
  the().run_for(500);
  the().start(2);
  ASSERT_TRUE(settles());
  write(10);  // 2 and 3
  the().crash(2);
  the().start(1);
  ASSERT_TRUE(settles());  // 1 by DIFF
  the().crash(3);
  the().start(2);
  ASSERT_TRUE(settles());  // from 1 or 2
  write(3);
  the().start(3);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().applied(1), the().applied(3));
}

// ---- crashes at every message -----------------------------------------------------------------

class ZabCrashes : public testing::TestWithParam<std::tuple<Victim, bool>> {
 protected:
  static TestOptions options() {
    TestOptions options{.memory_entries = 3, .max_delay_ms = 3, .max_flush_ms = 3};
    options.is_log_kept = std::get<1>(GetParam());
    return options;
  }
};

// zab-discovery-crash, zab-newleader-crash; 9, 10, 11: the leader dies with entries that some have,
// and the election after it meets a crash at each of its messages.
TEST_P(ZabCrashes, AfterALeaderDiedWithATail) {
  crash_at_every_packet(options(), std::get<0>(GetParam()), [](TestCluster& cluster) {
    for (int i = 0; i < 6; ++i) cluster.write();
    cluster.run_for(4);
    if (const auto leader = cluster.serving_leader()) cluster.crash(*leader);
    cluster.run_for(300);
    cluster.write();
    cluster.run_for(100);
    cluster.start_all();
    cluster.run_for(600);
  });
}

// zab-late-follower; 11, 12: a server far behind joins under load.
TEST_P(ZabCrashes, WhileALateFollowerJoins) {
  crash_at_every_packet(options(), std::get<0>(GetParam()), [](TestCluster& cluster) {
    cluster.crash(1);
    for (int i = 0; i < 8; ++i) cluster.write();
    cluster.run_for(50);
    if (!cluster.is_up(1)) cluster.start(1);
    for (int i = 0; i < 40; ++i) {
      cluster.write();
      cluster.run_for(5);
    }
  });
}

// 1, 2: a divergent tail is given up, whatever happens on the way.
TEST_P(ZabCrashes, WhileAnOldLeaderGivesUpItsTail) {
  crash_at_every_packet(options(), std::get<0>(GetParam()), [](TestCluster& cluster) {
    cluster.isolate(3);
    cluster.write_at(3);
    cluster.write_at(3);
    cluster.run_for(800);
    cluster.write();
    cluster.run_for(20);
    cluster.heal_all();
    cluster.run_for(600);
  });
}

INSTANTIATE_TEST_SUITE_P(Each, ZabCrashes,
                         testing::Combine(testing::Values(Victim::kSender, Victim::kReceiver,
                                                          Victim::kEverybody),
                                          testing::Bool()));

// ---- epochs -----------------------------------------------------------------------------------

// 23: the counter never wraps; a new epoch is opened before.
TEST_F(ZabStory, NewEpochBeforeTheCounterOverflows) {
  begin({.first_counter = 0xfffdfff0});
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(the().run_until([&] { return the().write_and_wait(1000); }));
  }
  the().run_for(200);  // a moment without outstanding proposals
  ASSERT_TRUE(settles());
  EXPECT_GE(the().status(*the().serving_leader()).epoch, 2U);
  EXPECT_THAT(the().warnings(), Contains(HasSubstr("has no zxids left")));
}

// A server that promised the epoch of a leader that came to nothing is let in by opening a later
// one.
TEST_F(ZabStory, WhoPromisedALaterEpochIsNotLockedOut) {
  begin();
  the().crash(1);
  the().set_accepted_epoch(1, 7);
  the().start(1);
  ASSERT_TRUE(settles());
  EXPECT_GT(the().status(1).epoch, 7U);
}

// ---- who counts -------------------------------------------------------------------------------

TEST_F(ZabStory, ObserversHearAllAndDecideNothing) {
  begin({.voters = 3, .observers = 2});
  write(5);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().status(4).role, Role::kObserving);
  EXPECT_GT(the().count_sent("INFORM"), 0);
  the().crash(1);
  the().crash(2);
  const std::size_t before = the().committed_count();
  the().write();
  the().run_for(3000);
  EXPECT_EQ(the().committed_count(), before) << "one voter and two observers are no quorum";
  EXPECT_EQ(the().serving_leader(), std::nullopt);
}

// A voter that lost its directory neither votes nor counts until it has been synchronised: here it
// and the one that lags would be a majority that does not know of the last write.
TEST_F(ZabStory, WipedServerDoesNotOutvoteWhatItForgot) {
  begin();
  write(2);
  the().isolate(1);  // lags
  write(3);          // on 2 and 3
  the().crash(3);
  the().crash(2);
  the().wipe(2);
  the().heal_all();
  the().start(2);
  the().run_for(3000);
  EXPECT_EQ(the().serving_leader(), std::nullopt) << "1 and the wiped 2 must not go on without 3";
  the().start(3);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().last_applied(2), Zxid::of(1, 5));
  write(1);
}

// ---- reads ------------------------------------------------------------------------------------

TEST_F(ZabStory, ReadIndexNeedsAQuorumThatStillFollows) {
  begin();
  write(2);
  the().read_index(3, 1);
  ASSERT_TRUE(the().run_until([&] { return the().reads(3).contains(1); }));
  EXPECT_EQ(the().reads(3).at(1), Zxid::of(1, 2));

  the().isolate(3);
  the().read_index(3, 2);
  the().run_for(3000);
  EXPECT_FALSE(the().reads(3).contains(2));
}

// One round of PINGs serves all that wait; who comes during it waits for the next.
TEST_F(ZabStory, ReadsShareRounds) {
  begin();
  write(1);
  the().clear_transcript();
  for (std::uint64_t token = 1; token <= 50; ++token) the().read_index(3, token);
  ASSERT_TRUE(the().run_until([&] { return the().reads(3).size() == 50; }));
  EXPECT_LE(the().count_sent("PING"), 12);
}

TEST_F(ZabStory, ReadsGoOnWithOneFollowerGone) {
  begin();
  the().crash(1);
  the().read_index(3, 1);
  ASSERT_TRUE(the().run_until([&] { return the().reads(3).contains(1); }, 300));
}

// ---- service messages -------------------------------------------------------------------------

TEST_F(ZabStory, ServiceMessagesTravelBothWays) {
  begin();
  std::vector<std::pair<NodeId, ServiceMessage>> delivered;
  LinkId from;
  the().on_deliver = [&](NodeId at, const effect::Deliver& deliver) {
    if (deliver.message.kind == ServiceMessage::Kind::kTouchesWanted) return;
    delivered.emplace_back(at, deliver.message);
    from = deliver.from;
  };
  the().send_to_leader(1, {.kind = ServiceMessage::Kind::kRequest,
                           .data = "write",
                           .identities = Bytes("\0\0\0\0", 4)});
  the().send_to_leader(1, {.kind = ServiceMessage::Kind::kRevalidate, .data = "session"});
  the().run_for(5);
  ASSERT_EQ(delivered.size(), 2U);
  EXPECT_EQ(delivered[0].first, 3);
  EXPECT_EQ(delivered[0].second.kind, ServiceMessage::Kind::kRequest);
  EXPECT_EQ(delivered[0].second.data, "write");
  EXPECT_EQ(delivered[0].second.identities, Bytes("\0\0\0\0", 4));
  EXPECT_EQ(delivered[1].second.kind, ServiceMessage::Kind::kRevalidate);

  the().send_to_learner(3, from, {.kind = ServiceMessage::Kind::kRevalidated, .data = "valid"});
  the().send_to_learner(3, from, {.kind = ServiceMessage::Kind::kSynced});
  the().run_for(5);
  ASSERT_EQ(delivered.size(), 4U);
  EXPECT_EQ(delivered[2].first, 1);
  EXPECT_EQ(delivered[2].second.data, "valid");
  EXPECT_EQ(delivered[3].second.kind, ServiceMessage::Kind::kSynced);
}

// ---- time -------------------------------------------------------------------------------------

// A learner whose disk hangs is let go, so that memory does not fill up for it; it comes back.
TEST_F(ZabStory, LearnerThatAcknowledgesTooLateIsClosed) {
  begin();
  the().stall_disk(1, true);
  write(1);
  ASSERT_TRUE(the().run_until([&] { return the().status(1).role == Role::kLooking; }, 2000));
  EXPECT_THAT(the().warnings(), Contains(HasSubstr("does not acknowledge proposals in time")));
  the().stall_disk(1, false);
  ASSERT_TRUE(settles());
}

// 14: no vote while the log is still being written.
TEST_F(ZabStory, NoVoteBeforeTheLogIsFlushed) {
  begin();
  the().stall_disk(1, true);
  the().write();
  the().run_for(20);
  the().cut_off(1, 3);
  the().run_for(1500);
  EXPECT_EQ(the().status(1).role, Role::kLooking);
  the().heal_all();
  the().run_for(1500);
  EXPECT_EQ(the().status(1).role, Role::kLooking) << "it waits for its disk";
  the().stall_disk(1, false);
  ASSERT_TRUE(settles());
}

}  // namespace
}  // namespace synod::consensus::zab
