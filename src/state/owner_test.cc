#include "state/owner.h"

#include <gtest/gtest.h>

namespace synod::state {
namespace {

// Reference, section 8.4.
TEST(OwnerRules, Kinds) {
  const OwnerRules plain;
  const OwnerRules extended{.extended_types = true};
  const OwnerRules old{.extended_types = true, .emulate_353_ttl = true};
  const auto kinds = [&](std::int64_t owner) {
    return std::tuple(plain.kind(owner), extended.kind(owner), old.kind(owner));
  };
  using enum OwnerKind;
  EXPECT_EQ(kinds(0), std::tuple(kPersistent, kPersistent, kPersistent));
  EXPECT_EQ(kinds(0x100000000000001), std::tuple(kEphemeral, kEphemeral, kEphemeral));
  EXPECT_EQ(kinds(kContainerOwner), std::tuple(kContainer, kContainer, kContainer));
  EXPECT_EQ(kinds(owner_of_ttl(1000)), std::tuple(kEphemeral, kTtl, kTtl));
  EXPECT_EQ(kinds(static_cast<std::int64_t>(0x8000000000001000)),
            std::tuple(kEphemeral, kEphemeral, kTtl));
  EXPECT_EQ(kinds(static_cast<std::int64_t>(0xFF00010000000001)),
            std::tuple(kEphemeral, kEphemeral, kTtl));
  EXPECT_EQ(ttl_of_owner(owner_of_ttl(kMaxTtlMs)), kMaxTtlMs);
  EXPECT_TRUE(is_valid_ttl(1) && is_valid_ttl(kMaxTtlMs));
  EXPECT_FALSE(is_valid_ttl(0) || is_valid_ttl(-1) || is_valid_ttl(kMaxTtlMs + 1));
}

}  // namespace
}  // namespace synod::state
