// Ensembles under scripted schedules: the papers' figures, and what broke real systems (numbers:
// consensus.md 3.12).
#include "consensus/raft/raft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "consensus/raft/test_story.h"

namespace synod::consensus::raft {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<Zxid> log_of(std::vector<std::uint32_t> terms) {
  std::vector<Zxid> log;
  for (const std::uint32_t term : terms) {
    const bool is_first = log.empty() || log.back().epoch() != term;
    log.push_back(is_first ? Zxid::of(term, 1) : log.back().next());
  }
  return log;
}

// ---- elections --------------------------------------------------------------------------------

TEST_F(RaftStory, Section5_2_FreshServersElectOneAndCommit) {
  begin();
  write(10);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().last_applied(follower()), Zxid::of(1, 11)) << "ten and the term's no-op";
}

TEST_F(RaftStory, Section5_2_AMinorityCommitsNothing) {
  begin();
  const NodeId old = leader();
  the().crash(follower(0));
  the().crash(follower(1));
  const std::size_t before = the().committed_count();
  the().write();
  the().run_for(10 * kT);
  EXPECT_EQ(the().committed_count(), before);
  EXPECT_EQ(the().serving_leader(), std::nullopt) << "server " << old << " gave up";
  EXPECT_THAT(the().warnings(), Contains(HasSubstr("only 1 of 3 voters are in touch")));
}

TEST_F(RaftStory, Section5_2_ALeaderThatDiesIsReplaced) {
  begin({.voters = 5});
  write(3);
  const std::uint32_t before = term();
  the().crash(leader());
  ASSERT_TRUE(settles());
  EXPECT_GT(term(), before);
  write(3);
}

// Dissertation 9.6, etcd's first reason for it.
// Broken links tell at once of a process that has ended; only silence takes a timeout to be
// noticed.
TEST_F(RaftStory, NobodyWaitsForTheSilenceOfALeaderWhoseLinksBroke) {
  begin();
  write(3);
  const NodeId old = leader();
  the().crash(old);
  ASSERT_TRUE(the().run_until(
      [&] { return the().serving_leader() && the().serving_leader() != old; }, kT / 2))
      << the().describe();
}

TEST_F(RaftStory, AFollowerWhoseLinkBrokeLeavesALeaderAloneThatOthersHear) {
  begin();
  write(3);
  const std::uint32_t before = term();
  const NodeId old = leader();
  the().cut_off(old, follower(0));
  the().run_for(10 * kT);
  EXPECT_EQ(leader(), old);
  EXPECT_EQ(term(), before);
}

TEST_F(RaftStory, Dissertation9_6_WhoReturnsDoesNotDisturb) {
  begin({.voters = 5});
  const NodeId away = follower();
  const std::uint32_t before = term();
  the().isolate(away);
  the().run_for(20 * kT);
  the().heal_all();
  ASSERT_TRUE(settles());
  EXPECT_EQ(term(), before);
  EXPECT_EQ(the().epochs_on_disk(away).accepted, before);
}

// What the one before protects from.
TEST_F(RaftStory, Section5_2_WithoutPreVoteWhoReturnsBringsItsTerms) {
  begin({.voters = 5}, [](Options& options) { options.pre_vote = options.check_quorum = false; });
  const std::uint32_t before = term();
  the().isolate(follower());
  the().run_for(20 * kT);
  the().heal_all();
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader() && term() > before + 5; }));
  ASSERT_TRUE(settles());
}

// Dissertation 4.2.3: PreVote would not help, for the log is up to date.
TEST_F(RaftStory, Dissertation4_2_3_WhoDoesNotHearTheLeaderDisturbsNobodyWhoDoes) {
  begin({.voters = 5}, [](Options& options) { options.pre_vote = false; });
  const NodeId old = leader();
  const NodeId outside = follower();
  const std::uint32_t before = term();
  the().cut_off(old, outside);
  the().run_for(20 * kT);
  EXPECT_EQ(leader(), old);
  EXPECT_EQ(term(), before);
  write(1);
}

TEST_F(RaftStory, Dissertation6_2_ALeaderWithoutAMajorityStepsDown) {
  begin();
  const NodeId old = leader();
  the().isolate(old);
  ASSERT_TRUE(
      the().run_until([&] { return the().status(old).role == Role::kLooking; }, 2 * kT + 50));
  the().heal_all();
  ASSERT_TRUE(settles());
}

