// Parallel migration (consensus.md 4.11): the log comes from whoever has it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "consensus/omnipaxos/test_cluster.h"

namespace synod::consensus::omnipaxos {
namespace {

using testing::IsEmpty;

Servers servers(std::initializer_list<NodeId> ids) {
  Servers made;
  for (const NodeId id : ids) add_to(made, ServerId{id});
  return made;
}

constexpr std::int64_t kPatienceMs = 60'000;  // the test's disks flush one entry at a time

class ParallelMigration : public testing::Test {
 protected:
  void begin(cluster::Options options) {
    cluster_.emplace(options);
    the().start_all();
    ASSERT_TRUE(settles()) << the().describe();
    the().run_for(2 * kTimeoutMs);  // guests hear of it
    ASSERT_EQ(the().serving_leader(), 3);
    the().on_message = [&](NodeId from, NodeId to, const Message& message) {
      const auto* segment = std::get_if<Segment>(&message);
      if (segment == nullptr || segment->entries.empty()) return;
      sent_[from] += segment->entries.size();
      if (on_segment_) on_segment_(from, to);
    };
  }
  bool settles() {
    return the().run_until([&] { return the().are_all_serving_and_equal(); }, kPatienceMs);
  }
  void write(std::size_t count) {
    const std::size_t wanted = the().committed_count() + count;
    for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(the().write());
    ASSERT_TRUE(the().run_until([&] { return the().committed_count() == wanted; }, kPatienceMs));
  }
  void reconfigure(const Servers& voters) {
    ASSERT_EQ(the().reconfigure(the().with_members(voters)), std::nullopt) << the().describe();
    ASSERT_TRUE(the().run_until([&] { return the().membership().version > 0; }));
    ASSERT_TRUE(settles()) << the().describe();
  }
  void TearDown() override {
    if (!cluster_) return;
    EXPECT_THAT(the().violations(), IsEmpty()) << the().describe();
  }
  TestCluster& the() { return *cluster_; }
  [[nodiscard]] std::size_t sent() const {
    std::size_t all = 0;
    for (const auto& [from, entries] : sent_) all += entries;
    return all;
  }

