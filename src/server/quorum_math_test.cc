#include "server/quorum_math.h"

#include <gtest/gtest.h>

namespace synod::server {
namespace {

consensus::Membership voters(int count) {
  consensus::Membership membership;
  for (int id = 1; id <= count; ++id) {
    membership.members[ServerId{id}].quorum = {{"host", 2888}};
  }
  return membership;
}

TEST(QuorumMath, Majorities) {
  struct Case {
    int voters;
    std::size_t quorum;
    std::size_t tolerated;
  };
  for (const Case& c :
       {Case{1, 1, 0}, Case{2, 2, 0}, Case{3, 2, 1}, Case{4, 3, 1}, Case{5, 3, 2}}) {
    EXPECT_EQ(quorum_size(voters(c.voters)), c.quorum) << c.voters;
    EXPECT_EQ(tolerated_failures(voters(c.voters)), c.tolerated) << c.voters;
  }
}

TEST(QuorumMath, ObserversDoNotCount) {
  consensus::Membership membership = voters(5);
  membership.members[ServerId{4}].is_observer = true;
  membership.members[ServerId{5}].is_observer = true;
  EXPECT_EQ(quorum_size(membership), 2U);
  EXPECT_EQ(tolerated_failures(membership), 1U);
}

// Three groups of three: two of three in two groups are enough; two lost in each of two groups are
// too many, and so are any four such.
TEST(QuorumMath, Groups) {
  consensus::Membership membership = voters(9);
  for (int id = 1; id <= 9; ++id) membership.groups[ServerId{id}] = (id - 1) / 3;
  EXPECT_EQ(quorum_size(membership), 4U);
  EXPECT_EQ(tolerated_failures(membership), 3U);
}

}  // namespace
}  // namespace synod::server
