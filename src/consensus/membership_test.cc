#include "consensus/membership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace synod::consensus {
namespace {

Servers servers(std::initializer_list<std::int64_t> numbers) {
  Servers set;
  for (const std::int64_t number : numbers) (void)add_to(set, {number});
  return set;
}

Membership parsed(std::string_view text) {
  auto membership = Membership::parse(text);
  EXPECT_TRUE(membership) << (membership ? "" : membership.error().text);
  return membership.value_or(Membership{});
}

std::string refusal(std::string_view text) {
  const auto membership = Membership::parse(text);
  return membership ? "accepted" : membership.error().text;
}

TEST(Member, ALineSaysWhereAServerListens) {
  const auto member = parse_member("h2:2888:3888:Observer;10.0.0.2:2181");
  ASSERT_TRUE(member);
  EXPECT_EQ(*member, (Member{.quorum = {{"h2", 2888}},
                             .election = {{"h2", 3888}},
                             .is_observer = true,
                             .client = Endpoint{"10.0.0.2", 2181}}));
}

TEST(Member, ShortFormsMeanTheUsual) {
  EXPECT_EQ(to_line(*parse_member("h:1:2")), "h:1:2:participant");
  EXPECT_EQ(to_line(*parse_member("h:1:2;2181")), "h:1:2:participant;0.0.0.0:2181");
  EXPECT_EQ(to_line(*parse_member(" h : 1 : 2 : PARTICIPANT ; 2181 ")),
            "h:1:2:participant;0.0.0.0:2181");
}

TEST(Member, BracketsKeepTheColonsOfAnAddressTogether) {
  const auto member = parse_member("[2001:db8::1]:2888:3888;[::]:2181");
  ASSERT_TRUE(member);
  EXPECT_EQ(member->quorum[0].host, "2001:db8::1");
  EXPECT_EQ(to_line(*member), "[2001:db8::1]:2888:3888:participant;[::]:2181");
}

TEST(Member, SeveralAddressesAreSortedAndTheRoleComesLast) {
  EXPECT_EQ(to_line(*parse_member("b:3:4|a:1:2:observer;5")), "a:1:2|b:3:4:observer;0.0.0.0:5");
}

TEST(Member, ErrorsSayWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> lines{
      {"", "an address is host:quorumPort:electionPort[:role], not \"\""},
      {"h:1", "an address is host:quorumPort:electionPort[:role], not \"h:1\""},
      {"h:1:2:observer:3",
       "an address is host:quorumPort:electionPort[:role], not \"h:1:2:observer:3\""},
      {":1:2", "a host is missing"},
      {"a b:1:2", "not a host name: \"a b\""},
      {"[::1:1:2", "brackets do not match: \"[::1:1:2\""},
      {"[[::1]]:1:2", "brackets do not match: \"[[::1]]:1:2\""},
      {"[::1]x:1:2", "something follows the bracket: \"[::1]x\""},
      {"h:x:2", "the quorum port has to be 1 to 65535, not \"x\""},
      {"h:1:0", "the election port has to be 1 to 65535, not \"0\""},
      {"h:1:65536", "the election port has to be 1 to 65535, not \"65536\""},
      {"h:1:2;", "the client port has to be 1 to 65535, not \"\""},
      {"h:1:2;a:b:3", "the client part is [clientHost:]clientPort, not \"a:b:3\""},
      {"h:7:7", "quorum port and election port are the same: \"h:7:7\""},
      {"h:1:2:leader", "the role has to be participant or observer, not \"leader\""},
      {"h:1:2:observer|i:1:2:participant",
       "one server has two roles: \"h:1:2:observer|i:1:2:participant\""},
      {"h:1:2;3;4", "more than one ';': \"h:1:2;3;4\""},
  };
  for (const auto& [line, error] : lines) {
    const auto member = parse_member(line);
    ASSERT_FALSE(member) << line;
    EXPECT_EQ(member.error().text, error);
  }
}

constexpr std::string_view kThree =
    "server.1=127.0.1.1:41200:41300:participant;127.0.1.1:41100\n"
    "server.2=h2:41200:41300|h2b:41200:41300:participant;0.0.0.0:41102\n"
    "server.17=127.0.1.17:41200:41300:observer\n"
    "version=100000000";

TEST(Membership, ItsTextIsZooKeepers) {
  const Membership membership = parsed(kThree);
  EXPECT_EQ(membership.version, 0x100000000);
  EXPECT_EQ(membership.to_text(), kThree);
  EXPECT_EQ(membership.voters(), servers({1, 2}));
}

TEST(Membership, GroupsAndWeightsAreSpelledOut) {
  const std::string_view text =
      "server.1=a:1:2:participant\nserver.2=b:1:2:participant\nserver.3=c:1:2:participant\n"
      "group.1=1:2:3\nweight.1=1\nweight.2=5\nweight.3=1\nversion=0";
  EXPECT_EQ(parsed(text).to_text(), text);
  EXPECT_EQ(
      parsed("weight.2=5\ngroup.1=3:1:2\nserver.3=c:1:2\nserver.2=b:1:2\nserver.1=a:1:2").to_text(),
      text);
}

TEST(Membership, IsReadAsJavaReadsProperties) {
  EXPECT_EQ(parsed("# a comment\n! another\n\n  server.1 = a:1:2  \nserver.2:b\\:1\\:2\r\n"
                   "server.3 c:1:2"),
            parsed("server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nversion=0"));
}

TEST(Membership, ErrorsNameTheLine) {
  const std::vector<std::pair<std::string, std::string>> texts{
      {"", "no server is a participant: there is nobody to vote"},
      {"server.1=a:1:2:observer", "no server is a participant: there is nobody to vote"},
      {"server.0=a:1:2", "server.0: a server's number is 1 to 254"},
      {"server.255=a:1:2", "server.255: a server's number is 1 to 254"},
      {"server.x=a:1:2", "server.x: a number has to follow the dot"},
      {"server=a:1:2", "server: a number has to follow the dot"},
      {"server.1=a:1:2\nserver.1=b:1:2", "server.1: this server was configured before"},
      {"server.1=a:1", "server.1: an address is host:quorumPort:electionPort[:role], not \"a:1\""},
      {"tickTime=2000", "tickTime: only server.N, group.N, weight.N and version are known here"},
      {"version=x", "version: the version is a hexadecimal number, not \"x\""},
      {"server.1=a:1:2\ngroup.1=1:x",
       "group.1: a group is server numbers joined by colons, not \"1:x\""},
      {"server.1=a:1:2\ngroup.1=1\ngroup.2=1", "group.2: server 1 is in a group already"},
      {"server.1=a:1:2\ngroup.1=1:2", "group.1: there is no server.2"},
      {"server.1=a:1:2\nweight.1=1",
       "server.1 is in no group: with groups or weights every participant is in exactly one"},
      {"server.1=a:1:2\ngroup.1=1\nweight.1=-1",
       "weight.1: a weight is a number, 0 or more, not \"-1\""},
      {"server.1=a:1:2\ngroup.1=1\nweight.2=1", "weight.2: there is no server.2"},
      {"server.1=a:1:2\ngroup.1=1\nweight.1=0",
       "every participant has weight 0: no vote could ever win"},
  };
  for (const auto& [text, error] : texts) EXPECT_EQ(refusal(text), error) << text;
}

TEST(Quorum, IsMoreThanHalfOfTheVoters) {
  const Membership four = parsed(
      "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2\nserver.5=e:1:2:observer");
  EXPECT_FALSE(four.is_quorum({}));
  EXPECT_FALSE(four.is_quorum(servers({1, 2})));
  EXPECT_TRUE(four.is_quorum(servers({1, 2, 4})));
  EXPECT_FALSE(four.is_quorum(servers({1, 2, 5}))) << "an observer does not count";
  EXPECT_FALSE(four.is_quorum(servers({1, 2, 9}))) << "nor does a stranger";
  EXPECT_EQ(four.weight({1}), 1);
  EXPECT_EQ(four.weight({5}), 0);
}

TEST(Quorum, OfGroupsIsAMajorityOfGroupsEachByItsWeight) {
  const Membership nine = parsed(
      "server.1=a:1:2\nserver.2=a:1:2\nserver.3=a:1:2\nserver.4=a:1:2\nserver.5=a:1:2\n"
      "server.6=a:1:2\nserver.7=a:1:2\nserver.8=a:1:2\nserver.9=a:1:2\n"
      "group.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9\nweight.4=3");
  EXPECT_TRUE(nine.is_quorum(servers({1, 2, 8, 9})));
  EXPECT_FALSE(nine.is_quorum(servers({1, 2, 3, 7}))) << "one group only";
  EXPECT_TRUE(nine.is_quorum(servers({1, 2, 4}))) << "4 alone has 3 of its group's 5";
  EXPECT_FALSE(nine.is_quorum(servers({1, 2, 5, 6}))) << "5 and 6 have 2 of 5";
}

TEST(Quorum, AGroupWithoutWeightIsNotCounted) {
  const Membership three = parsed(
      "server.1=a:1:2\nserver.2=a:1:2\nserver.3=a:1:2\ngroup.1=1\ngroup.2=2\ngroup.3=3\nweight.3="
      "0");
  EXPECT_FALSE(three.is_quorum(servers({1, 3})));
  EXPECT_TRUE(three.is_quorum(servers({1, 2})));
  EXPECT_EQ(three.weight({3}), 0);
}

// Any two quorums share a server: what the whole house stands on.
RC_GTEST_PROP(Quorum, AnyTwoMeet, ()) {
  Membership membership;
  const int count = *rc::gen::inRange(1, 10);
  const bool is_grouped = *rc::gen::arbitrary<bool>();
  for (int i = 1; i <= count; ++i) {
    membership.members[{i}] = *parse_member("h:1:2");
    membership.members[{i}].is_observer = i > 1 && *rc::gen::inRange(0, 5) == 0;
    if (!is_grouped) continue;
    membership.groups[{i}] = *rc::gen::inRange(1, 4);
    membership.weights[{i}] = *rc::gen::inRange(0, 4);
  }
  const auto some = *rc::gen::container<std::vector<bool>>(static_cast<std::size_t>(count),
                                                           rc::gen::arbitrary<bool>());
  Servers chosen;
  Servers others;
  for (int i = 1; i <= count; ++i) {
    (void)add_to(some[static_cast<std::size_t>(i - 1)] ? chosen : others, {i});
  }
  RC_ASSERT(!(membership.is_quorum(chosen) && membership.is_quorum(others)));
}

}  // namespace
}  // namespace synod::consensus
