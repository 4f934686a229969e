// Changes of membership under scripted schedules: what section 6 of the paper and chapter 4 of the
// dissertation claim. Servers behind the members are spares, which know the members and themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>

#include "consensus/raft/test_story.h"

namespace synod::consensus::raft {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Optional;

Servers servers(std::initializer_list<NodeId> ids) {
  Servers made;
  for (const NodeId id : ids) add_to(made, ServerId{id});
  return made;
}

class RaftChange : public RaftStory {
 protected:
  // Why not; nothing: it is under way.
  std::optional<std::string> change(std::initializer_list<NodeId> voters,
                                    std::initializer_list<NodeId> observers = {}) {
    return the().reconfigure(the().with_members(servers(voters), servers(observers)));
  }
  // Until it is over: the new configuration alone is committed.
  bool changes(std::initializer_list<NodeId> voters, std::initializer_list<NodeId> observers = {}) {
    the().run_for(100);  // who was just started is in step by then
    const auto refusal = change(voters, observers);
    if (refusal) ADD_FAILURE() << *refusal;
    return the().run_until([&] {
      return leader() != 0 && !is_reconfiguring() &&
             the().membership().voters() == servers(voters) && the().are_all_serving_and_equal();
    });
  }
  std::string membership_of(NodeId node) {
    std::string text;
    the().with_engine(node, [&](Engine& engine) {
      for (const auto& [id, member] : engine.membership()->members)
        text += (member.is_observer ? "o" : "") + std::to_string(id.value) + " ";
    });
    return text;
  }
  // Entries by which an engine says that a configuration counts alone.
  int count_alone() {
    int count = 0;
    for (const Entry& entry : the().committed())
      count += entry.bytes->front() == static_cast<char>(EntryKind::kConfiguration);
    return count;
  }
  void lead_with(NodeId node) {
    if (leader() == node) return;
    ASSERT_TRUE(transfer(node));
    ASSERT_TRUE(the().run_until([&] { return leader() == node; }));
    ASSERT_TRUE(settles());
  }
};

// ---- servers come and go ----------------------------------------------------------------------

class RaftChangeEitherWay : public RaftChange, public testing::WithParamInterface<bool> {
 protected:
  void begin_either_way(const TestOptions& options) {
    begin(options, [](Options& engine) { engine.single_steps = GetParam(); });
  }
};
INSTANTIATE_TEST_SUITE_P(Steps, RaftChangeEitherWay, testing::Bool(),
                         [](const auto& which) { return which.param ? "Single" : "Joint"; });

TEST_P(RaftChangeEitherWay, Section6_OneServerJoins) {
  begin_either_way({.spares = 1});
  write(5);
  ASSERT_TRUE(changes({1, 2, 3, 4}));
  EXPECT_EQ(the().status(4).role, Role::kFollowing);
  EXPECT_EQ(count_alone(), GetParam() ? 0 : 1) << "C_new behind C_old,new";
  // Two of four are no majority.
  the().crash(follower(0));
  the().crash(follower(1));
  const std::size_t before = the().committed_count();
  the().write();
  the().run_for(3 * kT);
  EXPECT_EQ(the().committed_count(), before);
}

TEST_P(RaftChangeEitherWay, Section6_OneServerLeaves) {
  begin_either_way({.voters = 4});
  const NodeId leaving = follower();
  std::set<NodeId> rest{1, 2, 3, 4};
  rest.erase(leaving);
  auto one = rest.begin();
  const NodeId a = *one++;
  const NodeId b = *one++;
  const NodeId c = *one;
  ASSERT_TRUE(changes({a, b, c}));
  the().run_for(50);
  EXPECT_EQ(the().status(leaving).role, Role::kObserving) << "it heard";
  the().crash(leaving);
  the().crash(follower() == leaving ? follower(1) : follower());
  write(1);
}

TEST_P(RaftChangeEitherWay, Section6_TheLeaderLeaves) {
  begin_either_way({.spares = 1});
  const NodeId old = leader();
  const std::int64_t begun = the().now();
  ASSERT_TRUE(old == 1 ? changes({2, 3, 4}) : old == 2 ? changes({1, 3, 4}) : changes({1, 2, 4}));
  EXPECT_LT(the().now() - begun, 100 + kT) << "nobody had to wait for a timer";
  EXPECT_NE(leader(), old);
  EXPECT_EQ(the().status(old).role, Role::kObserving);
  EXPECT_THAT(the().warnings(), Contains(HasSubstr("it is no voter any more")));
  write(3);
}

TEST_P(RaftChangeEitherWay, ObserversBecomeVotersAndBack) {
  begin_either_way({.voters = 3, .observers = 1});
  ASSERT_TRUE(changes({1, 2, 3, 4}));
  the().run_for(50);
  EXPECT_EQ(the().status(4).role, Role::kFollowing);
  lead_with(1);
  ASSERT_TRUE(changes({1, 2, 4}, {3}));
  the().run_for(50);
  EXPECT_EQ(the().status(3).role, Role::kObserving);
  ASSERT_TRUE(changes({2, 4}, {1, 3}));
  ASSERT_TRUE(the().run_until([&] { return the().status(1).role == Role::kObserving; }));
  write(1);
}

TEST_F(RaftChange, Section6_AllAreReplacedAtOnce) {
  begin({.spares = 3});
  write(10);
  ASSERT_TRUE(changes({4, 5, 6}));
  EXPECT_GT(leader(), 3);
  for (const NodeId node : {1, 2, 3}) the().crash(node);
  write(5);
  ASSERT_TRUE(settles());
  the().crash(follower());
  write(1);
}

TEST_F(RaftChange, Dissertation4_1_ManyByOne) {
  begin({.voters = 1, .spares = 4}, [](Options& options) { options.single_steps = true; });
  ASSERT_TRUE(changes({1, 2}));
  ASSERT_TRUE(changes({1, 2, 3}));
  ASSERT_TRUE(changes({1, 2, 3, 4}));
  ASSERT_TRUE(changes({1, 2, 3, 4, 5}));
  EXPECT_EQ(count_alone(), 0);
  the().crash(leader());
  ASSERT_TRUE(the().run_until([&] { return leader() != 0; }));
  write(1);
}

// ---- the rules while it is under way ----------------------------------------------------------

TEST_F(RaftChange, Section6_WhileJointTheNewMajorityIsAsked) {
  begin({.spares = 2});
  lead_with(1);
  the().run_for(100);
  the().silence(4, 1);
  the().silence(5, 1);
  const std::size_t before = the().committed_count();
  EXPECT_EQ(change({1, 4, 5}), std::nullopt);
  EXPECT_EQ(membership_of(1), "1 4 5 ") << "it counts from when it is in the log";
  the().run_for(kT / 2);
  EXPECT_EQ(the().committed_count(), before);
  EXPECT_TRUE(is_reconfiguring());
  the().heal_all();
  ASSERT_TRUE(the().run_until([&] { return !is_reconfiguring(); }));
  ASSERT_TRUE(settles());
}

TEST_F(RaftChange, Section6_WhileJointTheOldMajorityIsAsked) {
  begin({.spares = 2});
  lead_with(1);
  the().run_for(100);
  the().silence(2, 1);
  the().silence(3, 1);
  const std::size_t before = the().committed_count();
  EXPECT_EQ(change({1, 4, 5}), std::nullopt);
  the().run_for(kT / 2);
  EXPECT_EQ(the().committed_count(), before);
  // Neither a read may be answered by the new side alone.
  the().read_index(1, 7);
  the().run_for(kT / 4);
  EXPECT_FALSE(the().reads(1).contains(7));
  the().heal_all();
  ASSERT_TRUE(the().run_until([&] { return the().reads(leader()).contains(7); }));
  ASSERT_TRUE(settles());
}

// CheckQuorum as well.
TEST_F(RaftChange, Section6_WhoLosesTheNewMajorityLeadsNoMore) {
  begin({.spares = 2});
  lead_with(1);
  the().run_for(100);
  the().cut_off(1, 4);
  the().cut_off(1, 5);
  the().run_for(60);
  EXPECT_THAT(change({1, 4, 5}), Optional(HasSubstr("in step")));
  the().heal_all();
  the().run_for(100);
  EXPECT_EQ(change({1, 4, 5}), std::nullopt);
  the().cut_off(1, 4);
  the().cut_off(1, 5);
  ASSERT_TRUE(the().run_until([&] { return the().status(1).role != Role::kLeading; }, 3 * kT));
  the().heal_all();
  ASSERT_TRUE(settles());
}

TEST_F(RaftChange, Section6_OneChangeAtATime) {
  begin({.spares = 2});
  the().run_for(100);
  EXPECT_EQ(change({1, 2, 3, 4}), std::nullopt);
  EXPECT_THAT(change({1, 2, 3, 4, 5}), Optional(HasSubstr("not finished")));
  ASSERT_TRUE(settles());
  ASSERT_TRUE(changes({1, 2, 3, 4, 5}));
}

// consensus.md 3.12 #4, the scenario raft-joint-exit-commit: only the old side blocked it.
TEST_F(RaftChange, Section6_LeavingJointCommitsWhatTheOldSideHeldUp) {
  begin({.voters = 2, .spares = 2});
  lead_with(1);
  the().run_for(100);
  the().silence(3, 1);
  the().silence(4, 1);
  EXPECT_EQ(change({1, 3, 4}), std::nullopt);
  the().run_for(10);
  the().stall_disk(2, true);
  const auto bytes = the().write();
  ASSERT_TRUE(bytes);
  the().run_for(10);
  EXPECT_FALSE(the().is_committed(*bytes));
  the().heal_all();
  EXPECT_TRUE(the().run_until([&] { return the().is_committed(*bytes); }, 20));
  the().stall_disk(2, false);
  ASSERT_TRUE(settles());
}

// #10.
TEST_F(RaftChange, Section6_AChangeThatIsCutOffFallsBack) {
  begin({.spares = 2});
  lead_with(1);
  the().run_for(100);
  the().on_message = [&](NodeId from, NodeId, const Message& message) {
    if (from == 1 && std::holds_alternative<message::AppendEntries>(message)) the().isolate(1);
  };
  EXPECT_EQ(change({1, 4, 5}), std::nullopt);
  EXPECT_EQ(membership_of(1), "1 4 5 ");
  the().on_message = {};
  ASSERT_TRUE(the().run_until([&] { return leader() > 1; }));
  write(1);
  the().heal_all();
  ASSERT_TRUE(settles());
  EXPECT_EQ(membership_of(1), "1 2 3 ");
  EXPECT_EQ(the().configurations().size(), 1U);
}

// Whoever leads next ends what the last leader began, whether it began with all or nothing.
TEST_F(RaftChange, Section6_ALeaderThatDiesLeavesAChangeThatAnotherEnds) {
  for (int sent = 1; sent <= 12; ++sent) {
    begin({.voters = 3, .spares = 2, .seed = static_cast<std::uint64_t>(sent)});
    the().run_for(100);
    const NodeId old = leader();
    int left = sent;
    the().on_message = [&](NodeId from, NodeId, const Message& message) {
      if (from == old && std::holds_alternative<message::AppendEntries>(message) && --left == 0)
        the().crash(old);
    };
    EXPECT_EQ(change({3, 4, 5}), std::nullopt);
    the().run_for(3 * kT);
    the().on_message = {};
    if (!the().is_up(old)) the().start(old);
    ASSERT_TRUE(settles()) << the().describe();
    write(1);
    EXPECT_FALSE(is_reconfiguring());
    TearDown();
  }
}

TEST_F(RaftChange, Section6_WhoIsStartedAgainGoesOnWhereItsLogEnds) {
  begin({.spares = 2});
  lead_with(1);
  the().run_for(100);
  the().silence(4, 1);
  the().silence(5, 1);
  EXPECT_EQ(change({1, 4, 5}), std::nullopt);
  the().run_for(20);
  for (const NodeId node : {1, 2, 3, 4, 5}) the().crash(node);
  the().heal_all();
  for (const NodeId node : {1, 2, 3}) the().start(node);
  the().run_for(10 * kT);
  EXPECT_EQ(the().serving_leader(), std::nullopt) << "the new side is not there";
  the().start(4);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().membership().voters(), servers({1, 4, 5}));
}

