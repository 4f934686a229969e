// What the papers say of partial connectivity (consensus.md 7.4), of a few cuts each; the whole
// table is `synod sim --scenario`.
#include "sim/connectivity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace synod::sim {
namespace {

using testing::IsEmpty;

class Connectivity : public testing::TestWithParam<std::uint64_t> {
 protected:
  static CutReport play(Cut cut, const std::string& engine) {
    CutReport report = play_cut({.cut = cut, .engine = engine, .seed = GetParam(), .timeouts = 12});
    EXPECT_THAT(report.violations, IsEmpty());
    return report;
  }
};
INSTANTIATE_TEST_SUITE_P(Seeds, Connectivity, testing::Range<std::uint64_t>(1, 4));

TEST_P(Connectivity, OmniPaxosNeedsOneServerThatReachesAQuorum) {
  for (const std::string engine : {"omnipaxos", "omnipaxos-later"}) {
    for (const Cut cut : {Cut::kQuorumLoss, Cut::kConstrained}) {
      const CutReport report = play(cut, engine);
      EXPECT_GT(report.recovered_after, 0);
      EXPECT_LE(report.recovered_after, 5);
    }
    EXPECT_LE(play(Cut::kChained, engine).leader_changes, 1U);
  }
}

TEST_P(Connectivity, RaftIsStuckWhereTheOnlyServerThatCouldLeadIsBehind) {
  for (const std::string engine : {"raft", "raft-plain"}) {
    EXPECT_LT(play(Cut::kConstrained, engine).recovered_after, 0);
    EXPECT_GT(play(Cut::kQuorumLoss, engine).recovered_after, 0);
  }
}

TEST_P(Connectivity, PreVoteAndCheckQuorumKeepAChainQuiet) {
  EXPECT_EQ(play(Cut::kChained, "raft").epochs_opened, 0U);
  EXPECT_GT(play(Cut::kChained, "raft-plain").leader_changes, 2U) << "or nothing is shown";
}

TEST_P(Connectivity, WithAnEngineOfOurOwnWhoDoesNotHearTheLeaderLeavesItAlone) {
  for (const std::string engine : {"raft", "omnipaxos", "omnipaxos-later"}) {
    for (const Cut cut : {Cut::kTails, Cut::kRing}) {
      const CutReport report = play(cut, engine);
      EXPECT_GT(report.recovered_after, 0);
      EXPECT_LE(report.leader_changes, 1U) << engine;
    }
  }
  EXPECT_GT(play(Cut::kRing, "raft-plain").leader_changes, 3U) << "or nothing is shown";
}

TEST_P(Connectivity, MultiPaxosFollowsWhoeverIsHeardThoughItCannotLead) {
  EXPECT_LT(play(Cut::kQuorumLoss, "multipaxos").recovered_after, 0);
  const CutReport constrained = play(Cut::kConstrained, "multipaxos");
  EXPECT_GT(constrained.recovered_after, 0);
  EXPECT_LE(constrained.recovered_after, 5);
  EXPECT_GT(play(Cut::kChained, "multipaxos").leader_changes, 3U) << "of 12 timeouts";
}

TEST_P(Connectivity, ViewstampedReplicationNeedsAQuorumOfVotersThatReachOne) {
  EXPECT_LT(play(Cut::kQuorumLoss, "vr").recovered_after, 0);
  EXPECT_LT(play(Cut::kConstrained, "vr").recovered_after, 0);
  EXPECT_LE(play(Cut::kChained, "vr").leader_changes, 3U);
}

TEST_P(Connectivity, ZabIsStuckInAStar) {
  EXPECT_LT(play(Cut::kQuorumLoss, "zab").recovered_after, 0);
  EXPECT_LT(play(Cut::kConstrained, "zab").recovered_after, 0);
}

}  // namespace
}  // namespace synod::sim
