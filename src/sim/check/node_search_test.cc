// The search says so when it gives up, and soon finds what is easy among much that is in doubt.
#include "sim/check/node_search.h"

#include <gtest/gtest.h>

#include <deque>

namespace synod::sim::check {
namespace {

// A node that is there, and `count` compare-and-sets in doubt, each with another version expected.
class Doubts {
 public:
  explicit Doubts(std::int32_t count) {
    add_to_chain(Touch::Act::kCreate, {.value = "made"}, 1);
    for (std::int32_t i = 0; i < count; ++i) {
      actions_.push_back({.value = std::to_string(i), .version = i % 7});
      history.floating.push_back(
          {.touches = {{Touch::Act::kSetData, &actions_.back(), {}}}, .after = Zxid{1}});
    }
  }

  // Two changes in one: no two of these look alike to the search.
  void add_multi() {
    actions_.push_back({.value = "part"});
    const Touch part{Touch::Act::kSetData, &actions_.back(), {}};
    history.floating.push_back({.touches = {part, part}, .after = Zxid{1}});
  }

  void expect_version(std::int32_t version) {
    Action read;
    read.stat.emplace().version = version;
    add_to_chain(Touch::Act::kExpectAsRead, read, 9);
  }

  NodeHistory history;

 private:
  void add_to_chain(Touch::Act act, const Action& action, std::int64_t zxid) {
    actions_.push_back(action);
    history.chain.push_back({.zxid = {zxid}, .touches = {{act, &actions_.back(), {}}}});
  }

  std::deque<Action> actions_;
};

TEST(NodeSearch, PlacesWhatIsInDoubt) {
  Doubts doubts(40);
  doubts.expect_version(7);
  EXPECT_EQ(search(doubts.history, 10'000).kind, SearchResult::Kind::kExplained);
}

TEST(NodeSearch, KnowsAContradictionWhenAllWasTried) {
  Doubts doubts(8);
  doubts.expect_version(9);
  const SearchResult result = search(doubts.history, 1'000'000);
  EXPECT_EQ(result.kind, SearchResult::Kind::kContradiction);
  EXPECT_EQ(result.chain_at, 1U);
  EXPECT_EQ(result.before.value, "made");
}

TEST(NodeSearch, GivesUpRatherThanLie) {
  Doubts doubts(0);
  for (int i = 0; i < 30; ++i) doubts.add_multi();
  doubts.expect_version(31);
  const SearchResult result = search(doubts.history, 1000);
  EXPECT_EQ(result.kind, SearchResult::Kind::kGaveUp);
}

}  // namespace
}  // namespace synod::sim::check
