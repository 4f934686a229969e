#include "consensus/raft/configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "consensus/cluster/cluster.h"

namespace synod::consensus::raft {
namespace {

using testing::ElementsAre;
using testing::Key;
using testing::UnorderedElementsAre;

Membership members(std::initializer_list<std::int64_t> voters,
                   std::initializer_list<std::int64_t> observers = {}) {
  Membership made;
  const auto add = [&](std::int64_t id, bool is_observer) {
    made.members[ServerId{id}] = {
        .quorum = {{"s", 1}}, .election = {{"s", 2}}, .is_observer = is_observer};
  };
  for (const std::int64_t id : voters) add(id, false);
  for (const std::int64_t id : observers) add(id, true);
  return made;
}

Servers servers(std::initializer_list<std::int64_t> ids) {
  Servers made;
  for (const std::int64_t id : ids) add_to(made, ServerId{id});
  return made;
}

constexpr Zxid at(std::uint32_t counter) { return Zxid::of(1, counter); }

// The log begins with three voters, of whom all is committed.
class RaftConfiguration : public testing::Test {
 protected:
  RaftConfiguration() { log_.start(members({1, 2, 3}), {.forms = &forms_}); }

  void append(std::uint32_t counter, Membership next,
              EntryKind kind = EntryKind::kReconfiguration) {
    if (kind == EntryKind::kReconfiguration) next.version = at(counter).value;
    log_.append({at(counter), forms_.write(kind, at(counter), next.to_text())});
  }
  bool is_quorum(std::initializer_list<std::int64_t> ids) { return now_.is_quorum(servers(ids)); }

