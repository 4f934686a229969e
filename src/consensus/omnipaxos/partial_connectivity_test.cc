// The paper's three scenarios of partial connectivity (consensus.md 7.1, 7.4), with links that
// break and with silence, under both election rules.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "consensus/omnipaxos/test_cluster.h"

namespace synod::consensus::omnipaxos {
namespace {

using testing::IsEmpty;

struct Case {
  ElectionRule rule;
  bool is_silent;  // nobody notices a cut but by what does not come
};

class Connectivity : public testing::TestWithParam<Case> {
 protected:
  void begin(int voters, std::int64_t phase_ms) {
    cluster_.emplace(cluster::Options{.voters = voters}, TestOptions{.election = GetParam().rule});
    cluster_->start_all();
    ASSERT_TRUE(cluster_->run_until([&] { return cluster_->are_all_serving_and_equal(); }));
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(cluster_->write_and_wait());
    ASSERT_TRUE(cluster_->run_until([&] { return cluster_->are_all_serving_and_equal(); }));
    cluster_->run_for(3 * kTimeoutMs + phase_ms);
  }
  void cut(NodeId a, NodeId b) {
    if (!GetParam().is_silent) return cluster_->cut_off(a, b);
    cluster_->silence(a, b);
    cluster_->silence(b, a);
  }
  // Everybody reaches the centre, and nobody else.
  void leave_star(NodeId centre, int voters) {
    for (NodeId a = 1; a <= voters; ++a)
      for (NodeId b = a + 1; b <= voters; ++b)
        if (a != centre && b != centre) cut(a, b);
  }
  // A write that was not there before is decided.
  bool recovers_within(std::int64_t timeouts) {
    const std::size_t before = cluster_->committed_count();
    const std::int64_t end = cluster_->now() + timeouts * kTimeoutMs;
    while (cluster_->now() < end && cluster_->committed_count() == before) {
      cluster_->write();  // few, for the test's disks flush one entry at a time
      cluster_->run_for(10);
    }
    return cluster_->committed_count() > before;
  }
  void ends_well() {
    cluster_->heal_all();
    ASSERT_TRUE(
        cluster_->run_until([&] { return cluster_->are_all_serving_and_equal(); }, 10 * kTimeoutMs))
        << cluster_->describe();
    EXPECT_THAT(cluster_->violations(), IsEmpty()) << cluster_->describe();
  }

  std::optional<TestCluster> cluster_;
};

constexpr std::int64_t kPhases[] = {0, 13, 27, 41, 58, 74, 90};

TEST_P(Connectivity, OneQuorumConnectedServerIsEnough) {
  for (const std::int64_t phase : kPhases) {
    SCOPED_TRACE(phase);
    begin(5, phase);
    ASSERT_EQ(cluster_->serving_leader(), 5);
    leave_star(1, 5);
    // Until its leader notices, what it proposes is decided by nobody.
    EXPECT_TRUE(recovers_within(5)) << cluster_->describe();
    EXPECT_EQ(cluster_->serving_leader(), 1);
    ends_well();
  }
}

TEST_P(Connectivity, ALeaderMayLackWhatIsDecidedAndFetchesIt) {
  for (const std::int64_t phase : kPhases) {
    SCOPED_TRACE(phase);
    begin(5, phase);
    ASSERT_EQ(cluster_->serving_leader(), 5);
    cut(1, 5);
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(cluster_->write_and_wait());
    const Zxid decided = cluster_->last_applied(5);
    ASSERT_LT(cluster_->last_durable(1), decided);
    leave_star(1, 5);
    EXPECT_TRUE(recovers_within(5)) << cluster_->describe();
    EXPECT_EQ(cluster_->serving_leader(), 1);
    EXPECT_GE(cluster_->last_applied(1), decided);
    ends_well();
  }
}

TEST_P(Connectivity, AChainDoesNotSetLeadersAgainstEachOther) {
  for (const std::int64_t phase : kPhases) {
    SCOPED_TRACE(phase);
    begin(3, phase);
    ASSERT_EQ(cluster_->serving_leader(), 3);
    const std::size_t leaders = cluster_->leaders().size();
    cut(2, 3);
    std::size_t committed = cluster_->committed_count();
    std::int64_t changed_at = cluster_->now();
    std::int64_t longest_gap = 0;
    for (const std::int64_t end = cluster_->now() + 30 * kTimeoutMs; cluster_->now() < end;) {
      cluster_->write();
      cluster_->run_for(2);
      longest_gap = std::max(longest_gap, cluster_->now() - changed_at);
      if (cluster_->committed_count() == committed) continue;
      committed = cluster_->committed_count();
      changed_at = cluster_->now();
    }
    const bool is_paper = GetParam().rule == ElectionRule::kPaper;
    EXPECT_LE(cluster_->leaders().size(), leaders + (is_paper ? 1 : 0)) << cluster_->describe();
    EXPECT_LE(longest_gap, 2 * kTimeoutMs) << cluster_->describe();
    ends_well();
  }
}

// One server hears everybody and is heard by nobody: it must not depose who leads.
TEST_P(Connectivity, WhoIsNotHeardDisturbsNobodyForLong) {
  begin(3, 0);
  cluster_->silence(1, 2);
  cluster_->silence(1, 3);
  EXPECT_TRUE(recovers_within(5)) << cluster_->describe();
  const std::size_t leaders = cluster_->leaders().size();
  cluster_->run_for(20 * kTimeoutMs);
  EXPECT_EQ(cluster_->leaders().size(), leaders);
  ends_well();
}

// A leader that hears everybody and is heard by nobody is replaced.
TEST_P(Connectivity, ALeaderThatIsNotHeardIsReplaced) {
  begin(3, 0);
  cluster_->silence(3, 1);
  cluster_->silence(3, 2);
  EXPECT_TRUE(recovers_within(6)) << cluster_->describe();
  EXPECT_NE(cluster_->serving_leader(), 3);
  ends_well();
}

// Howard and Abraham, 2020: 1, 2, 3 linked, 4 to 2 only, 5 to 3 only.
TEST_P(Connectivity, HowardAndAbrahamsGraphIsStable) {
  begin(5, 0);
  for (const auto& [a, b] : {std::pair{1, 4}, {1, 5}, {2, 5}, {3, 4}, {4, 5}}) cut(a, b);
  EXPECT_TRUE(recovers_within(5)) << cluster_->describe();
  cluster_->run_for(10 * kTimeoutMs);
  const std::size_t leaders = cluster_->leaders().size();
  cluster_->run_for(30 * kTimeoutMs);
  EXPECT_EQ(cluster_->leaders().size(), leaders);
  EXPECT_TRUE(recovers_within(1));
  ends_well();
}

INSTANTIATE_TEST_SUITE_P(
    OmniPaxos, Connectivity,
    testing::Values(Case{ElectionRule::kPaper, false}, Case{ElectionRule::kPaper, true},
                    Case{ElectionRule::kHappiness, false}, Case{ElectionRule::kHappiness, true}),
    [](const auto& test) {
      return std::string(test.param.rule == ElectionRule::kPaper ? "AsInThePaper" : "ByHappiness") +
             (test.param.is_silent ? "InSilence" : "");
    });

}  // namespace
}  // namespace synod::consensus::omnipaxos
