#include "state/digest.h"

#include <gtest/gtest.h>

#include "state/state.h"

namespace synod::state {
namespace {

// Reference, storage section 6.
TEST(Digest, OfTheEmptyTree) {
  const jute::StatPersisted fresh{.czxid = {}, .mzxid = {}, .pzxid = {}};
  EXPECT_EQ(node_digest("", digest_prefix("", ""), fresh), 68323592U);
  EXPECT_EQ(node_digest("/zookeeper", digest_prefix("/zookeeper", ""), fresh), 1303661912U);
  EXPECT_EQ(node_digest("/zookeeper/quota", digest_prefix("/zookeeper/quota", ""), fresh), 0U);
  EXPECT_EQ(State({}).tree().digest(), 1371985504U);
}

TEST(Digest, NullAndEmptyDataAreAlike) {
  EXPECT_EQ(digest_prefix("/a", std::nullopt), digest_prefix("/a", ""));
  EXPECT_NE(digest_prefix("/a", "b"), digest_prefix("/a", ""));
  EXPECT_EQ(digest_prefix("/a", "b"), digest_prefix("/ab", ""));  // one checksum over both
}

}  // namespace
}  // namespace synod::state