  std::optional<TestCluster> cluster_;
  std::map<NodeId, std::size_t> sent_;  // entries in segments
  std::function<void(NodeId, NodeId)> on_segment_;
};

constexpr cluster::Options kLargeMemory{.spares = 2, .memory_entries = 1'000'000};

// By Raft the leader would send all of it, twice.
TEST_F(ParallelMigration, AllOldServersSendAndTheLeaderNoMoreThanAnother) {
  begin(kLargeMemory);
  write(12'000);
  reconfigure(servers({3, 4, 5}));
  EXPECT_EQ(the().trees_sent(), 0);
  EXPECT_GE(sent(), 24'000U);
  EXPECT_LE(sent(), 25'000U) << "hardly anything is fetched twice";
  EXPECT_LE(sent_[3] * 10, sent() * 4);
  for (const NodeId source : {NodeId{1}, NodeId{2}}) EXPECT_GE(sent_[source] * 10, sent() * 2);
}

TEST_F(ParallelMigration, ASourceThatDiesMidwayIsReplaced) {
  begin(kLargeMemory);
  write(12'000);
  int segments = 0;
  on_segment_ = [&](NodeId from, NodeId) {
    if (from == 1 && ++segments == 3) the().crash(1);
  };
  reconfigure(servers({3, 4, 5}));
  EXPECT_GE(segments, 3);
  EXPECT_EQ(the().applied(4), the().applied(3));
}

// Nothing breaks; what was asked of it just does not come.
TEST_F(ParallelMigration, ASegmentThatDoesNotComeIsAskedOfAnother) {
  begin(kLargeMemory);
  write(12'000);
  int segments = 0;
  on_segment_ = [&](NodeId from, NodeId to) {
    if (from == 1 && ++segments == 3) the().silence(1, to);
  };
  reconfigure(servers({3, 4, 5}));
  EXPECT_GE(segments, 3);
}

TEST_F(ParallelMigration, ASourceNeedNotHaveDecidedTheStopSign) {
  begin(kLargeMemory);
  write(12'000);
  ASSERT_TRUE(settles());
  the().cut_off(1, 3);
  the().cut_off(1, 2);
  bool has_helped_before_stopping = false;
  on_segment_ = [&](NodeId from, NodeId) {
    if (from == 1 && the().instances(1).back().configuration == Zxid{})
      has_helped_before_stopping = true;
  };
  ASSERT_EQ(the().reconfigure(the().with_members(servers({3, 4, 5}))), std::nullopt);
  ASSERT_TRUE(the().run_until(
      [&] {
        return the().membership().version > 0 && the().last_applied(4) == the().last_applied(3) &&
               the().last_applied(5) == the().last_applied(3);
      },
      kPatienceMs))
      << the().describe();
  EXPECT_TRUE(has_helped_before_stopping);
  EXPECT_GT(sent_[1], 0U);
}

TEST_F(ParallelMigration, WhereNoLogReachesBackATreeComes) {
  begin({.spares = 2, .memory_entries = 3, .is_log_kept = false});
  write(50);
  reconfigure(servers({3, 4, 5}));
  EXPECT_GE(the().trees_sent(), 2);
}

// Those that are left had logged more than is decided when they began this life, so their trees
// hold it, and without the one that asks nothing more can be.
class ParallelMigrationOfMoreThanIsDecided : public ParallelMigration {
 protected:
  // `log` is called when the voters 1 to 4 lack a quorum without 1 and 4.
  void run(const std::function<void()>& log);
};

void ParallelMigrationOfMoreThanIsDecided::run(const std::function<void()>& log) {
  begin({.spares = 1, .memory_entries = 3, .is_log_kept = false});
  the().crash(1);
  write(50);
  ASSERT_EQ(the().reconfigure(the().with_members(servers({1, 2, 3, 4}))), std::nullopt);
  ASSERT_TRUE(the().run_until([&] { return the().membership().version > 0; }));
  ASSERT_TRUE(settles()) << the().describe();
  the().crash(4);
  log();
  the().run_for(kTimeoutMs / 2);
  for (const NodeId id : {NodeId{2}, NodeId{3}}) the().crash(id);
  for (const NodeId id : {NodeId{1}, NodeId{2}, NodeId{3}}) the().start(id);
  ASSERT_TRUE(settles()) << the().describe();
  EXPECT_GE(the().trees_sent(), 1);
}

TEST_F(ParallelMigrationOfMoreThanIsDecided, ATree) {
  run([&] {
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(the().write_at(3));
  });
  EXPECT_EQ(the().applied(1), the().applied(2));
}

TEST_F(ParallelMigrationOfMoreThanIsDecided, ATreeWithTheNextStopSign) {
  Zxid first;
  run([&] {
    first = Zxid{the().membership().version};
    ASSERT_EQ(the().reconfigure(the().with_members(servers({2, 3}))), std::nullopt);
  });
  ASSERT_TRUE(the().run_until([&] { return the().membership().version > first.value; }));
  EXPECT_THAT(the().membership().voters(), testing::ElementsAre(ServerId{2}, ServerId{3}));
}

// It has a part of the log; the rest is on the disks of the others.
TEST_F(ParallelMigration, WhatIsNotInMemoryComesFromLogsOnDisk) {
  begin({.spares = 1, .memory_entries = 10});
  write(10);
  ASSERT_TRUE(settles());
  the().crash(1);
  write(6'000);
  ASSERT_EQ(the().reconfigure(the().with_members(servers({1, 2, 4}))), std::nullopt);
  ASSERT_TRUE(the().run_until([&] { return the().membership().version > 0; }));
  const int trees_before = the().trees_sent();
  the().start(1);
  ASSERT_TRUE(settles()) << the().describe();
  EXPECT_GE(sent(), 6'000U);
  EXPECT_LE(the().trees_sent() - trees_before, 1) << "of the new server";
  EXPECT_EQ(the().applied(1), the().applied(2));
}

// What an old leader logged for nobody is in the way.
TEST_F(ParallelMigration, ATailThatNobodyChoseIsCut) {
  begin({.spares = 2, .memory_entries = 1000});
  write(20);
  the().isolate(3);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(the().write_at(3));
  the().run_for(20);
  the().crash(3);
  ASSERT_TRUE(the().run_until([&] { return the().serving_leader().has_value(); }));
  write(20);
  ASSERT_EQ(the().reconfigure(the().with_members(servers({1, 2, 3}))), std::nullopt);
  ASSERT_TRUE(the().run_until([&] { return the().membership().version > 0; }));
  the().heal_all();
  the().start(3);
  ASSERT_TRUE(settles()) << the().describe();
  EXPECT_EQ(the().applied(3), the().applied(1));
  EXPECT_EQ(the().trees_sent(), 0);
}

}  // namespace
}  // namespace synod::consensus::omnipaxos
