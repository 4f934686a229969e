#include "net/jaas.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

namespace synod::net {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST(Jaas, SectionsModulesAndOptions) {
  const auto parsed = parse_jaas(R"(
/* who may be a server */
QuorumServer {
   org.apache.zookeeper.server.auth.DigestLoginModule required
   user_test="testpw"       // one
   user_other = "with \"quotes\" and ;{}";
};
QuorumLearner {
   a.Module requisite debug=true keyTab="/etc/zk.keytab" principal='zk/host@REALM';
   b.Module optional;
};
Empty { };
)");
  ASSERT_TRUE(parsed) << parsed.error().text;
  ASSERT_EQ(parsed->size(), 3);
  const JaasModule& server = parsed->at("QuorumServer").at(0);
  EXPECT_EQ(server.name, "org.apache.zookeeper.server.auth.DigestLoginModule");
  EXPECT_EQ(server.flag, "required");
  EXPECT_THAT(server.options, ElementsAre(Pair("user_other", "with \"quotes\" and ;{}"),
                                          Pair("user_test", "testpw")));
  const auto& learner = parsed->at("QuorumLearner");
  ASSERT_EQ(learner.size(), 2);
  EXPECT_EQ(learner[0].options.at("principal"), "zk/host@REALM");
  EXPECT_EQ(learner[1].flag, "optional");
}

TEST(Jaas, WhatIsWrongIsSaidWithItsLine) {
  const auto error = [](std::string_view text) {
    const auto parsed = parse_jaas(text);
    return parsed ? std::string() : parsed.error().text;
  };
  EXPECT_EQ(error("A {\n  m required x=1\n};"), "line 3: expected an option, or ; after the last");
  EXPECT_EQ(error("A {\n  m required;\n}"), "line 3: expected ;");
  EXPECT_EQ(error("A {\n m required x \"1\";\n};"), "line 2: expected =");
  EXPECT_THAT(error("A { m required x=\"1\n\"; };"), HasSubstr("the end of a comment"));
  EXPECT_THAT(error("/* A"), HasSubstr("the end of a comment"));
  EXPECT_THAT(error("A { };\nA { };"), HasSubstr("a new section"));
  EXPECT_THAT(error("A"), HasSubstr("expected {"));
}

// Any text at all ends in a value.
RC_GTEST_PROP(Jaas, Ends, (const std::string& text)) {
  const auto parsed = parse_jaas("A { " + text);
  RC_ASSERT(parsed || parsed.error().text.starts_with("line "));
}

}  // namespace
}  // namespace synod::net
