// Stop-signs: from one configuration to the next (consensus.md 4.11, 4.13, 9.4).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consensus/cluster/schedule.h"
#include "consensus/omnipaxos/test_cluster.h"

namespace synod::consensus::omnipaxos {
namespace {

using testing::Contains;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

Servers servers(std::initializer_list<NodeId> ids) {
  Servers made;
  for (const NodeId id : ids) add_to(made, ServerId{id});
  return made;
}

class Reconfiguration : public testing::Test {
 protected:
  void SetUp() override { cluster::set_mutation_from_environment(); }
  void begin(cluster::Options options = {.spares = 1}, TestOptions ours = {}) {
    cluster_.emplace(options, ours);
    the().start_all();
    ASSERT_TRUE(settles()) << the().describe();
    the().run_for(2 * kTimeoutMs);  // guests hear of it
  }
  bool settles() {
    return the().run_until([&] { return the().are_all_serving_and_equal(); });
  }
  // Every server that is named, and up, has started with these voters.
  bool starts_with(const Servers& voters) {
    return the().run_until([&] {
      return Servers(the().membership().voters()) == voters && the().are_all_serving_and_equal();
    });
  }
  void write(int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(the().write_and_wait()) << the().describe();
  }
  std::optional<std::string> propose(const Servers& voters, const Servers& observers = {}) {
    return the().reconfigure(the().with_members(voters, observers));
  }
  void reconfigure(const Servers& voters, const Servers& observers = {}) {
    ASSERT_EQ(propose(voters, observers), std::nullopt) << the().describe();
    ASSERT_TRUE(starts_with(voters)) << the().describe();
  }
  void TearDown() override {
    if (!cluster_) return;
    EXPECT_THAT(the().violations(), IsEmpty()) << the().describe();
  }
  TestCluster& the() { return *cluster_; }

