#include "server/membership_diff.h"

#include <gtest/gtest.h>

namespace synod::server {
namespace {

using consensus::Membership;

Membership members(std::string_view text) { return *Membership::parse(text); }

TEST(MembershipDiff, SaysWhoComesAndGoes) {
  const Membership from = members("server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2:observer");
  const Membership to = members("server.1=a:1:2\nserver.3=c:1:2\nserver.4=d:1:2:observer;2181");
  EXPECT_EQ(change_line(from, to),
            "server.2 leaves, server.3 becomes a participant, server.4 joins as an observer");
  EXPECT_EQ(membership_diff(from, to),
            "  server.1=a:1:2:participant\n"
            "- server.2=b:1:2:participant\n"
            "- server.3=c:1:2:observer\n"
            "+ server.3=c:1:2:participant\n"
            "+ server.4=d:1:2:observer;0.0.0.0:2181\n");
  EXPECT_EQ(change_line(from, from), "nothing changes");
}

TEST(MembershipDiff, AddressesGroupsAndWeights) {
  const Membership from = members("server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1:2");
  const Membership moved = members("server.1=z:1:2\nserver.2=b:1:2\ngroup.1=1:2");
  const Membership weighed = members("server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1:2\nweight.1=3");
  EXPECT_EQ(change_line(from, moved), "server.1 is at z:1:2:participant");
  EXPECT_EQ(change_line(from, weighed), "other groups or weights");
  EXPECT_EQ(membership_diff(from, weighed),
            "  server.1=a:1:2:participant\n  server.2=b:1:2:participant\n"
            "- group.1 has server.1, of weight 1\n- group.1 has server.2, of weight 1\n"
            "+ group.1 has server.1, of weight 3\n+ group.1 has server.2, of weight 1\n");
}

}  // namespace
}  // namespace synod::server
