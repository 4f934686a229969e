#include "consensus/omnipaxos/quorums.h"

#include <gtest/gtest.h>

namespace synod::consensus::omnipaxos {
namespace {

Options options(int voters, std::size_t read_quorum, std::size_t write_quorum) {
  Options made{.self = ServerId{1}};
  for (int id = 1; id <= voters + 1; ++id)
    made.membership.members[ServerId{id}] = Member{.is_observer = id > voters};
  made.read_quorum = read_quorum;
  made.write_quorum = write_quorum;
  return made;
}

Servers servers(std::initializer_list<int> ids) {
  Servers made;
  for (const int id : ids) add_to(made, ServerId{id});
  return made;
}

TEST(OmniPaxosQuorums, WithoutSizesTheyAreTheMemberships) {
  const Options majority = options(5, 0, 0);
  const Quorums quorums(majority, majority.membership);
  EXPECT_TRUE(quorums.is_read_quorum(servers({1, 2, 3})));
  EXPECT_FALSE(quorums.is_write_quorum(servers({1, 2, 6}))) << "6 observes";
}

TEST(OmniPaxosQuorums, FlexibleOnesDiffer) {
  const Options flexible = options(5, 2, 4);
  const Quorums quorums(flexible, flexible.membership);
  EXPECT_TRUE(quorums.is_read_quorum(servers({4, 5})));
  EXPECT_FALSE(quorums.is_read_quorum(servers({4, 6})));
  EXPECT_FALSE(quorums.is_write_quorum(servers({1, 2, 3, 6})));
  EXPECT_TRUE(quorums.is_write_quorum(servers({1, 2, 3, 5})));
}

TEST(OmniPaxosQuorums, SizesThatDoNotFitTheNextMembershipGiveWayToItsMajority) {
  const Options flexible = options(5, 2, 4);
  Quorums quorums(flexible, flexible.membership);
  quorums.configure(options(3, 0, 0).membership);
  EXPECT_TRUE(quorums.is_write_quorum(servers({1, 2}))) << "four of three";
  EXPECT_FALSE(quorums.is_read_quorum(servers({1})));
  quorums.configure(options(6, 0, 0).membership);
  EXPECT_FALSE(quorums.is_read_quorum(servers({1, 2}))) << "two and four of six need not meet";
  EXPECT_FALSE(quorums.is_write_quorum(servers({1, 2, 3})));
  quorums.configure(options(5, 0, 0).membership);
  EXPECT_TRUE(quorums.is_read_quorum(servers({1, 2}))) << "they fit again";
}

TEST(OmniPaxosQuorums, ThoseThatNeedNotMeetAreNone) {
  const Options disjoint = options(5, 2, 3);
  const Quorums quorums(disjoint, disjoint.membership);
  EXPECT_FALSE(quorums.is_read_quorum(servers({1, 2})));
  EXPECT_TRUE(quorums.is_read_quorum(servers({1, 2, 3})));
}

TEST(OmniPaxosQuorumsDeathTest, OneSizeWithoutTheOtherIsRefused) {
  const Options half = options(5, 3, 0);
  EXPECT_DEATH((Quorums{half, half.membership}), "invariant broken");
}

}  // namespace
}  // namespace synod::consensus::omnipaxos
