#include "server/ensemble_survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace synod::server {
namespace {

using consensus::Membership;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

Survey of(const std::string& text) {
  Survey survey;
  survey.membership = *Membership::parse(text);
  return survey;
}

const std::string kHosts = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2;2181";
const std::string kOneHost = "server.1=h:1:2\nserver.2=h:3:4\nserver.3=h:5:6";

SurveyedServer said(const std::string& address, std::int64_t id) {
  SurveyedServer server;
  server.address = address;
  server.mode = "follower";
  server.id = {id};
  return server;
}
SurveyedServer silent(const std::string& address) {
  SurveyedServer server;
  server.address = address;
  server.trouble = "Connection refused";
  return server;
}

TEST(EnsembleSurvey, WhatAServerRuns) {
  const auto java = read_version("3.8.0-${mvngit.commit.id}, built on 2024-12-29 17:54 UTC");
  EXPECT_EQ(java.kind, ServerKind::kJava);
  EXPECT_EQ(java.version, "3.8.0");
  const auto synod = read_version("3.9.5-synod-0.1.0");
  EXPECT_EQ(synod.kind, ServerKind::kSynod);
  EXPECT_EQ(synod.version, "0.1.0");
  EXPECT_EQ(read_version("").kind, ServerKind::kUnknown);
}

TEST(EnsembleSurvey, AServerIsWhoItSays) {
  Survey survey = of(kOneHost);
  EXPECT_THAT(place({said("h:12", 2), said("h:11", 1), said("h:13", 3)}, survey), IsEmpty());
  EXPECT_EQ(survey.servers.at({1}).address, "h:11");
  EXPECT_EQ(survey.membership.members.at({2}).client, (consensus::Endpoint{"h", 12}));
}

TEST(EnsembleSurvey, OneThatIsDownIsKnownByItsHost) {
  Survey survey = of(kHosts);
  EXPECT_THAT(place({said("a:9", 1), silent("b:9")}, survey),
              UnorderedElementsAre(Pair(ServerId{3}, "c:2181")));
  EXPECT_EQ(survey.servers.at({2}).trouble, "Connection refused");
}

TEST(EnsembleSurvey, OrBecauseOnePlaceIsLeft) {
  Survey survey = of(kOneHost);
  EXPECT_THAT(place({said("h:11", 1), said("h:13", 3), silent("h:12")}, survey), IsEmpty());
  EXPECT_EQ(survey.servers.at({2}).address, "h:12");
}

// Two are down, and nothing tells them apart.
TEST(EnsembleSurvey, OrNotAtAll) {
  Survey survey = of(kOneHost);
  EXPECT_THAT(place({said("h:11", 1), silent("h:12"), silent("h:13")}, survey),
              UnorderedElementsAre(Pair(ServerId{2}, ""), Pair(ServerId{3}, "")));
}

TEST(EnsembleSurvey, FoundByNumberHostOrAddress) {
  Survey survey = of(kHosts);
  (void)place({said("a:9", 1), said("10.0.0.2:9", 2), said("c:9", 3)}, survey);
  EXPECT_EQ(find_server(survey, "3"), ServerId{3});
  EXPECT_EQ(find_server(survey, "b"), ServerId{2});
  EXPECT_EQ(find_server(survey, "10.0.0.2:9"), ServerId{2});
  EXPECT_THAT(find_server(survey, "7").error().text, HasSubstr("7 is no member"));
  Survey crowded = of(kOneHost);
  (void)place({said("h:11", 1), said("h:12", 2), said("h:13", 3)}, crowded);
  EXPECT_THAT(find_server(crowded, "h").error().text, HasSubstr("3 members are on h"));
}

}  // namespace
}  // namespace synod::server
