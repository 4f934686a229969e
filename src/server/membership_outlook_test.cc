#include "server/membership_outlook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace synod::server {
namespace {

using consensus::Membership;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const Membership kFour = *Membership::parse(
    "server.1=a:1:2;3\nserver.2=b:1:2;3\nserver.3=c:1:2\nserver.4=d:1:2:observer;3");

const Standing kInStep{"x:3", "follower, in step at 0x1", true};
const Standing kGone{"b:3", "no answer: Connection refused", false};
const Standing kMute{"", "names no client port: it cannot be asked", false};

TEST(MembershipOutlook, AQuorumInStepIsEnough) {
  EXPECT_EQ(foretell_refusal(kFour, {{{1}, kInStep}, {{2}, kGone}, {{3}, kInStep}, {{4}, kGone}}),
            std::nullopt);
  EXPECT_EQ(foretell_refusal(kFour, {{{1}, kInStep}, {{2}, kGone}, {{3}, kMute}, {{4}, kGone}}),
            std::nullopt)
      << "who cannot be asked may be there";
}

TEST(MembershipOutlook, WhoIsMissingIsNamed) {
  const auto refusal =
      foretell_refusal(kFour, {{{1}, kInStep}, {{2}, kGone}, {{3}, kGone}, {{4}, kInStep}});
  ASSERT_TRUE(refusal);
  EXPECT_THAT(*refusal, HasSubstr("1 of 3, and it takes 2"));
  EXPECT_THAT(*refusal, HasSubstr("server.2 (b:3): no answer: Connection refused"));
  EXPECT_THAT(*refusal, Not(HasSubstr("server.4")));
}

TEST(MembershipOutlook, WhatAnOperatorShouldKnow) {
  EXPECT_THAT(warnings_of(kFour, {{{1}, kInStep}, {{2}, kInStep}, {{3}, kMute}, {{4}, kInStep}}),
              IsEmpty());
  const Membership two = *Membership::parse("server.1=a:1:2;3\nserver.2=b:1:2;3");
  EXPECT_THAT(warnings_of(two, {{{1}, kInStep}, {{2}, kGone}}),
              ElementsAre("server.2 would be a member and is not ready",
                          "2 participants tolerate no more failures than 1"));
  EXPECT_THAT(warnings_of(*Membership::parse("server.1=a:1:2;3"), {{{1}, kInStep}}),
              ElementsAre(HasSubstr("standaloneEnabled=false")));
}

TEST(MembershipOutlook, FiguresBeforeAndAfter) {
  const Membership five = *Membership::parse(
      "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2\nserver.5=e:1:2");
  EXPECT_EQ(figures(kFour, five),
            "                     before  after\n"
            "participants              3      5\n"
            "a quorum is               2      3\n"
            "so many can fail          1      2\n"
            "observers                 1      0\n");
}

// Nobody listens there: the answer comes at once, or when patience is over.
TEST(MembershipOutlook, WhoDoesNotAnswerIsNotReady) {
  const Membership nobody = *Membership::parse("server.1=127.0.0.1:1:2;1\nserver.2=b:1:2");
  const Standings standings =
      ask_standings(nobody, Zxid{1}, {ServerId{1}}, std::chrono::milliseconds(1));
  EXPECT_FALSE(standings.at(ServerId{1}).is_ready);
  EXPECT_EQ(standings.at(ServerId{1}).address, "127.0.0.1:1") << "listens everywhere: its host";
  EXPECT_THAT(standings.at(ServerId{1}).state, HasSubstr("no answer"));
  EXPECT_EQ(standings.at(ServerId{2}).address, "");
}

}  // namespace
}  // namespace synod::server