  cluster::TestForms forms_;
  Configurations log_;
  Configuration now_{log_, false};
  Configuration stepping_{log_, true};
};

TEST_F(RaftConfiguration, Section6_WhileItIsJointBothMajoritiesAreNeeded) {
  append(5, members({3, 4, 5}));
  EXPECT_TRUE(now_.is_joint());
  EXPECT_FALSE(is_quorum({1, 2, 3})) << "the old alone";
  EXPECT_FALSE(is_quorum({3, 4, 5})) << "the new alone";
  EXPECT_FALSE(is_quorum({1, 3, 6}));
  EXPECT_TRUE(is_quorum({1, 3, 4}));
  EXPECT_EQ(now_.voters(), servers({1, 2, 3, 4, 5}));
  EXPECT_TRUE(now_.is_voter(ServerId{1}) && now_.is_voter(ServerId{5}));
  EXPECT_THAT(now_.peers_of(ServerId{1}), UnorderedElementsAre(Key(ServerId{2}), Key(ServerId{3}),
                                                               Key(ServerId{4}), Key(ServerId{5})));
}

TEST_F(RaftConfiguration, Section6_CNewCountsAloneOnceItIsInTheLog) {
  append(5, members({3, 4, 5}));
  Membership next = members({3, 4, 5});
  next.version = at(5).value;
  append(6, next, EntryKind::kConfiguration);
  EXPECT_FALSE(now_.is_joint());
  EXPECT_FALSE(now_.is_committed());
  EXPECT_TRUE(is_quorum({4, 5}));
  EXPECT_FALSE(now_.is_voter(ServerId{1}));
  EXPECT_EQ(now_.settled(), next) << "else it would not be there";
}

TEST_F(RaftConfiguration, Section6_ACommittedJointOneNeedsItsOldSideNoMore) {
  append(5, members({3, 4, 5}));
  ASSERT_TRUE(log_.commit(at(5)));
  EXPECT_FALSE(now_.is_joint());
  EXPECT_TRUE(now_.is_committed());
  EXPECT_TRUE(is_quorum({4, 5}));
}

// consensus.md 3.12 #10.
TEST_F(RaftConfiguration, Section6_WhatIsCutOffCountsNoMore) {
  append(5, members({3, 4, 5}));
  append(6, members({3, 4, 5}), EntryKind::kConfiguration);
  log_.cut(at(5));
  EXPECT_TRUE(now_.is_joint());
  EXPECT_FALSE(is_quorum({4, 5}));
  log_.cut(at(4));
  EXPECT_FALSE(now_.is_joint());
  EXPECT_TRUE(is_quorum({1, 2}));
  EXPECT_FALSE(now_.is_voter(ServerId{4}));
}

TEST_F(RaftConfiguration, Section6_NonVotersNeverCount) {
  append(5, members({1, 2, 4}, {3, 5}));
  EXPECT_TRUE(now_.is_member(ServerId{5}));
  EXPECT_FALSE(now_.is_voter(ServerId{5}));
  EXPECT_FALSE(is_quorum({1, 3, 5})) << "a majority of the old, and one of the new";
  EXPECT_TRUE(is_quorum({1, 3, 4})) << "who votes no more counts among the old still";
  ASSERT_TRUE(log_.commit(at(5)));
  EXPECT_FALSE(is_quorum({1, 3}));
}

TEST_F(RaftConfiguration, Dissertation4_1_OneVoterMoreOrLessIsOneStepIfThatIsWished) {
  append(5, members({1, 2, 3, 4}));
  EXPECT_TRUE(now_.is_joint());
  EXPECT_FALSE(stepping_.is_joint());
  EXPECT_FALSE(stepping_.is_quorum(servers({1, 2}))) << "it counts as soon as it is in the log";
  log_.cut(at(4));
  append(5, members({1, 2}));
  EXPECT_FALSE(stepping_.is_joint());
  log_.cut(at(4));
  append(5, members({1, 2}, {3}));
  EXPECT_FALSE(stepping_.is_joint()) << "a voter becomes an observer";
}

TEST_F(RaftConfiguration, Dissertation4_1_TwoVotersAreTwoStepsOrJoint) {
  append(5, members({1, 2, 4}));
  EXPECT_TRUE(stepping_.is_joint()) << "one goes and one comes";
  log_.cut(at(4));
  append(5, members({1, 2, 3, 4, 5}));
  EXPECT_TRUE(stepping_.is_joint());
}

// Majorities of groups need not meet those of other groups.
TEST_F(RaftConfiguration, GroupsAreJointWhateverIsWished) {
  Membership next = members({1, 2, 3});
  for (const std::int64_t id : {1, 2, 3}) next.groups[ServerId{id}] = id;
  append(5, next);
  EXPECT_TRUE(stepping_.is_joint());
}

TEST_F(RaftConfiguration, ObserversComeAndGoWithoutBeingAskedFor) {
  append(5, members({1, 2, 3}, {4}));
  EXPECT_FALSE(now_.is_joint());
  EXPECT_TRUE(is_quorum({1, 2}));
  EXPECT_TRUE(now_.is_member(ServerId{4}));
}

// The second would not be there if the first were not committed.
TEST_F(RaftConfiguration, WhatLiesBehindAnotherIsJointWithThat) {
  append(5, members({3, 4, 5}));
  append(6, members({3, 4, 5}), EntryKind::kConfiguration);
  append(9, members({5, 6, 7}));
  EXPECT_TRUE(is_quorum({4, 5, 6}));
  EXPECT_FALSE(is_quorum({1, 2, 6, 7}));
  EXPECT_EQ(now_.settled().voters(), servers({3, 4, 5}));
}

// A tree says which configuration it has, not what that is joint with.
TEST_F(RaftConfiguration, ATreesConfigurationIsJointWithWhatItsSenderKnew) {
  Membership before = members({3, 4, 5});
  before.version = at(3).value;
  ASSERT_TRUE(log_.adopt(before));
  Membership next = members({5, 6, 7});
  next.version = at(9).value;
  log_.installed(next.to_text());
  EXPECT_TRUE(is_quorum({4, 5, 6}));
  EXPECT_FALSE(is_quorum({1, 2, 5, 6}));
}

}  // namespace
}  // namespace synod::consensus::raft
