#include "state/acl.h"

#include <gtest/gtest.h>

#include "jute/opcode.h"

namespace synod::state {
namespace {

namespace perms = jute::perms;

TEST(IpPattern, Validity) {
  for (const char* pattern : {"127.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "10.1.2.3/32", "::1", "::",
                              "fe80::1/64", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
                              "2001:db8::/128", "2001:DB8::/0"}) {
    EXPECT_TRUE(is_valid_ip_pattern(pattern)) << pattern;
  }
  for (const char* pattern : {"",
                              "10.0.0",
                              "10.0.0.0.0",
                              "10.0.0.256",
                              "10.0.0.",
                              ".0.0.0",
                              "10.0.0.0/",
                              "10.0.0.0/33",
                              "10.0.0.0/-1",
                              "10.0.0.0/8/8",
                              "a.b.c.d",
                              "1:2:3:4:5:6:7",
                              "1:2:3:4:5:6:7:8:9",
                              "::1::",
                              "12345::",
                              "::/129",
                              "::g",
                              ":1",
                              "1:",
                              "localhost",
                              "10.0.0.0 ",
                              "/8",
                              "+1.0.0.0",
                              "1:2:3:4:5:6:7:"}) {
    EXPECT_FALSE(is_valid_ip_pattern(pattern)) << pattern;
  }
}

TEST(IpPattern, Matching) {
  EXPECT_TRUE(ip_matches("127.0.0.1", "127.0.0.1"));
  EXPECT_FALSE(ip_matches("127.0.0.2", "127.0.0.1"));
  EXPECT_TRUE(ip_matches("10.1.2.3", "10.0.0.0/8"));
  EXPECT_TRUE(ip_matches("10.1.2.3", "10.255.255.255/8"));
  EXPECT_FALSE(ip_matches("11.1.2.3", "10.0.0.0/8"));
  EXPECT_TRUE(ip_matches("10.1.2.3", "99.9.9.9/0"));
  EXPECT_TRUE(ip_matches("10.1.2.130", "10.1.2.128/25"));
  EXPECT_FALSE(ip_matches("10.1.2.127", "10.1.2.128/25"));
  EXPECT_TRUE(ip_matches("2001:db8::5", "2001:db8::/32"));
  EXPECT_TRUE(ip_matches("2001:0db8:0:0:0:0:0:5", "2001:db8::5"));
  EXPECT_FALSE(ip_matches("2001:db9::5", "2001:db8::/32"));
  // Kinds of addresses never match each other.
  EXPECT_FALSE(ip_matches("::ffff:10.1.2.3", "10.0.0.0/8"));
  EXPECT_FALSE(ip_matches("10.1.2.3", "::/0"));
  EXPECT_FALSE(ip_matches("nonsense", "0.0.0.0/0"));
}

struct Case {
  const char* what;
  AccessRule rule;
  jute::AclList list;
  AuthIds ids;
  std::int32_t wanted;
  bool is_allowed;
};

TEST(AccessRule, Decides) {
  const AuthIds nobody{{"ip", "10.1.2.3"}};
  const AuthIds bob{{"ip", "10.1.2.3"}, {"digest", "bob:hash"}};
  const Case cases[] = {
      {"world", {}, {{perms::kRead, "world", "anyone"}}, nobody, perms::kRead, true},
      {"world, other permission",
       {},
       {{perms::kRead, "world", "anyone"}},
       nobody,
       perms::kWrite,
       false},
      {"any of the wanted",
       {},
       {{perms::kAdmin, "world", "anyone"}},
       nobody,
       perms::kRead | perms::kAdmin,
       true},
      {"an empty list", {}, {}, nobody, perms::kAll, true},
      {"skipACL",
       {.skip = true, .any_sasl_user = {}, .x509_super_user = {}},
       {{0, "world", "anyone"}},
       nobody,
       perms::kRead,
       true},
      {"digest", {}, {{perms::kAll, "digest", "bob:hash"}}, bob, perms::kWrite, true},
      {"another digest", {}, {{perms::kAll, "digest", "bob:hush"}}, bob, perms::kWrite, false},
      {"address", {}, {{perms::kAll, "ip", "10.0.0.0/8"}}, bob, perms::kWrite, true},
      {"another address", {}, {{perms::kAll, "ip", "11.0.0.0/8"}}, bob, perms::kWrite, false},
      {"super", {}, {{0, "world", "anyone"}}, {{"super", ""}}, perms::kAdmin, true},
      {"super in a list", {}, {{perms::kAll, "super", ""}}, nobody, perms::kRead, false},
      {"world with another id", {}, {{perms::kAll, "world", "x"}}, nobody, perms::kRead, false},
      {"sasl", {}, {{perms::kAll, "sasl", "bob"}}, {{"sasl", "bob"}}, perms::kRead, true},
      {"sasl super", {}, {{perms::kAll, "sasl", "bob"}}, {{"sasl", "super"}}, perms::kRead, true},
      {"any sasl user",
       {.any_sasl_user = "all", .x509_super_user = {}},
       {{perms::kAll, "sasl", "all"}},
       {{"sasl", "amy"}},
       perms::kRead,
       true},
      {"x509", {}, {{perms::kAll, "x509", "CN=bob"}}, {{"x509", "CN=bob"}}, perms::kRead, true},
      {"x509 super",
       {.any_sasl_user = {}, .x509_super_user = "CN=root"},
       {{perms::kAll, "x509", "CN=bob"}},
       {{"x509", "CN=root"}},
       perms::kRead,
       true},
      {"a later entry",
       {},
       {{perms::kRead, "world", "anyone"}, {perms::kWrite, "digest", "bob:hash"}},
       bob,
       perms::kWrite,
       true},
  };
  for (const Case& c : cases)
    EXPECT_EQ(c.rule.allows(c.list, c.wanted, c.ids), c.is_allowed) << c.what;
}

TEST(AclTable, KeepsEveryListOnce) {
  AclTable table;
  const jute::AclList list{{31, "world", "anyone"}};
  const AclId a = table.acquire(list);
  EXPECT_EQ(table.acquire(list), a);
  EXPECT_NE(a, kOpenAcl);  // a client's open list is a list like any other
  EXPECT_EQ(table.list(a), list);
  EXPECT_EQ(table.entries().size(), 1U);
  table.release(a);
  table.release(a);
  EXPECT_TRUE(table.entries().empty());
  EXPECT_EQ(table.list(a), list) << "readable until the next collect()";
  table.collect();
  const AclId b = table.acquire(jute::AclList{{1, "ip", "::1"}});
  EXPECT_EQ(b, a) << "numbers are used again";
}

TEST(AclTable, AListIsSavedFromCollectionByANewUser) {
  AclTable table;
  const jute::AclList list{{1, "world", "anyone"}};
  const AclId a = table.acquire(list);
  table.release(a);
  EXPECT_EQ(table.acquire(list), a);
  table.release(a);
  table.acquire(a);
  table.collect();
  EXPECT_EQ(table.list(a), list);
  EXPECT_EQ(table.entries().size(), 1U);
}

TEST(AclTable, TheOpenListIsNotCounted) {
  AclTable table;
  table.release(kOpenAcl);
  table.acquire(kOpenAcl);
  EXPECT_EQ(table.list(kOpenAcl), (jute::AclList{{31, "world", "anyone"}}));
  EXPECT_TRUE(table.entries().empty());
}

}  // namespace
}  // namespace synod::state
