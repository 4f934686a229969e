// What parallel migration is for (consensus.md 4.11), with logs that are soon moved; the whole
// table is `synod sim --scenario reconfigure`.
#include "sim/replacement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace synod::sim {
namespace {

using testing::IsEmpty;

ReplacementReport play(ReplacementOptions options) {
  ReplacementReport report = play_replacement(options);
  EXPECT_THAT(report.violations, IsEmpty()) << options.engine << ", seed " << options.seed;
  return report;
}

ReplacementOptions two_of_three(const std::string& engine, std::uint64_t seed) {
  return {.servers = 3,
          .replaced = 2,
          .engine = engine,
          .seed = seed,
          .entries = 1000,
          .uplink = 200'000};
}

// Three share what Raft's leader sends alone.
TEST(Replacement, OldServersShareWhatRaftsLeaderSendsAlone) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const ReplacementReport omni = play(two_of_three("omnipaxos", seed));
    const ReplacementReport raft = play(two_of_three("raft", seed));
    ASSERT_TRUE(omni.served_after && raft.served_after);
    EXPECT_LE(omni.leader_bytes * 3, raft.leader_bytes) << "seed " << seed;
  }
}

// The scenario omni-parallel-migration: one of the old servers dies meanwhile, and two share.
TEST(Replacement, WhatADeadServerWasAskedForComesFromTheOthers) {
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    ReplacementOptions killing = two_of_three("omnipaxos", seed);
    killing.kills_a_source = true;
    const ReplacementReport omni = play(killing);
    killing.engine = "raft";
    const ReplacementReport raft = play(killing);
    ASSERT_TRUE(omni.served_after && raft.served_after);
    for (const ReplacementReport* report : {&omni, &raft}) {
      ASSERT_TRUE(report->killed_after) << "or nothing is shown";
      EXPECT_LT(*report->killed_after, *report->served_after);
    }
    EXPECT_LE(omni.leader_bytes * 2, raft.leader_bytes) << "seed " << seed;
  }
}

TEST(Replacement, RaftAndZabMoveTheLogBeforeAndOmniPaxosAfter) {
  for (const std::string engine : {"omnipaxos", "raft", "zab"}) {
    const ReplacementReport report =
        play({.replaced = 5, .engine = engine, .seed = 2, .entries = 300, .uplink = 200'000});
    ASSERT_TRUE(report.taken_after && report.served_after);
    const bool is_taken_at_once = *report.taken_after * 2 < *report.served_after;
    EXPECT_EQ(is_taken_at_once, engine == "omnipaxos") << engine;
    EXPECT_GE(report.most_bytes, report.leader_bytes);
    EXPECT_GE(report.all_bytes, report.most_bytes);
    EXPECT_TRUE(report.is_leader_replaced);
  }
}

}  // namespace
}  // namespace synod::sim