// A silence breaks no link. The leader hears, and is not heard.
TEST_F(RaftStory, ALeaderThatIsNotHeardIsReplaced) {
  begin();
  const NodeId old = leader();
  const std::uint32_t before = term();
  the().silence(old, follower(0));
  the().silence(old, follower(1));
  ASSERT_TRUE(the().run_until([&] { return leader() != 0 && term() > before; }));
  EXPECT_NE(leader(), old);
  the().heal_all();
  ASSERT_TRUE(settles());
  write(1);
}

// ---- figures 7 and 8 --------------------------------------------------------------------------

class RaftFigure7 : public RaftStory, public testing::WithParamInterface<bool> {};

// Six shapes that a follower's log can have when term 8 begins.
TEST_P(RaftFigure7, Section5_3_EveryLogBecomesTheLeaders) {
  const bool is_fast = GetParam();
  prepare({.voters = 7}, [&](Options& options) {
    first_campaigns(options);
    options.fast_repair = is_fast;
  });
  const std::vector<std::vector<std::uint32_t>> terms{{1, 1, 1, 4, 4, 5, 5, 6, 6, 6},
                                                      {1, 1, 1, 4, 4, 5, 5, 6, 6},
                                                      {1, 1, 1, 4},
                                                      {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6},
                                                      {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7},
                                                      {1, 1, 1, 4, 4, 4, 4},
                                                      {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3}};
  for (NodeId node = 1; node <= 7; ++node) {
    the().set_log(node, log_of(terms[static_cast<std::size_t>(node) - 1]));
    the().set_accepted_epoch(node, 7);
  }
  std::map<NodeId, int> refusals;
  the().on_message = [&](NodeId from, NodeId, const Message& message) {
    if (std::holds_alternative<message::Refused>(message)) ++refusals[from];
  };
  the().start_all();
  ASSERT_TRUE(settles());
  EXPECT_EQ(leader(), 1);
  EXPECT_EQ(term(), 8U);
  std::vector<Zxid> expected = log_of(terms[0]);
  expected.push_back(Zxid::of(8, 1));
  for (NodeId node = 1; node <= 7; ++node) EXPECT_EQ(the().applied(node), expected) << node;
  EXPECT_GT(the().count_sent("Refused"), 0);
  if (!is_fast) return;
  // (f) has two terms that the leader has not, and lacks three.
  for (const auto& [node, count] : refusals) EXPECT_LE(count, 3) << "server " << node;
}
INSTANTIATE_TEST_SUITE_P(Repair, RaftFigure7, testing::Bool(),
                         [](const auto& which) { return which.param ? "Fast" : "OneStepBack"; });

// consensus.md 3.5, the worked examples: one refusal instead of five.
TEST_F(RaftStory, Section5_3_ARefusalSkipsWholeTerms) {
  prepare({}, [](Options& options) { first_campaigns(options); });
  the().set_log(1, log_of({1, 1, 1, 4, 4, 4, 7, 7}));
  the().set_log(2, log_of({1, 1, 1, 2, 2, 2, 2, 3}));
  the().set_log(3, log_of({1, 1, 1, 4, 4, 4, 7, 7}));
  the().set_accepted_epoch(2, 7);
  the().start_all();
  ASSERT_TRUE(settles());
  EXPECT_EQ(leader(), 1);
  EXPECT_LE(the().count_sent("Refused"), 2);
}

