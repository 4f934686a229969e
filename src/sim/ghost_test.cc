// Each rule complains of what breaks it, and of nothing else.
#include "sim/ghost.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace synod::sim {
namespace {

namespace effect = consensus::effect;
using consensus::Entry;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

consensus::Membership three() {
  consensus::Membership membership;
  for (std::int64_t id = 1; id <= 3; ++id) membership.members[{id}] = {};
  return membership;
}

class GhostTest : public testing::Test {
 protected:
  GhostTest() {
    for (std::size_t server = 0; server < 3; ++server) start(server, {}, true);
    lead(0);
  }
  void start(std::size_t server, Zxid last, bool has_memory) {
    ghost_.started(server,
                   {.last_logged = last, .recent = {}, .has_memory = has_memory, .now = {}});
  }
  void lead(std::size_t server) {
    ghost_.effect(
        server,
        effect::StatusChanged{
            {.role = consensus::Role::kLeading, .leader = {}, .epoch = 1, .is_serving = true}});
  }
  static Entry entry(std::uint32_t counter, const char* text = "x", std::uint32_t epoch = 1) {
    return {Zxid::of(epoch, counter), std::make_shared<const Bytes>(text)};
  }
  void append(std::size_t server, const Entry& entry) {
    ghost_.effect(server, effect::Append{entry});
  }
  void propose(std::size_t server, const Entry& entry) {
    ghost_.proposed(server, entry);
    append(server, entry);
  }
  void flush(std::size_t server, const Entry& entry) { ghost_.flushed(server, {entry.zxid}); }
  void commit(std::size_t server, const Entry& entry) {
    ghost_.effect(server, effect::Commit{entry.zxid});
  }

  std::vector<std::string> complaints_;
  consensus::Membership membership_ = three();
  Ghost ghost_{membership_, 3, 1, [this](std::string text) { complaints_.push_back(text); }};
};

TEST_F(GhostTest, IsContentWithAnOrdinaryWrite) {
  propose(0, entry(1));
  append(1, entry(1));
  flush(0, entry(1));
  flush(1, entry(1));
  commit(0, entry(1));
  commit(1, entry(1));
  ghost_.looked_at(0, entry(1).zxid, 7, true);
  ghost_.looked_at(1, entry(1).zxid, 7, false);
  EXPECT_THAT(complaints_, IsEmpty());
}

TEST_F(GhostTest, TwoLeadersOfOneEpoch) {
  propose(0, entry(1));
  lead(1);
  ghost_.proposed(1, entry(1));
  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("G1")));
}

TEST_F(GhostTest, OneZxidForTwoEntries) {
  propose(0, entry(1, "this"));
  append(1, entry(1, "that"));
  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("G2")));
}

TEST_F(GhostTest, AHoleInTheLog) {
  propose(0, entry(1));
  propose(0, entry(2));
  propose(0, entry(3));
  append(1, entry(1));
  append(1, entry(3));
  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("G9"), HasSubstr("G2")));
}

TEST_F(GhostTest, AnEntryNobodyProposed) {
  append(1, entry(1));
  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("G10")));
}

TEST_F(GhostTest, ACommitThatAQuorumDoesNotHaveOnDisk) {
  propose(0, entry(1));
  append(1, entry(1));
  flush(0, entry(1));
  commit(0, entry(1));
  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("G4")));
}

TEST_F(GhostTest, WhatWasFlushedIsLost) {
  propose(0, entry(1));
  append(1, entry(1));
  flush(0, entry(1));
  flush(1, entry(1));
  commit(0, entry(1));
  start(1, {}, true);
  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("G8"), HasSubstr("G5")));
}

TEST_F(GhostTest, AWipedServerWithoutMemoryIsNoDanger) {
  propose(0, entry(1));
  append(1, entry(1));
  flush(0, entry(1));
  flush(1, entry(1));
  commit(0, entry(1));
  EXPECT_TRUE(ghost_.could_lose({false, true, false}));
  EXPECT_FALSE(ghost_.could_lose({true, true, false}));
  ghost_.wiped(1);
  start(1, {}, false);
  EXPECT_THAT(complaints_, IsEmpty());
  EXPECT_FALSE(ghost_.could_lose({true, false, false}));
}

TEST_F(GhostTest, ALeaderWithoutWhatIsCommitted) {
  propose(0, entry(1));
  append(1, entry(1));
  flush(0, entry(1));
  flush(1, entry(1));
  commit(0, entry(1));
  lead(2);
  propose(2, entry(1, "y", 2));
  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("G6")));
}

TEST_F(GhostTest, TwoTreesOfOneZxid) {
  propose(0, entry(1));
  ghost_.looked_at(0, entry(1).zxid, 7, false);
  ghost_.looked_at(1, entry(1).zxid, 8, false);
  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("G12")));
}

TEST_F(GhostTest, ATreeAheadOfTheCommitsIsServed) {
  propose(0, entry(1));
  ghost_.looked_at(0, entry(1).zxid, 7, true);
  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("serves a tree")));
}

}  // namespace
}  // namespace synod::sim