// ---- joiners ----------------------------------------------------------------------------------

TEST_F(RaftChange, Dissertation4_2_1_WhoIsNotThereOrFarBehindGetsNoVote) {
  begin({.voters = 1, .spares = 1, .is_log_kept = false});
  the().crash(2);
  write(3);
  EXPECT_THAT(change({1, 2}), Optional(HasSubstr("server.2 is not connected")));
  the().start(2);
  the().stall_disk(2, true);
  for (int i = 0; i < 300; ++i) the().write();
  the().run_for(100);
  EXPECT_THAT(change({1, 2}), Optional(HasSubstr("1 of its 2 participants are in step: server.2")));
  the().stall_disk(2, false);
  ASSERT_TRUE(the().run_until([&] { return the().last_durable(2) == the().last_durable(1); }));
  ASSERT_TRUE(changes({1, 2}));
}

// The paper's way: the leader alone brings a new server up to date.
TEST_F(RaftChange, Dissertation4_2_1_ANewServerCatchesUpFromTheLeaderAlone) {
  begin({.spares = 1, .memory_entries = 3, .is_log_kept = false});
  the().crash(4);
  write(20);
  std::set<NodeId> senders;
  const auto watch = the().on_send;
  the().on_send = [&](const cluster::Sent& sent) {
    if (sent.is_tree) senders.insert(sent.from);
    watch(sent);
  };
  the().start(4);
  ASSERT_TRUE(
      the().run_until([&] { return the().last_applied(4) == the().last_applied(leader()); }));
  EXPECT_EQ(senders, std::set<NodeId>{leader()});
  ASSERT_TRUE(changes({1, 2, 3, 4}));
}