// Server 1 leads term 2, reaches 2, dies; 5 leads term 3 and reaches nobody; 1 leads term 4, and
// brings its old entry to a majority. It must not call that committed: 5 may still win, and does.
TEST_F(RaftStory, Section5_4_2_Figure8) {
  prepare({.voters = 5}, [](Options& options) {
    options.pre_vote = false;
    options.max_message_bytes = 1;
    if (options.self.value > 1 && options.self.value < 5) options.election_timeout_ms *= 20;
  });
  the().set_log(1, log_of({1, 2}));
  the().set_log(2, log_of({1, 2}));
  for (const NodeId node : {3, 4}) the().set_log(node, log_of({1}));
  the().set_log(5, log_of({1, 3}));
  for (const NodeId node : {1, 2, 3, 4, 5}) the().set_accepted_epoch(node, 3);
  // Of term 4 no entry gets anywhere: server 2's disk has no time for it, and server 3, which at
  // first has nothing to put it behind, does not hear of it again.
  bool has_old_entry = false;
  the().on_message = [&](NodeId from, NodeId to, const Message& message) {
    const auto* append = std::get_if<message::AppendEntries>(&message);
    if (from != 1 || append == nullptr) return;
    the().stall_disk(2, true);
    if (to != 3 || append->entries.empty()) return;
    if (append->entries.back().zxid.epoch() == 2) has_old_entry = true;
    if (append->entries.back().zxid.epoch() == 4 && has_old_entry) the().silence(1, 3);
  };
  for (const NodeId node : {1, 2, 3}) the().start(node);
  ASSERT_TRUE(the().run_until([&] { return the().is_durable(3, Zxid::of(2, 1)); }));
  the().run_for(30);
  EXPECT_EQ(the().status(1).role, Role::kLeading);
  EXPECT_EQ(the().committed_count(), 0U) << "(c): on three of five, and not committed";
  the().crash(1);
  the().on_message = {};
  the().heal_all();
  the().stall_disk(2, false);
  the().start(4);
  the().start(5);
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader() == 5; }));
  the().start(1);
  ASSERT_TRUE(settles());
  EXPECT_FALSE(the().is_durable(3, Zxid::of(2, 1))) << "(d)";
  EXPECT_TRUE(the().is_durable(1, Zxid::of(3, 1)));
}

// ---- followers that are behind ----------------------------------------------------------------

TEST_F(RaftStory, ALateFollowerIsServedFromMemory) {
  begin();
  write(3);
  const NodeId late = follower();
  the().crash(late);
  write(20);
  the().clear_transcript();
  the().start(late);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().count_sent("SnapshotHead"), 0);
}

TEST_F(RaftStory, ALateFollowerIsServedFromTheLog) {
  begin({.memory_entries = 3});
  write(3);
  const NodeId late = follower();
  the().crash(late);
  write(20);
  the().clear_transcript();
  the().start(late);
  for (int i = 0; i < 40; ++i) {
    the().write();
    the().step();
  }
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().count_sent("SnapshotHead"), 0);
}

TEST_F(RaftStory, Section7_WhatTheLogHasNoLongerComesAsATree) {
  begin({.memory_entries = 3, .is_log_kept = false});
  write(3);
  const NodeId late = follower();
  the().crash(late);
  write(20);
  the().start(late);
  for (int i = 0; i < 40; ++i) {
    the().write();
    the().step();
  }
  ASSERT_TRUE(settles());
  EXPECT_GE(the().count_sent("SnapshotHead"), 1);
  write(2);
}

// #9, #20: what follows the tree's last entry is not a conflict.
TEST_F(RaftStory, Section7_AfterATreeTheLogGoesOn) {
  begin({.memory_entries = 1, .is_log_kept = false});
  const NodeId late = follower();
  the().crash(late);
  write(10);
  the().start(late);
  ASSERT_TRUE(settles());
  the().clear_transcript();
  write(10);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().count_sent("Refused"), 0);
  EXPECT_EQ(the().count_sent("SnapshotHead"), 0);
}

// #11: a tree that the last leader began to send ends in another's term.
TEST_F(RaftStory, Section7_ATreeOfATermThatIsOverDoesNoHarm) {
  begin({.memory_entries = 1, .max_delay_ms = 10, .max_flush_ms = 20, .is_log_kept = false});
  for (int round = 0; round < 6; ++round) {
    const NodeId late = follower();
    the().crash(late);
    write(5);
    the().start(late);
    const int before = the().count_sent("SnapshotHead");
    ASSERT_TRUE(the().run_until([&] { return the().count_sent("SnapshotHead") > before; }));
    const NodeId old = leader();
    the().crash(old);
    the().run_for(3 * kT);
    the().start(old);
    ASSERT_TRUE(settles());
  }
}