  std::optional<TestCluster> cluster_;
};

TEST_F(Reconfiguration, OneIsReplacedAndTheOldLeaderLeadsOn) {
  begin();
  write(5);
  ASSERT_EQ(the().serving_leader(), 3);
  reconfigure(servers({2, 3, 4}));
  EXPECT_EQ(the().serving_leader(), 3);
  write(5);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().last_applied(4), the().last_applied(3));
  the().crash(2);
  write(1);
}

TEST_F(Reconfiguration, TheNextConfigurationGoesOnWithoutAnElectionTimeout) {
  begin();
  write(1);
  ASSERT_EQ(propose(servers({2, 3, 4})), std::nullopt);
  const std::size_t before = the().committed_count();
  ASSERT_TRUE(the().run_until(
      [&] {
        the().write();
        return the().committed_count() > before + 1;
      },
      kTimeoutMs / 2))
      << the().describe();
}

TEST_F(Reconfiguration, ALeaderThatIsLeftOutIsFollowedByAnother) {
  begin();
  write(5);
  reconfigure(servers({1, 2, 4}));
  EXPECT_NE(the().serving_leader(), 3);
  write(5);
}

TEST_F(Reconfiguration, AWhollyNewSetOfServersGoesOn) {
  begin({.spares = 3});
  write(5);
  reconfigure(servers({4, 5, 6}));
  for (NodeId id = 1; id <= 3; ++id) the().crash(id);
  write(5);
  EXPECT_GE(*the().serving_leader(), 4);
}

TEST_F(Reconfiguration, WhoIsLeftOutDisturbsNobodyAndComesBack) {
  begin();
  write(2);
  reconfigure(servers({2, 3, 4}));
  const Status before = the().status(*the().serving_leader());
  the().run_for(20 * kTimeoutMs);
  the().crash(1);
  the().start(1);
  the().run_for(20 * kTimeoutMs);
  EXPECT_EQ(the().status(*the().serving_leader()), before);
  EXPECT_EQ(the().status(1).role, Role::kLooking);
  write(3);
  reconfigure(servers({1, 2, 3}));
  EXPECT_TRUE(the().status(1).is_serving);
}

TEST_F(Reconfiguration, RolesChangeWhileServersRun) {
  begin({.observers = 1, .spares = 0});
  write(2);
  reconfigure(servers({1, 2, 4}), servers({3}));
  EXPECT_EQ(the().status(3).role, Role::kObserving);
  EXPECT_NE(the().status(4).role, Role::kObserving);
  write(2);
  the().crash(3);
  the().crash(the().serving_leader() == 1 ? 2 : 1);
  write(1);
}

TEST_F(Reconfiguration, NobodyWaitsForAnElectionWhereTheLeaderLeaves) {
  begin({.spares = 2});
  write(1);
  ASSERT_EQ(the().serving_leader(), 3);
  reconfigure(servers({1, 2, 4}));
  EXPECT_EQ(the().serving_leader(), 1) << "the first that comes along";
  the().run_for(2 * kTimeoutMs);
  reconfigure(servers({5}));
  EXPECT_EQ(the().serving_leader(), 5) << "nobody does: the first";
  write(1);
}

TEST_F(Reconfiguration, OneAfterTheOtherAddsUp) {
  begin({.voters = 1, .spares = 4});
  write(1);
  reconfigure(servers({1, 2}));
  reconfigure(servers({1, 2, 3}));
  reconfigure(servers({1, 2, 3, 4, 5}));
  write(3);
  reconfigure(servers({4, 5}));
  reconfigure(servers({5}));
  write(3);
  EXPECT_EQ(the().serving_leader(), 5);
}

// ---- the golden run ----------------------------------------------------------------------------

// consensus.md 4.11: C1 is lost with its round, C2 and the stop-sign are all of c0; of c1, C3 and
// C5 are decided, and C4, which only one server ever had, is not.
TEST_F(Reconfiguration, TheGoldenRun) {
  begin();
  ASSERT_EQ(the().serving_leader(), 3);
  the().isolate(3);
  const auto c1 = the().write_at(3);
  the().run_for(20);
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader().value_or(3) != 3; }));
  const auto c2 = the().write();
  the().run_for(20);
  the().heal_all();
  ASSERT_TRUE(settles());
  EXPECT_FALSE(the().is_committed(*c1));
  const NodeId stays = *the().serving_leader();
  const NodeId other = 3 - stays;
  reconfigure(servers({1, 2, 4}));
  ASSERT_EQ(the().committed_count(), 2U) << "C2 and the stop-sign";
  EXPECT_EQ(*the().committed()[0].bytes, *c2);
  const Zxid stop_sign = the().committed()[1].zxid;
  write(1);  // C3
  // The new one comes to lead, logs C4, and is lost.
  the().isolate(stays);
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader().value_or(stays) != stays; }));
  the().heal_all();
  ASSERT_TRUE(settles());
  for (int i = 0; i < 30 && the().serving_leader() != 4; ++i) {
    const NodeId leader = *the().serving_leader();
    the().run_for(7 * i);  // rounds end at other times
    the().isolate(leader);
    ASSERT_TRUE(the().run_until([&] { return the().serving_leader().value_or(leader) != leader; }));
    the().heal_all();
    ASSERT_TRUE(settles());
  }
  ASSERT_EQ(the().serving_leader(), 4);
  the().isolate(4);
  const auto c4 = the().write_at(4);
  the().run_for(20);
  EXPECT_GT(the().last_durable(4), the().last_durable(1)) << "it has C4 on disk";
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader().value_or(4) != 4; }));
  const auto c5 = the().write();
  the().run_for(20);
  the().heal_all();
  ASSERT_TRUE(settles());
  EXPECT_FALSE(the().is_committed(*c4));
  EXPECT_TRUE(the().is_committed(*c5));
  EXPECT_EQ(the().committed_count(), 4U);
  for (const NodeId id : {stays, other, NodeId{4}}) {
    const auto instances = the().instances(id);
    EXPECT_EQ(instances.back().configuration, stop_sign);
    EXPECT_EQ(instances.back().state, Instance::State::kRunning);
  }
}

// ---- stop-signs --------------------------------------------------------------------------------

TEST_F(Reconfiguration, NothingFollowsAStopSign) {
  begin();
  write(1);
  const std::uint32_t round = the().status(3).epoch;
  ASSERT_EQ(propose(servers({2, 3, 4})), std::nullopt);
  const Zxid stop_sign = the().last_applied(3).next();
  for (int i = 0; i < 3; ++i) the().write_at(3);
  ASSERT_TRUE(starts_with(servers({2, 3, 4})));
  for (const Entry& entry : the().committed())
    EXPECT_FALSE(entry.zxid.epoch() == round && entry.zxid > stop_sign);
  write(2);
  for (const Entry& entry : the().committed())
    EXPECT_FALSE(entry.zxid.epoch() == round && entry.zxid > stop_sign);
}