// With itself it would be a majority of those that it knows.
TEST_F(RaftChange, WhoIsAboutToJoinIsNoCandidate) {
  begin({.voters = 2, .spares = 1});
  write(3);
  the().run_for(100);
  const NodeId old = leader();
  the().crash(old);
  the().run_for(20 * kT);
  EXPECT_EQ(the().serving_leader(), std::nullopt);
  the().crash(3);
  the().start(3);
  the().run_for(20 * kT);
  EXPECT_EQ(the().serving_leader(), std::nullopt) << "nor once it is started again";
  the().start(old);
  ASSERT_TRUE(settles());
}

// Without that nobody might be electable (etcd: campaign_learner_must_vote).
TEST_F(RaftChange, Section6_WhoDoesNotKnowThatItVotesIsAskedAllTheSame) {
  begin({.voters = 3, .spares = 2});
  lead_with(1);
  the().run_for(100);
  // Of the new side only 4 hears of the change.
  the().silence(1, 5);
  EXPECT_EQ(change({1, 4, 5}), std::nullopt);
  the().run_for(20);
  the().crash(1);
  ASSERT_TRUE(the().run_until([&] { return leader() != 0; }));
  the().heal_all();
  the().start(1);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().membership().voters(), servers({1, 4, 5}));
}

// ---- who was removed --------------------------------------------------------------------------

