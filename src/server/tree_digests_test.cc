#include "server/tree_digests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace synod::server {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(TreeDigests, LinesOfHash) {
  const auto digests = parse_digests("100000080: 1234\n100000100: -77\n\nnonsense\n");
  ASSERT_TRUE(digests);
  EXPECT_THAT(*digests, ElementsAre(Pair(Zxid::of(1, 0x80), 1234), Pair(Zxid::of(1, 0x100), -77)));
  EXPECT_TRUE(parse_digests("")) << "a server that was just started";
  EXPECT_FALSE(parse_digests("hash is not executed because it is not in the whitelist.\n"));
}

TEST(TreeDigests, TheFirstOfAZxidCounts) {
  EXPECT_THAT(*parse_digests("100000080: 1\n100000100: 2\n100000080: 3\n"),
              ElementsAre(Pair(Zxid::of(1, 0x80), 1), Pair(Zxid::of(1, 0x100), 2)));
}

TEST(TreeDigests, TheNextOne) {
  EXPECT_EQ(next_digest_after(Zxid::of(4, 0)), Zxid::of(4, 128));
  EXPECT_EQ(next_digest_after(Zxid::of(4, 127)), Zxid::of(4, 128));
  EXPECT_EQ(next_digest_after(Zxid::of(4, 128)), Zxid::of(4, 256));
}

// One that has just come back knows fewer: what all know is compared.
TEST(TreeDigests, ComparedWhereAllToldOne) {
  const auto same = compare_digests({{{1}, {{{128}, 5}, {{256}, 6}, {{384}, 7}}},
                                     {{2}, {{{256}, 6}, {{384}, 7}}},
                                     {{3}, {{{128}, 9}, {{256}, 6}}}});
  EXPECT_EQ(same.compared, 1U);
  EXPECT_EQ(same.newest, Zxid{256});
  EXPECT_EQ(same.first_difference, std::nullopt);
}

TEST(TreeDigests, TheFirstDifferenceIsTold) {
  const auto differing = compare_digests(
      {{{1}, {{{128}, 5}, {{256}, 6}, {{384}, 7}}}, {{2}, {{{128}, 5}, {{256}, 0}, {{384}, 1}}}});
  EXPECT_EQ(differing.compared, 3U);
  EXPECT_EQ(differing.first_difference, Zxid{256});
}

TEST(TreeDigests, NothingInCommonIsNoAgreement) {
  EXPECT_EQ(compare_digests({{{1}, {{{128}, 5}}}, {{2}, {}}}).compared, 0U);
  EXPECT_EQ(compare_digests({}).compared, 0U);
}

}  // namespace
}  // namespace synod::server