TEST_F(Reconfiguration, AStopSignIsDecidedByItsOwnConfiguration) {
  begin({.spares = 3});
  write(1);
  the().isolate(1);
  the().isolate(2);
  const std::size_t before = the().committed_count();
  ASSERT_EQ(the().serving_leader(), 3);
  ASSERT_EQ(propose(servers({3, 4, 5, 6})), std::nullopt);
  the().run_for(20 * kTimeoutMs);
  EXPECT_EQ(the().committed_count(), before) << "one of the old three, four of the new four";
  the().heal_all();
  ASSERT_TRUE(settles());
}

TEST_F(Reconfiguration, AStopSignThatNobodyChoseLeavesTheLog) {
  begin();
  write(1);
  ASSERT_EQ(the().serving_leader(), 3);
  the().isolate(3);
  ASSERT_EQ(propose(servers({2, 3, 4})), std::nullopt);
  the().run_for(20);
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader().value_or(3) != 3; }));
  write(2);
  the().heal_all();
  ASSERT_TRUE(settles()) << the().describe();
  EXPECT_EQ(the().membership().version, 0);
  reconfigure(servers({1, 2, 4}));
}

TEST_F(Reconfiguration, WhoCannotGoOnIsRefusedWithAReason) {
  begin({.spares = 3});
  the().crash(5);
  the().crash(6);
  the().run_for(kTimeoutMs);
  const auto reason = propose(servers({4, 5, 6}));
  ASSERT_TRUE(reason);
  EXPECT_THAT(*reason, HasSubstr("only 1 are connected"));
  EXPECT_THAT(*reason, HasSubstr("server.5 is not connected, server.6 is not connected"));
  EXPECT_EQ(propose(servers({1, 2, 5})), std::nullopt) << "two of three are there";
}

TEST_F(Reconfiguration, AMajorityOfTheNextNeedsToBeThereNotInStep) {
  begin({.spares = 2, .memory_entries = 1000});
  write(50);
  the().crash(1);
  reconfigure(servers({3, 4, 5}));
  EXPECT_EQ(the().last_applied(5), the().last_applied(3));
}

TEST_F(Reconfiguration, SizesOfFlexibleQuorumsThatDoNotFitGiveWayToMajorities) {
  begin({.voters = 4, .spares = 1}, {.read_quorum = 1, .write_quorum = 4});
  write(1);
  reconfigure(servers({2, 3, 4}));
  the().crash(2);
  write(1);
  the().start(2);
  ASSERT_TRUE(settles());
  the().run_for(5 * kTimeoutMs);  // who was left out is in touch again
  reconfigure(servers({1, 2, 3, 4}));
  the().crash(1);
  const std::size_t before = the().committed_count();
  the().write();
  the().run_for(10 * kTimeoutMs);
  EXPECT_EQ(the().committed_count(), before) << "they fit again: all four decide";
}

// ---- instances ---------------------------------------------------------------------------------

TEST_F(Reconfiguration, InstancesStoppedRunningAndNotStartedAreTold) {
  begin();
  write(1);
  using State = Instance::State;
  EXPECT_THAT(the().instances(4), Contains(Field(&Instance::state, State::kStandingBy)));
  the().isolate(1);
  ASSERT_EQ(propose(servers({1, 2, 3})), std::nullopt);
  the().run_for(kTimeoutMs);
  const auto running = the().instances(3);
  ASSERT_EQ(running.size(), 2U);
  EXPECT_EQ(running[0], (Instance{Zxid{}, State::kStopped, servers({1, 2, 3})}));
  EXPECT_EQ(running[1].state, State::kRunning);
  EXPECT_EQ(running[1].configuration, the().committed().back().zxid);
  the().on_message = [&](NodeId from, NodeId to, const Message& message) {
    if (to == 1 && std::holds_alternative<Segment>(message)) the().cut_off(from, to);
  };
  the().heal_all();
  ASSERT_TRUE(the().run_until([&] {
    const auto all = the().instances(1);
    return all.back().state == State::kNotStarted;
  })) << the().describe();
  the().on_message = nullptr;
  the().heal_all();
  ASSERT_TRUE(settles()) << the().describe();
}

// ---- crashes -----------------------------------------------------------------------------------