TEST_F(RaftChange, Dissertation4_2_3_WhoWasNotToldDisturbsNobodyAndHearsOfItLater) {
  begin({.voters = 4});
  lead_with(1);
  the().isolate(4);
  ASSERT_TRUE(changes({1, 2, 3}));
  const std::uint32_t before = term();
  the().run_for(20 * kT);
  the().heal_all();
  the().run_for(20 * kT);
  EXPECT_EQ(term(), before);
  EXPECT_EQ(the().status(4).role, Role::kObserving);
  EXPECT_EQ(membership_of(4), "1 2 3 ");
  EXPECT_EQ(the().last_applied(4), the().last_applied(1));
}

// It is in nobody's way when it is started again, and may come back.
TEST_F(RaftChange, WhoWasRemovedIsAGuest) {
  begin({.voters = 4});
  lead_with(1);
  ASSERT_TRUE(changes({1, 2, 3}));
  the().crash(4);
  write(5);
  const std::uint32_t before = term();
  the().start(4);
  the().run_for(20 * kT);
  EXPECT_EQ(term(), before);
  EXPECT_EQ(the().last_applied(4), the().last_applied(1));
  ASSERT_TRUE(changes({1, 2, 3, 4}));
  EXPECT_EQ(the().status(4).role, Role::kFollowing);
}

