#include "primary/access.h"

#include <gtest/gtest.h>

#include <chrono>

namespace synod::primary {
namespace {

using Views = std::vector<jute::AclView>;

std::optional<jute::AclList> resolve(const Views& requested, const state::AuthIds& ids = {},
                                     const AccessSchemes& schemes = {}) {
  return resolve_acl(requested, ids, schemes);
}

// Reference, section 13.3 and 13.4; more of it in testdata/primary/access.txt.
TEST(ResolveAcl, IdsThatAreAcceptable) {
  const AccessSchemes all{.digest = true, .sasl = true, .x509 = true};
  for (const auto& [scheme, id] : {std::pair{"world", "anyone"},
                                   {"digest", "a:b"},
                                   {"digest", ":b"},
                                   {"ip", "::1/64"},
                                   {"sasl", "bob"},
                                   {"x509", "CN=bob"}}) {
    EXPECT_TRUE(resolve({{31, scheme, id}}, {}, all)) << scheme << ' ' << id;
  }
  for (const auto& [scheme, id] : {std::pair{"world", ""},
                                   {"world", "all"},
                                   {"digest", "a"},
                                   {"digest", "a:"},
                                   {"digest", "a:b:c"},
                                   {"ip", "x"},
                                   {"x509", "bob"},
                                   {"super", ""},
                                   {"ensemble", "x"},
                                   {"", ""},
                                   {"auth", ""}}) {
    EXPECT_FALSE(resolve({{31, scheme, id}}, {}, all)) << scheme << ' ' << id;
  }
}

TEST(ResolveAcl, SchemesThatAreOffAreUnknown) {
  const AccessSchemes none{.digest = false};
  EXPECT_FALSE(resolve({{31, "digest", "a:b"}}, {}, none));
  EXPECT_FALSE(resolve({{31, "sasl", "bob"}}));
  EXPECT_FALSE(resolve({{31, "x509", "CN=bob"}}));
  EXPECT_FALSE(resolve({{31, "auth", ""}}, {{"digest", "a:b"}}, none));
}

TEST(ResolveAcl, OneBadEntrySpoilsTheList) {
  EXPECT_FALSE(resolve({{31, "world", "anyone"}, {31, "nosuch", "x"}}));
  EXPECT_FALSE(resolve({{31, "world", "anyone"}, {31, std::nullopt, "x"}}));
  EXPECT_FALSE(resolve({{31, "world", "anyone"}, {31, "world", std::nullopt}}));
  EXPECT_FALSE(resolve({}));
  EXPECT_FALSE(resolve_acl(std::nullopt, {}, {}));
}

// A request may hold a list of 80,000 entries; looking at it must not take seconds.
TEST(ResolveAcl, LongListsAreQuick) {
  Views views;
  for (std::int32_t perms = 0; perms < 80'000; ++perms) views.push_back({perms, "world", "anyone"});
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(resolve(views)->size(), views.size());
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
}

}  // namespace
}  // namespace synod::primary