// A window that is full still tells of commits, and a stalled disk holds up nobody else.
TEST_F(RaftStory, ASlowFollowerHoldsUpNobody) {
  begin({}, [](Options& options) {
    options.max_in_flight = 4;
    options.max_message_bytes = 1;
  });
  const NodeId slow = follower();
  the().stall_disk(slow, true);
  write(30);
  the().stall_disk(slow, false);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().count_sent("Refused"), 0);
}

TEST_F(RaftStory, ObserversFollowAndDoNotCount) {
  begin({.voters = 3, .observers = 2});
  write(5);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().status(5).role, Role::kObserving);
  the().crash(follower(0));
  the().crash(follower(1));
  const std::size_t before = the().committed_count();
  the().write();
  the().run_for(3 * kT);
  EXPECT_EQ(the().committed_count(), before);
}

// ---- durability -------------------------------------------------------------------------------

// #15: what is not on the only disk is not committed.
TEST_F(RaftStory, Dissertation10_2_1_AloneTheLeaderWaitsForItsDisk) {
  begin({.voters = 1});
  the().stall_disk(1, true);
  const auto bytes = the().write();
  ASSERT_TRUE(bytes);
  the().run_for(10 * kT);
  EXPECT_FALSE(the().is_committed(*bytes));
  the().crash(1);
  the().stall_disk(1, false);
  the().start(1);
  ASSERT_TRUE(settles());
  EXPECT_FALSE(the().is_committed(*bytes));
  write(1);
}

// A wiped server knows neither its votes nor its acknowledgements any more.
TEST_F(RaftStory, AWipedServerCountsOnceItIsSynchronised) {
  begin();
  write(5);
  const NodeId wiped = follower(0);
  const NodeId third = follower(1);
  the().crash(wiped);
  the().wipe(wiped);
  the().crash(third);
  the().start(wiped);
  const std::size_t before = the().committed_count();
  the().write();
  the().run_for(5 * kT);
  EXPECT_EQ(the().committed_count(), before) << "the leader and who has forgotten are no majority";
  // Nor does the log that it was sent make up for what it forgot.
  ASSERT_GT(the().durable_count(wiped), 0U);
  the().crash(wiped);
  the().start(wiped);
  the().run_for(5 * kT);
  EXPECT_EQ(the().committed_count(), before);
  the().start(third);
  ASSERT_TRUE(settles());
  ASSERT_TRUE(the().run_until([&] { return the().epochs_on_disk(wiped).current > 0; }));
  the().crash(third == leader() ? follower(1) : third);
  ASSERT_TRUE(the().run_until([&] { return the().write_and_wait(2000); }, 60'000));
}

// ---- terms that run out -----------------------------------------------------------------------

TEST_F(RaftStory, WhenTheCounterRunsOutAnIdleLeaderBeginsANewTerm) {
  begin({.first_counter = 0xffffffff - 0x20008});
  const std::uint32_t before = term();
  write(10);
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader() && term() > before; }));
  EXPECT_THAT(the().warnings(), Contains(HasSubstr("no zxids left")));
  ASSERT_TRUE(settles());
}

TEST_F(RaftStory, WhenTheCounterRunsOutABusyLeaderBeginsANewTerm) {
  begin({.first_counter = 0xffffffff - 0x10018});
  const std::uint32_t before = term();
  for (int i = 0; i < 100; ++i) {
    the().write();
    the().run_for(5);
  }
  EXPECT_GT(term(), before);
  EXPECT_THAT(the().warnings(), Contains(HasSubstr("no zxids left")));
  ASSERT_TRUE(settles());
  EXPECT_GT(the().committed_count(), 60U) << "most of them were taken";
}

// ---- reads ------------------------------------------------------------------------------------

TEST_F(RaftStory, Dissertation6_4_ALeaderThatWasReplacedAnswersNoRead) {
  begin();
  const NodeId old = leader();
  the().isolate(old);
  the().read_index(old, 7);
  the().run_for(10 * kT);
  EXPECT_FALSE(the().reads(old).contains(7));
  the().heal_all();
  ASSERT_TRUE(settles());
  the().read_index(leader(), 8);
  ASSERT_TRUE(the().run_until([&] { return the().reads(leader()).contains(8); }));
  EXPECT_GE(the().reads(leader()).at(8), the().last_applied(follower()));
}

