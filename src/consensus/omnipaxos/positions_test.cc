#include "consensus/omnipaxos/positions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "base/random.h"

namespace synod::consensus::omnipaxos {
namespace {

using testing::ElementsAre;

Zxid z(std::uint32_t epoch, std::uint32_t counter) { return Zxid::of(epoch, counter); }

History history(const std::vector<Zxid>& log, std::size_t memory = 1000) {
  History made(memory, std::size_t{1} << 20);
  for (const Zxid zxid : log) made.append({zxid, std::make_shared<const Bytes>("x")});
  made.trim(made.last());
  return made;
}

TEST(OmniPaxosPositions, EndsAreTheLastOfEachEpoch) {
  EXPECT_THAT(ends_of(history({})), ElementsAre(Zxid{}));
  EXPECT_THAT(ends_of(history({z(1, 1), z(1, 2), z(4, 1), z(9, 1), z(9, 2), z(9, 3)})),
              ElementsAre(z(9, 3), z(4, 1), z(1, 2), Zxid{}));
}

TEST(OmniPaxosPositions, EndsAreKnownBeyondMemory) {
  const auto log = {z(1, 1), z(1, 2), z(4, 1), z(9, 1), z(9, 2)};
  for (const std::size_t memory : {2U, 1U})
    EXPECT_THAT(ends_of(history(log, memory)), ElementsAre(z(9, 2), z(4, 1), z(1, 2)));
  History read(10, 1000);
  read.start(z(9, 2), {{z(9, 2), std::make_shared<const Bytes>("x")}}, {z(1, 2), z(4, 1)});
  EXPECT_THAT(ends_of(read), ElementsAre(z(9, 2), z(4, 1), z(1, 2)));
  read.cut(z(4, 1));
  EXPECT_THAT(ends_of(read), ElementsAre(z(4, 1), z(1, 2)));
  read.start(z(9, 5), {});
  EXPECT_THAT(ends_of(read), ElementsAre(z(9, 5))) << "a tree came in its place";
}

TEST(OmniPaxosPositions, CommonIsTheSmallerEndOfTheLatestSharedEpoch) {
  const History ours = history({z(1, 1), z(1, 2), z(1, 3), z(4, 1)});
  const auto common = [&](const std::vector<Zxid>& theirs) {
    return find_common(ours, ends_of(history(theirs)))->at;
  };
  EXPECT_EQ(common({z(1, 1), z(1, 2), z(1, 3), z(4, 1)}), z(4, 1));
  EXPECT_EQ(common({z(1, 1)}), z(1, 1));
  EXPECT_EQ(common({z(1, 1), z(1, 2), z(1, 3), z(1, 4), z(1, 5)}), z(1, 3));
  EXPECT_EQ(common({z(1, 1), z(1, 2), z(3, 1), z(7, 1)}), z(1, 2));
  EXPECT_EQ(common({z(3, 1), z(7, 1)}), Zxid{});
  EXPECT_EQ(common({}), Zxid{});
}

TEST(OmniPaxosPositions, BeforeMemoryOnlyItsOwnEpochIsCertain) {
  const History ours = history({z(1, 1), z(2, 1), z(2, 2), z(2, 3), z(2, 4)}, 2);
  ASSERT_EQ(ours.base(), z(2, 2));
  const auto in_epoch = find_common(ours, {z(2, 1), z(1, 1)});
  ASSERT_TRUE(in_epoch);
  EXPECT_EQ(in_epoch->at, z(2, 1));
  EXPECT_TRUE(in_epoch->is_certain);
  const auto before = find_common(ours, {z(1, 5)});
  ASSERT_TRUE(before);
  EXPECT_FALSE(before->is_certain);
  EXPECT_FALSE(find_common(ours, {z(3, 1)}).has_value());
}

// Two logs that grew as leaders made them: what is found is what comparing them finds.
TEST(OmniPaxosPositions, AsComparingTheLogsWouldFind) {
  Random random(7);
  for (int run = 0; run < 2000; ++run) {
    std::vector<std::vector<Zxid>> logs(3);
    for (std::uint32_t epoch = 1; epoch < 8; ++epoch) {
      // A leader goes on from some log; others take over some part of it.
      std::vector<Zxid> log = logs[random.below(3)];
      const auto count = static_cast<std::uint32_t>(random.below(4));
      for (std::uint32_t counter = 1; counter <= count; ++counter) log.push_back(z(epoch, counter));
      for (auto& other : logs)
        if (random.below(2) == 0)
          other.assign(log.begin(),
                       log.begin() + static_cast<std::ptrdiff_t>(random.below(log.size() + 1)));
    }
    const auto parted = std::ranges::mismatch(logs[0], logs[1]).in1;
    const Zxid expected = parted == logs[0].begin() ? Zxid{} : *std::prev(parted);
    const auto found = find_common(history(logs[0]), ends_of(history(logs[1])));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->at, expected) << "run " << run;
    const auto remembered = find_common(history(logs[0], 2), ends_of(history(logs[1], 1)));
    if (remembered && remembered->is_certain) {
      EXPECT_EQ(remembered->at, expected) << "run " << run << ", by what is in memory";
    }
  }
}

}  // namespace
}  // namespace synod::consensus::omnipaxos
