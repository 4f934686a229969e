#include "consensus/zab/joint_membership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "consensus/cluster/cluster.h"

namespace synod::consensus::zab {
namespace {

using testing::ElementsAre;

class JointQuorum : public testing::Test {
 protected:
  static Membership of(const Servers& voters, const Servers& observers = {}) {
    Membership membership;
    for (const ServerId server : voters)
      membership.members[server] = {.quorum = {{"h", 1}}, .election = {{"h", 2}}};
    for (const ServerId server : observers)
      membership.members[server] = {
          .quorum = {{"h", 1}}, .election = {{"h", 2}}, .is_observer = true};
    return membership;
  }
  void start(const Membership& decided) { log_.start(decided, {.forms = &forms_}); }
  void append(Membership next, std::int64_t version) {
    next.version = version;
    log_.append({{version}, forms_.write(EntryKind::kReconfiguration, {version}, next.to_text())});
  }

  cluster::TestForms forms_;
  Configurations log_;
  JointMembership members_{log_};
};

TEST_F(JointQuorum, OneWithoutAChange) {
  start(of({{1}, {2}, {3}}));
  EXPECT_TRUE(members_.is_quorum({{1}, {2}}));
  EXPECT_FALSE(members_.is_quorum({{1}, {4}}));
  EXPECT_FALSE(members_.is_joint());
}

TEST_F(JointQuorum, BothWhileAChangeIsUnderWay) {
  start(of({{1}, {2}, {3}}));
  append(of({{3}, {4}, {5}}), 7);
  EXPECT_FALSE(members_.is_quorum({{1}, {2}, {3}}));
  EXPECT_FALSE(members_.is_quorum({{3}, {4}, {5}}));
  EXPECT_TRUE(members_.is_quorum({{2}, {3}, {4}}));
  EXPECT_TRUE(members_.is_quorum_of_either({{1}, {2}}));
  EXPECT_TRUE(members_.is_quorum_of_either({{4}, {5}}));
  EXPECT_THAT(members_.voters(),
              ElementsAre(ServerId{1}, ServerId{2}, ServerId{3}, ServerId{4}, ServerId{5}));
  ASSERT_TRUE(log_.commit({7}));
  EXPECT_TRUE(members_.is_quorum({{4}, {5}}));
}

TEST_F(JointQuorum, OneAgainWhenTheChangeIsCut) {
  start(of({{1}, {2}, {3}}));
  append(of({{3}, {4}, {5}}), 7);
  log_.cut({6});
  EXPECT_TRUE(members_.is_quorum({{1}, {2}}));
}

// Of two the first was committed before the second was proposed: the files are behind.
TEST_F(JointQuorum, AllButTheLastAreDecided) {
  start(of({{1}, {2}, {3}}));
  append(of({{3}, {4}, {5}}), 7);
  append(of({{5}, {6}, {7}}), 9);
  EXPECT_EQ(members_.decided().version, 7);
  EXPECT_FALSE(members_.is_voter({1}));
  EXPECT_TRUE(members_.is_quorum({{4}, {5}, {6}}));
}

TEST_F(JointQuorum, WhoIsAboutToVoteObservesNoMore) {
  start(of({{1}}, {{2}}));
  EXPECT_TRUE(members_.is_observer({2}));
  EXPECT_FALSE(members_.is_observer({3})) << "a stranger learns as followers do";
  append(of({{1}, {2}}), 7);
  EXPECT_FALSE(members_.is_observer({2}));
}

TEST_F(JointQuorum, WithoutReconfigurationItIsWhatTheFilesSay) {
  const Membership fixed = of({{1}, {2}, {3}});
  const JointMembership members(fixed);
  EXPECT_FALSE(members.can_change());
  EXPECT_FALSE(members.is_joint());
  EXPECT_EQ(&members.decided(), &fixed);
  EXPECT_EQ(&members.newest(), &fixed);
}

}  // namespace
}  // namespace synod::consensus::zab