TEST_F(RaftStory, Dissertation6_4_AloneAReadNeedsNobody) {
  begin({.voters = 1});
  the().read_index(1, 7);
  EXPECT_TRUE(the().reads(1).contains(7));
}

// ---- service messages -------------------------------------------------------------------------

TEST_F(RaftStory, ServiceMessagesTravelBothWays) {
  begin({.voters = 3, .observers = 1});
  std::vector<std::string> delivered;
  std::set<NodeId> asked;
  the().on_deliver = [&](NodeId node, const effect::Deliver& delivery) {
    if (delivery.message.kind == ServiceMessage::Kind::kTouchesWanted) asked.insert(node);
    if (delivery.message.kind == ServiceMessage::Kind::kRequest) {
      delivered.push_back(delivery.message.data);
      the().send_to_learner(node, delivery.from, {.kind = ServiceMessage::Kind::kSynced});
    }
    if (delivery.message.kind == ServiceMessage::Kind::kSynced) delivered.emplace_back("synced");
  };
  the().send_to_leader(4, {.kind = ServiceMessage::Kind::kRequest, .data = "of the observer"});
  ASSERT_TRUE(the().run_until([&] { return delivered.size() == 2 && asked.size() == 3; }));
  EXPECT_EQ(delivered, (std::vector<std::string>{"of the observer", "synced"}));
}

// ---- leadership transfer ----------------------------------------------------------------------

TEST_F(RaftStory, Dissertation3_10_TheTargetTakesOverAtOnce) {
  begin();
  write(5);
  const NodeId target = follower();
  const std::uint32_t before = term();
  ASSERT_TRUE(transfer(target));
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader() == target; }, kT));
  EXPECT_EQ(term(), before + 1);
  ASSERT_TRUE(settles());
  write(1);
}

TEST_F(RaftStory, Dissertation3_10_WhoDoesNotVoteCannotTakeOver) {
  begin({.voters = 3, .observers = 1});
  EXPECT_FALSE(transfer(4));
  EXPECT_FALSE(transfer(leader())) << "it leads";
  EXPECT_FALSE(transfer(9)) << "no member";
  const NodeId down = follower();
  the().crash(down);
  the().run_for(100);
  EXPECT_FALSE(transfer(down)) << "not in touch";
  write(1);
}

// #12: it dies, or never hears of it: the leader goes on.
TEST_F(RaftStory, Dissertation3_10_ATransferThatFailsIsGivenUp) {
  begin();
  const NodeId old = leader();
  const NodeId target = follower();
  the().on_message = [&](NodeId, NodeId to, const Message& message) {
    if (std::holds_alternative<message::TimeoutNow>(message)) the().crash(to);
  };
  ASSERT_TRUE(transfer(target));
  the().run_for(20);
  EXPECT_EQ(the().serving_leader(), std::nullopt) << "nothing is proposed meanwhile";
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader() == old; }, 2 * kT));
  write(1);
}

TEST_F(RaftStory, Dissertation3_10_AForcedVoteThatIsLostIsFollowedByAnElection) {
  begin({.voters = 5});
  const NodeId target = follower();
  the().on_message = [&](NodeId from, NodeId, const Message& message) {
    const auto* ask = std::get_if<message::RequestVote>(&message);
    if (from == target && ask != nullptr && ask->is_transfer) the().isolate(target);
  };
  ASSERT_TRUE(transfer(target));
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader().has_value(); }));
  the().on_message = {};
  the().run_for(3 * kT);
  the().heal_all();
  ASSERT_TRUE(settles());
  write(1);
}

TEST_F(RaftStory, Dissertation3_10_ALaterTargetTakesTheFirstsPlace) {
  begin();
  const NodeId first = follower(0);
  const NodeId second = follower(1);
  const NodeId old = leader();
  the().with_engine(old, [&](Engine& engine) {
    auto& raft = dynamic_cast<Raft&>(engine);
    EXPECT_TRUE(raft.transfer_leadership(ServerId{first}));
    EXPECT_TRUE(raft.transfer_leadership(ServerId{second}));
    EXPECT_TRUE(raft.transfer_leadership(ServerId{second}));
  });
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader() == second; }, kT));
  EXPECT_EQ(the().count_sent("TimeoutNow"), 1);
}

}  // namespace
}  // namespace synod::consensus::raft
