#include "consensus/zab/sync_plan.h"

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>
#include <vector>

namespace synod::consensus::zab {

void PrintTo(const SyncPlan& plan, std::ostream* out) {
  *out << "way " << static_cast<int>(plan.way) << " from " << std::hex << plan.from.value;
}

namespace {

using Way = SyncPlan::Way;

Entry entry(Zxid zxid) { return {zxid, std::make_shared<const Bytes>("x")}; }

// In memory: behind (1,3), which is on disk only, (1,4) (1,5) (3,1) (3,2); after that (3,3), not
// committed yet.
History some_history() {
  History history(100, 1000);
  history.start({Zxid::of(1, 3)}, {});
  for (const Zxid zxid :
       {Zxid::of(1, 4), Zxid::of(1, 5), Zxid::of(3, 1), Zxid::of(3, 2), Zxid::of(3, 3)})
    history.append(entry(zxid));
  return history;
}
constexpr Zxid kCut = Zxid::of(3, 2);

struct Row {
  const char* why;
  Zxid theirs;
  SyncPlan plan;
};

class SyncPlanOf : public testing::TestWithParam<Row> {};

TEST_P(SyncPlanOf, IsAsZooKeeperWouldDo) {
  EXPECT_EQ(plan_sync(some_history(), kCut, GetParam().theirs), GetParam().plan) << GetParam().why;
}

INSTANTIATE_TEST_SUITE_P(
    Rows, SyncPlanOf,
    testing::Values(
        Row{"in step", kCut, {Way::kDiff, kCut}},
        Row{"has our own proposal: it will come again", Zxid::of(3, 3), {Way::kTrunc, kCut}},
        Row{"ahead in our epoch", Zxid::of(3, 9), {Way::kTrunc, kCut}},
        Row{"ahead in an epoch that came to nothing", Zxid::of(4, 1), {Way::kTrunc, kCut}},
        Row{"at the start of an epoch we do not know", Zxid::of(4, 0), {Way::kSnap, {}}},
        Row{"behind, in memory", Zxid::of(1, 4), {Way::kDiff, Zxid::of(1, 4)}},
        Row{"right before memory", Zxid::of(1, 3), {Way::kDiff, Zxid::of(1, 3)}},
        Row{"at the start of an epoch", Zxid::of(3, 0), {Way::kDiff, Zxid::of(3, 0)}},
        Row{"at the start of an empty one", Zxid::of(2, 0), {Way::kDiff, Zxid::of(2, 0)}},
        Row{"a tail of an old epoch", Zxid::of(1, 8), {Way::kTrunc, Zxid::of(1, 5)}},
        Row{"an epoch we lack", Zxid::of(2, 4), {Way::kSnap, {}}},
        Row{"before memory", Zxid::of(1, 2), {Way::kReadLog, Zxid::of(1, 2)}},
        Row{"empty", Zxid{0}, {Way::kSnap, {}}},
        Row{"without memory", Zxid{-1}, {Way::kSnap, {}}}));

TEST(SyncPlan, EmptyMeetsEmpty) {
  History nothing(100, 1000);
  nothing.start({}, {});
  EXPECT_EQ(plan_sync(nothing, {}, {}), (SyncPlan{Way::kDiff, {}}));
}

TEST(SyncPlan, EmptyMeetsAllOfAHistory) {
  History whole(100, 1000);
  whole.start({}, {});
  whole.append(entry(Zxid::of(1, 1)));
  EXPECT_EQ(plan_sync(whole, Zxid::of(1, 1), {}), (SyncPlan{Way::kDiff, {}}));
}

// ---- history ----------------------------------------------------------------------------------

// What precedes the first of the recent entries is not known.
TEST(History, BeginsBehindItsFirstEntry) {
  History history(100, 1000);
  history.start(Zxid::of(2, 1), {entry(Zxid::of(1, 7)), entry(Zxid::of(2, 1))});
  EXPECT_EQ(history.base(), Zxid::of(1, 7));
  EXPECT_EQ(history.last(), Zxid::of(2, 1));
  EXPECT_EQ(history.floor(Zxid::of(1, 9)), Zxid::of(1, 7));
}

TEST(History, KeepsWhatIsNotToBeForgottenYet) {
  History history(2, 1000);
  history.start({}, {});
  for (std::uint32_t i = 1; i <= 5; ++i) history.append(entry(Zxid::of(1, i)));
  history.trim(Zxid::of(1, 1));
  EXPECT_EQ(history.base(), Zxid::of(1, 1));
  history.trim(Zxid::of(1, 5));
  EXPECT_EQ(history.base(), Zxid::of(1, 3));
}

TEST(History, BytesAreBoundedToo) {
  History history(100, 3);
  history.start({}, {});
  for (std::uint32_t i = 1; i <= 5; ++i) history.append(entry(Zxid::of(1, i)));
  history.trim(Zxid::of(1, 5));
  EXPECT_EQ(history.base(), Zxid::of(1, 2));
}

TEST(History, CutBelowItsBaseLeavesNothing) {
  History history = some_history();
  history.cut(Zxid::of(1, 2));
  EXPECT_EQ(history.base(), Zxid::of(1, 2));
  EXPECT_EQ(history.last(), Zxid::of(1, 2));
  EXPECT_EQ(history.begin(), history.end());
}

}  // namespace
}  // namespace synod::consensus::zab
