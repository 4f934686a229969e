#include "server/takeover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace synod::server {
namespace {

using consensus::Membership;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

SurveyedServer running(ServerKind kind, const std::string& version, const std::string& address,
                       const std::string& mode) {
  SurveyedServer server;
  server.address = address;
  server.kind = kind;
  server.version = version;
  server.mode = mode;
  return server;
}
SurveyedServer java(const std::string& address, const std::string& mode) {
  return running(ServerKind::kJava, "3.8.0", address, mode);
}
SurveyedServer synod(const std::string& address, const std::string& mode) {
  return running(ServerKind::kSynod, "0.1.0", address, mode);
}
SurveyedServer silent(const std::string& address) {
  SurveyedServer server;
  server.address = address;
  server.trouble = "Connection refused";
  return server;
}

// Three voters, server 2 leads; server 4 observes.
Survey four() {
  Survey survey;
  survey.membership = *Membership::parse(
      "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\n"
      "server.4=d:1:2:observer");
  survey.source = "a:3";
  survey.servers = {{{1}, java("a:3", "follower")},
                    {{2}, java("b:3", "leader")},
                    {{3}, java("c:3", "follower")},
                    {{4}, java("d:3", "observer")}};
  return survey;
}

const Standing kInStep{"x:3", "follower, in step at 0x1", true};
const Standing kGone{"c:3", "no answer: Connection refused", false};

TEST(Takeover, ObserversFirstAndTheLeaderLast) {
  const TakeoverPlan plan = plan_takeover(four(), Direction::kToSynod);
  EXPECT_THAT(plan.order, ElementsAre(ServerId{4}, ServerId{1}, ServerId{3}, ServerId{2}));
  EXPECT_THAT(plan.unfit, IsEmpty());
  EXPECT_THAT(plan.troubles, IsEmpty());
  EXPECT_THAT(plan.notes, IsEmpty());
}

TEST(Takeover, WhoIsDoneIsNotPlannedAgain) {
  Survey survey = four();
  survey.servers[{1}] = synod("a:3", "follower");
  survey.servers[{3}] = synod("c:3", "follower");
  EXPECT_THAT(plan_takeover(survey, Direction::kToSynod).order,
              ElementsAre(ServerId{4}, ServerId{2}));
  EXPECT_THAT(plan_takeover(survey, Direction::kToJava).order,
              ElementsAre(ServerId{1}, ServerId{3}));
}

// Interrupted between stop and start: whoever is down is still to be done, whichever way.
TEST(Takeover, WhoIsDownIsStillToBeDone) {
  Survey survey = four();
  for (auto& [id, server] : survey.servers) server = synod(server.address, server.mode);
  survey.servers[{3}] = silent("c:3");
  const TakeoverPlan plan = plan_takeover(survey, Direction::kToSynod);
  EXPECT_THAT(plan.order, ElementsAre(ServerId{3}));
  EXPECT_THAT(plan.troubles, ElementsAre("server.3 at c:3: Connection refused"));
}

TEST(Takeover, WhatCanNotBeMixedIsSaid) {
  Survey survey = four();
  survey.servers[{1}].version = "3.4.14";
  survey.servers[{2}] = synod("b:3", "leader");
  survey.servers[{2}].engine = "raft";
  survey.servers[{3}].membership_text = "server.1=a:1:2\nserver.3=c:1:2";
  EXPECT_THAT(plan_takeover(survey, Direction::kToSynod).unfit,
              ElementsAre(HasSubstr("server.1 runs ZooKeeper 3.4.14"),
                          HasSubstr("server.2 runs raft"), HasSubstr("server.3 has other voters")));
}

// Going back it is no matter.
TEST(Takeover, ClientsWithTlsWouldBeCutOff) {
  Survey survey = four();
  survey.servers[{3}].secure_port = "2281";
  EXPECT_THAT(plan_takeover(survey, Direction::kToSynod).unfit,
              ElementsAre(HasSubstr("server.3 has clients with TLS on port 2281")));
  EXPECT_THAT(plan_takeover(survey, Direction::kToJava).unfit, IsEmpty());
}

TEST(Takeover, TwoVotersCanSpareNone) {
  Survey survey;
  survey.membership = *Membership::parse("server.1=a:1:2\nserver.2=b:1:2");
  survey.servers = {{{1}, java("a:3", "follower")}, {{2}, java("b:3", "leader")}};
  EXPECT_THAT(plan_takeover(survey, Direction::kToSynod).unfit,
              ElementsAre(HasSubstr("2 voters: none of them can be away")));
}

TEST(Takeover, NotesWhatHelpsToKnow) {
  Survey survey = four();
  survey.membership.version = 0x100000004;
  survey.servers[{1}].version = "3.7.1";
  survey.servers[{3}].unanswered = {"conf", "hash"};
  EXPECT_THAT(
      plan_takeover(survey, Direction::kToSynod).notes,
      ElementsAre(HasSubstr("3.7.1, which was not tried"), HasSubstr("different versions"),
                  HasSubstr("version (100000004)"), HasSubstr("server.3: 4lw.commands.whitelist")));
}

TEST(Takeover, AServerGoesWhenTheOthersAreInStep) {
  EXPECT_EQ(
      why_not_without(four(), {1}, {.others = {{{2}, kInStep}, {{3}, kInStep}, {{4}, kInStep}}}),
      std::nullopt);
}

// The observer that is in step helps no quorum.
TEST(Takeover, NotWithoutAQuorum) {
  const auto reason = why_not_without(
      four(), {1},
      {.others = {{{2}, kInStep}, {{3}, kGone}, {{4}, kInStep}}, .accepts_missing = true});
  ASSERT_TRUE(reason);
  EXPECT_THAT(*reason, HasSubstr("no quorum is left: 1 of 3"));
  EXPECT_THAT(*reason, HasSubstr("server.3 (c:3): no answer"));
}

TEST(Takeover, OneThatIsAwayAlreadyHasToBeAccepted) {
  Outlook outlook{.others = {{{2}, kInStep}, {{3}, kInStep}, {{4}, kGone}}};
  const auto reason = why_not_without(four(), {1}, outlook);
  ASSERT_TRUE(reason);
  EXPECT_THAT(*reason, HasSubstr("--accept-missing"));
  outlook.accepts_missing = true;
  EXPECT_EQ(why_not_without(four(), {1}, outlook), std::nullopt);
}

// It may know that one is behind whose zxid looks right.
TEST(Takeover, TheLeadersCountIsBelieved) {
  Outlook outlook{.others = {{{2}, kInStep}, {{3}, kInStep}, {{4}, kInStep}},
                  .synced_followers = 1};
  const auto reason = why_not_without(four(), {1}, outlook);
  ASSERT_TRUE(reason);
  EXPECT_THAT(*reason, HasSubstr("counts 1 followers in step"));
  outlook.synced_followers = 2;
  EXPECT_EQ(why_not_without(four(), {1}, outlook), std::nullopt);
}

}  // namespace
}  // namespace synod::server
