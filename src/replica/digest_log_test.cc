#include "replica/digest_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace synod::replica {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Every server keeps those of the same zxids, whenever it was started.
TEST(DigestLog, KeepsMultiplesOf128) {
  DigestLog log;
  for (std::uint32_t counter = 100; counter <= 260; ++counter)
    log.note(Zxid::of(3, counter), 1000 + counter);
  EXPECT_THAT(log.entries(),
              ElementsAre(DigestAt{Zxid::of(3, 128), 1128}, DigestAt{Zxid::of(3, 256), 1256}));
  log.clear();
  EXPECT_THAT(log.entries(), IsEmpty());
}

TEST(DigestLog, ForgetsTheOldestOf1024) {
  DigestLog log;
  for (std::uint32_t i = 1; i <= 1030; ++i) log.note(Zxid::of(1, i * 128), i);
  ASSERT_EQ(log.entries().size(), 1024U);
  EXPECT_EQ(log.entries().front(), (DigestAt{Zxid::of(1, 7 * 128), 7}));
}

// A sum modulo 2^64, which ZooKeeper keeps in a signed number.
TEST(DigestLog, IsSigned) {
  DigestLog log;
  log.note(Zxid::of(1, 0), ~std::uint64_t{0});
  EXPECT_EQ(log.entries().front().digest, -1);
}

}  // namespace
}  // namespace synod::replica