// Figure 4.6: the only server that has C_new is not in it.
TEST_F(RaftChange, Dissertation4_2_2_WhoIsNotInItsConfigurationCampaignsWhileThatIsNotCommitted) {
  begin({.voters = 2}, [](Options& options) { options.single_steps = true; });
  lead_with(1);
  the().on_message = [&](NodeId from, NodeId, const Message& message) {
    if (from == 1 && std::holds_alternative<message::AppendEntries>(message)) the().cut_off(1, 2);
  };
  EXPECT_EQ(change({2}), std::nullopt);
  the().run_for(5);
  the().on_message = {};
  the().crash(1);
  the().crash(2);
  the().heal_all();
  the().start_all();
  ASSERT_TRUE(the().run_until([&] { return leader() == 2; })) << the().describe();
  EXPECT_EQ(the().membership().voters(), servers({2}));
  ASSERT_TRUE(settles());
  write(1);
}

// ---- single steps -----------------------------------------------------------------------------

// The bug of 2015. Leader 1 adds 5, which nobody else hears of; leader 2 must not remove 1 before
// an entry of its own term is committed, which needs one of those that may elect 1 again.
TEST_F(RaftChange, Dissertation4_1_NoChangeBeforeAnEntryOfTheTermIsCommitted) {
  begin({.voters = 4, .spares = 1}, [](Options& options) {
    options.single_steps = true;
    options.pre_vote = false;
    if (options.self.value == 3 || options.self.value == 4) options.election_timeout_ms *= 20;
  });
  lead_with(1);
  the().run_for(100);
  for (const NodeId other : {2, 3, 4}) the().cut_off(1, other);
  EXPECT_EQ(change({1, 2, 3, 4, 5}), std::nullopt);
  the().run_for(30);
  the().crash(1);
  the().crash(5);
  the().heal_all();
  // Its first entry reaches 3 alone.
  the().on_message = [&](NodeId from, NodeId to, const Message& message) {
    if (from == 2 && to == 4 && std::holds_alternative<message::AppendEntries>(message))
      the().cut_off(2, 4);
  };
  ASSERT_TRUE(the().run_until([&] { return the().status(2).role == Role::kLeading; }, 100 * kT));
  the().run_for(30);
  EXPECT_EQ(the().status(2).role, Role::kLeading);
  EXPECT_EQ(change({2, 3, 4}), "nobody leads") << "it does not serve";
  the().on_message = {};
  the().crash(2);
  the().heal_all();
  the().start_all();
  ASSERT_TRUE(the().run_until([&] { return the().are_all_serving_and_equal(); }, 100 * kT));
  write(1);
}

}  // namespace
}  // namespace synod::consensus::raft