// Whoever sends, or is sent to, at every message, of a change of a majority.
TEST_F(Reconfiguration, ACrashAtAnyMessageLosesNothing) {
  for (int victim = 0; victim < 2; ++victim) {
    for (int crash_at = 1; crash_at < 70; ++crash_at) {
      SCOPED_TRACE(testing::Message() << "victim " << victim << ", message " << crash_at);
      begin({.spares = 2, .max_flush_ms = 4});
      write(3);
      int messages = 0;
      the().on_message = [&](NodeId from, NodeId to, const Message& message) {
        if (message.index() <= Message(HeartbeatReply{}).index() || ++messages != crash_at) return;
        the().crash(victim == 0 ? from : to);
      };
      ASSERT_EQ(propose(servers({3, 4, 5})), std::nullopt);
      the().run_for(4 * kTimeoutMs);
      the().on_message = nullptr;
      the().start_all();
      ASSERT_TRUE(settles()) << the().describe();
      write(1);
      ASSERT_THAT(the().violations(), IsEmpty()) << the().describe();
    }
  }
}

// All of them, wherever the disks have got to: a stop-sign that is logged, decided, or started
// from.
TEST_F(Reconfiguration, APowerFailureAtAnyMomentLosesNothing) {
  for (std::int64_t after_ms = 1; after_ms < 60; ++after_ms) {
    SCOPED_TRACE(after_ms);
    begin({.spares = 2, .min_flush_ms = 2, .max_flush_ms = 5});
    write(3);
    ASSERT_EQ(propose(servers({3, 4, 5})), std::nullopt);
    the().run_for(after_ms);
    for (NodeId id = 1; id <= 5; ++id) the().crash(id);
    the().start_all();
    ASSERT_TRUE(settles()) << the().describe();
    write(1);
    if (the().membership().version == 0) continue;
    EXPECT_EQ(the().committed().size(), 5U);
    ASSERT_THAT(the().violations(), IsEmpty()) << the().describe();
  }
}

// A straggler decides the old stop-sign once more, in a round above those of the next
// configuration: what that has decided since must not be outdone.
TEST_F(Reconfiguration, ARoundOfTheConfigurationBeforeOutranksNothing) {
  begin({.spares = 2});
  write(2);
  ASSERT_EQ(the().serving_leader(), 3);
  // The stop-sign reaches 2, and 1 not; 3 goes on with 4 and 5.
  the().cut_off(1, 3);
  the().cut_off(1, 4);
  the().cut_off(1, 5);
  ASSERT_EQ(propose(servers({1, 2, 3, 4, 5})), std::nullopt);
  the().on_message = [&](NodeId, NodeId to, const Message& message) {
    if (to == 2 && std::holds_alternative<Settled>(message)) the().crash(2);
  };
  ASSERT_TRUE(the().run_until([&] { return !the().is_up(2); }));
  the().on_message = nullptr;
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader().has_value(); }));
  write(1);
  for (const NodeId id : {NodeId{3}, NodeId{4}, NodeId{5}}) the().cut_off(2, id);
  the().start(2);
  ASSERT_TRUE(the().run_until([&] {
    return the().instances(2).back().state == Instance::State::kRunning &&
           the().instances(2).back().configuration > Zxid{};
  })) << "1 and 2 decide the stop-sign\n"
      << the().describe();
  the().run_for(10 * kTimeoutMs);
  the().crash(5);
  the().crash(4);
  the().heal_all();
  ASSERT_TRUE(settles()) << the().describe();
  write(1);
}

// ---- partial connectivity ----------------------------------------------------------------------

