#include "consensus/membership_change.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace synod::consensus {
namespace {

using testing::HasSubstr;

constexpr std::string_view kThree =
    "server.1=a:1:2;2181\nserver.2=b:1:2;2181\nserver.3=c:1:2;2181\nversion=10\n";

Result<Membership> change(const MembershipChange& asked, std::size_t min_voters = 2,
                          std::string_view current = kThree) {
  return changed(*Membership::parse(current), asked, min_voters);
}

std::string members(const Result<Membership>& next) {
  if (!next) return "refused: " + next.error().text;
  EXPECT_EQ(next->version, 16) << "the leader gives the new one";
  std::string text;
  for (const auto& [server, member] : next->members)
    text += std::to_string(server.value) + '=' + to_line(member) + ' ';
  return text;
}

constexpr std::string_view kAll =
    "1=a:1:2:participant;0.0.0.0:2181 2=b:1:2:participant;0.0.0.0:2181 "
    "3=c:1:2:participant;0.0.0.0:2181 ";

TEST(MembershipChange, WhoJoinsAndWhoLeaves) {
  EXPECT_EQ(members(change({.joining = "server.4=d:1:2:observer;2181", .leaving = "2, 3 ,"}, 1)),
            "1=a:1:2:participant;0.0.0.0:2181 4=d:1:2:observer;0.0.0.0:2181 ");
  EXPECT_EQ(members(change({.joining = "server.3=c:1:2:observer;2181"})),
            "1=a:1:2:participant;0.0.0.0:2181 2=b:1:2:participant;0.0.0.0:2181 "
            "3=c:1:2:observer;0.0.0.0:2181 ")
      << "a server that is in already changes its role";
  EXPECT_EQ(members(change({.joining = "server.2=b:5:6;2181,server.4=d:1:2;2181", .leaving = "3"})),
            "1=a:1:2:participant;0.0.0.0:2181 2=b:5:6:participant;0.0.0.0:2181 "
            "4=d:1:2:participant;0.0.0.0:2181 ");
  EXPECT_EQ(members(change({.joining = "server.3=d:1:2;2181", .leaving = "3"})),
            "1=a:1:2:participant;0.0.0.0:2181 2=b:1:2:participant;0.0.0.0:2181 "
            "3=d:1:2:participant;0.0.0.0:2181 ")
      << "leaving first";
}

TEST(MembershipChange, NothingToChangeIsNoMistake) {
  EXPECT_EQ(members(change({})), kAll);
  EXPECT_EQ(members(change({.joining = "", .leaving = " ,"})), kAll);
  EXPECT_EQ(members(change({.leaving = "9"})), kAll) << "who is not there has left";
}

TEST(MembershipChange, TheWholeMembership) {
  EXPECT_EQ(members(change({.members = "server.5=e:1:2,server.6=f:1:2:participant;h:2181"})),
            "5=e:1:2:participant 6=f:1:2:participant;h:2181 ");
  const auto grouped = change({.members = "server.1=a:1:2,server.2=b:1:2,group.1=1:2,weight.1=3"});
  ASSERT_TRUE(grouped);
  EXPECT_EQ(grouped->weight(ServerId{1}), 3);
  EXPECT_EQ(members(change({.joining = "nonsense", .members = "server.1=a:1:2,server.2=b:1:2"})),
            "1=a:1:2:participant 2=b:1:2:participant ")
      << "then the other two do not count";
}

TEST(MembershipChange, RequestsThatCannotBeRead) {
  const auto joining = [](std::string_view text) { return members(change({.joining = text})); };
  const std::string form = "refused: who joins is server.N=host:port:port:role;clientPort, not ";
  EXPECT_EQ(joining("abc"), form + "\"abc\"");
  EXPECT_EQ(joining("server.x=d:1:2;3"), form + "\"server.x=d:1:2;3\"");
  EXPECT_EQ(joining("server.0=d:1:2;3"), form + "\"server.0=d:1:2;3\"");
  EXPECT_EQ(joining("server.255=d:1:2;3"), form + "\"server.255=d:1:2;3\"");
  EXPECT_EQ(joining("group.1=4"), form + "\"group.1=4\"");
  EXPECT_THAT(joining("server.4="), HasSubstr("an address is host:quorumPort"));
  EXPECT_THAT(joining("server.4=d:1:2:king;2181"), HasSubstr("the role has to be"));
  EXPECT_EQ(joining("server.4=d:1:2"),
            "refused: server.4 has no client port (host:port:port:role;clientPort)");
  EXPECT_EQ(members(change({.leaving = "1,x"})),
            "refused: who leaves is a list of server numbers such as 3,4, not \"x\"");
  EXPECT_THAT(members(change({.members = "abc"})), HasSubstr("refused: "));
  EXPECT_THAT(members(change({.members = ""})), HasSubstr("participant"));
}

TEST(MembershipChange, NoTwoServersAtOneAddress) {
  const auto joining = [](std::string_view text) { return members(change({.joining = text})); };
  const std::string both = "refused: server.1 and server.4 have an address in common";
  EXPECT_EQ(joining("server.4=a:1:9;9"), both);
  EXPECT_EQ(joining("server.4=a:9:2;9"), both);
  EXPECT_EQ(joining("server.4=a:2:9;9"), both) << "its learners' port is the other's election port";
  EXPECT_EQ(joining("server.4=a:8:9;2181"),
            "1=a:1:2:participant;0.0.0.0:2181 "
            "2=b:1:2:participant;0.0.0.0:2181 "
            "3=c:1:2:participant;0.0.0.0:2181 "
            "4=a:8:9:participant;0.0.0.0:2181 ")
      << "all interfaces, of hosts that may differ";
  EXPECT_EQ(members(change({.members = "server.1=a:1:2;h:5,server.4=b:1:2;h:5"})), both);
}

TEST(MembershipChange, SomebodyHasToVote) {
  EXPECT_EQ(members(change({.leaving = "2,3"})),
            "refused: it would leave 1 of at least 2 participants");
  EXPECT_EQ(members(change({.leaving = "2,3"}, 1)), "1=a:1:2:participant;0.0.0.0:2181 ");
  EXPECT_EQ(members(change({.leaving = "1,2,3"}, 1)),
            "refused: it would leave 0 of at least 1 participants");
}

TEST(MembershipChange, GroupsAreChangedAsAWhole) {
  constexpr std::string_view grouped =
      "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\ngroup.1=1:2:3\nversion=10\n";
  EXPECT_EQ(members(change({.leaving = "3"}, 2, grouped)),
            "refused: a membership with groups or weights is changed as a whole only");
  EXPECT_EQ(members(change({.members = "server.1=a:1:2,server.2=b:1:2"}, 2, grouped)),
            "1=a:1:2:participant 2=b:1:2:participant ");
}

}  // namespace
}  // namespace synod::consensus
