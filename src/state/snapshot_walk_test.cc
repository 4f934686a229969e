#include "state/snapshot_walk.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "state/test_random_txns.h"

namespace synod::state {
namespace {

std::map<std::int64_t, jute::AclList> lists_of(const AclTable& table) {
  const auto entries = table.entries();
  std::map<std::int64_t, jute::AclList> lists(entries.begin(), entries.end());
  lists[kOpenAclOnDisk] = table.list(kOpenAcl);
  return lists;
}

void replay(State& state, RandomTxns& txns, std::int64_t& zxid) {
  const Bytes bytes = txns.next(state, {++zxid});
  const auto txn = jute::decode_txn(bytes);
  ASSERT_TRUE(txn);
  (void)state.apply(*txn);
}

// Whatever happens between the steps, what comes out is the tree as it was at the start: all of it,
// nothing else, parents before children, each path once, and loadable with the lists of that time.
RC_GTEST_PROP(SnapshotWalk, IsThePointInTime, (std::uint64_t seed)) {
  State state{OwnerRules{}};
  RandomTxns txns(seed);
  Random random(seed);
  std::int64_t zxid = 0;
  for (auto warm_up = random.below(150); warm_up > 0; --warm_up) replay(state, txns, zxid);
  for (int round = 0; round < 2; ++round) {
    const SeenTree expected = seen_tree(state.tree());
    const auto lists = lists_of(state.tree().acls());
    const auto sessions = state.sessions();
    const std::uint64_t digest = state.tree().digest();
    const std::uint64_t budget = 1 + random.below(600);
    const std::uint64_t pace = random.below(12);
    SeenTree found;
    Loader loader{OwnerRules{}};
    for (const auto& [id, timeout_ms] : sessions) loader.session(id, timeout_ms);
    for (const auto& [id, list] : lists) loader.acl(id, list);
    {
      SnapshotWalk walk(state.tree());
      const auto visit = [&](std::string_view path, NullableView data, std::int64_t acl_id,
                             const jute::StatPersisted& stat) {
        RC_ASSERT(lists.contains(acl_id));
        RC_ASSERT(found.emplace(path, seen(data, lists.at(acl_id), stat)).second);
        RC_ASSERT(loader.node(path, data, acl_id, stat));
      };
      while (!walk.step(budget, visit)) {
        for (auto changes = random.below(pace + 1); changes > 0; --changes)
          replay(state, txns, zxid);
      }
    }
    RC_ASSERT(found == expected);
    loader.finish_snapshot({zxid});
    RC_ASSERT(seen_tree(loader.state().tree()) == expected);
    RC_ASSERT(loader.state().tree().digest() == digest);
  }
}

TEST(SnapshotWalk, AWalkGivenUpLeavesNoTrace) {
  State state{OwnerRules{}};
  RandomTxns txns(1);
  std::int64_t zxid = 0;
  for (int i = 0; i < 100; ++i) replay(state, txns, zxid);
  {
    SnapshotWalk walk(state.tree());
    (void)walk.step(1, [](auto&&...) {});
    for (int i = 0; i < 100; ++i) replay(state, txns, zxid);
  }
  for (int i = 0; i < 100; ++i) replay(state, txns, zxid);
  std::size_t count = 0;
  SnapshotWalk walk(state.tree());
  while (!walk.step(1000, [&](auto&&...) { ++count; })) {
  }
  EXPECT_EQ(count, state.tree().node_count());
}

}  // namespace
}  // namespace synod::state