// Of the new servers only one reaches the old ones, and each other: it is enough that segments come
// to each from somebody.
TEST_F(Reconfiguration, GoesOnWhereOnlyOneServerReachesAll) {
  begin({.voters = 3, .spares = 2, .memory_entries = 10'000});
  write(20);
  ASSERT_EQ(the().serving_leader(), 3);
  for (const NodeId fresh : {NodeId{4}, NodeId{5}}) {
    the().cut_off(1, fresh);
    the().cut_off(3, fresh);
  }
  the().cut_off(4, 5);
  the().run_for(kTimeoutMs);
  EXPECT_TRUE(propose(servers({2, 4, 5})));
  the().heal_all();
  the().run_for(4 * kTimeoutMs);
  ASSERT_EQ(propose(servers({2, 4, 5})), std::nullopt);
  for (const NodeId fresh : {NodeId{4}, NodeId{5}}) {
    the().cut_off(1, fresh);
    the().cut_off(3, fresh);
  }
  the().cut_off(4, 5);
  const std::size_t before = the().committed_count();
  ASSERT_TRUE(the().run_until(
      [&] {
        the().write();
        return the().committed_count() > before + 2;
      },
      10 * kTimeoutMs))
      << the().describe();
  the().heal_all();
  ASSERT_TRUE(settles());
}

// Segments of one log come from several servers at the same time; the leader does not do it alone.
TEST_F(Reconfiguration, ANewServerFetchesFromSeveralThatHaveTheLog) {
  begin({.spares = 1, .memory_entries = 10'000}, {.segment_entries = 1000});
  for (int i = 0; i < 6'000; ++i) {
    the().write();
    if (i % 50 == 0) the().run_for(2);
  }
  ASSERT_TRUE(settles());
  const NodeId leader = *the().serving_leader();
  std::map<NodeId, int> segments;
  the().on_message = [&](NodeId from, NodeId to, const Message& message) {
    if (to == 4 && std::holds_alternative<Segment>(message)) ++segments[from];
  };
  reconfigure(servers({1, 2, 3, 4}));
  the().on_message = nullptr;
  EXPECT_GE(segments.size(), 2U);
  int all = 0;
  for (const auto& [from, count] : segments) all += count;
  EXPECT_GE(all, 6) << "a thousand entries each";
  EXPECT_LT(segments[leader], all);
}

// It forgot all, was heard of by nobody, and so counts again: but not in what its own files say,
// which others that forgot as much might take for a quorum.
TEST_F(Reconfiguration, WhoForgotEverythingTakesPartInNothingOlderThanItHeardOf) {
  begin();
  write(3);
  reconfigure(servers({1, 2, 4}));
  the().crash(3);
  the().wipe(3);
  the().start(3);
  ASSERT_TRUE(the().run_until([&] { return the().epochs_on_disk(3).accepted > 0; }))
      << the().describe();
  the().crash(3);
  the().isolate(3);
  the().start(3);
  the().run_for(5 * kTimeoutMs);
  for (const Instance& instance : the().instances(3))
    EXPECT_NE(instance.state, Instance::State::kRunning) << the().describe();
}

// What it has decided is decided, whatever came afterwards.
TEST_F(Reconfiguration, WhoHasNotHeardOfTheStopSignServesWhatItHas) {
  begin({.spares = 1, .memory_entries = 10'000}, {.segment_entries = 500});
  for (int i = 0; i < 3'000; ++i) {
    the().write();
    if (i % 50 == 0) the().run_for(2);
  }
  ASSERT_TRUE(the().run_until([&] { return the().committed_count(1) == 3'000; }));
  ASSERT_EQ(the().serving_leader(), 3);
  the().cut_off(1, 2);
  the().cut_off(1, 3);
  const Zxid decided = the().last_applied(1);
  int segments = 0;
  the().on_message = [&](NodeId from, NodeId to, const Message& message) {
    segments += from == 1 && to == 4 && std::holds_alternative<Segment>(message);
  };
  reconfigure(servers({2, 3, 4}));
  the().on_message = nullptr;
  EXPECT_GT(segments, 0);
  EXPECT_EQ(the().last_applied(1), decided) << "it has not heard of it to the end";
}

// ---- random schedules --------------------------------------------------------------------------

TEST_F(Reconfiguration, RandomSchedulesWithReconfigurations) {
  const cluster::Seeds seeds = cluster::seeds_from_environment();
  int reconfigured = 0;
  int segments = 0;
  int trees = 0;
  for (std::uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    const auto rule = seed % 3 == 0 ? ElectionRule::kHappiness : ElectionRule::kPaper;
    cluster::Schedule schedule(
        seed,
        [&](const cluster::Options& options) {
          return std::make_unique<TestCluster>(options, TestOptions{.election = rule});
        },
        true);
    ASSERT_EQ(schedule.run(), "") << "seed " << seed;
    auto& cluster = static_cast<TestCluster&>(schedule.cluster());
    reconfigured += cluster.membership().version > 0;
    segments += cluster.count_sent<Segment>() > 0;
    trees += cluster.trees_sent() > 0;
  }
  if (seeds.count < 100) return;
  EXPECT_GT(reconfigured, 0);
  EXPECT_GT(segments, 0);
  std::printf("%zu seeds: %d reconfigured, %d with segments, %d with trees\n",
              static_cast<std::size_t>(seeds.count), reconfigured, segments, trees);
}

}  // namespace
}  // namespace synod::consensus::omnipaxos
