#include "state/watch_table.h"

#include <gtest/gtest.h>

namespace synod::state {
namespace {

using jute::EventType;
using jute::WatcherType;
using Told = std::vector<std::string>;

struct Ear final : Watcher {
  void notify(EventType type, std::string_view path, Zxid zxid, AclId acl) override {
    constexpr const char* kNames[] = {"", "created ", "deleted ", "data ", "children "};
    told.push_back(kNames[static_cast<int>(type)] + std::string(path));
    zxids.push_back(zxid.value);
    acls.push_back(acl);
  }
  Told take() { return std::exchange(told, {}); }
  Told told;
  std::vector<std::int64_t> zxids;
  std::vector<AclId> acls;
};

Change change(EventType type, std::string_view path) { return {type, path, {9}, {1}, {2}}; }

constexpr WatchMode kModes[] = {WatchMode::kData, WatchMode::kChildren, WatchMode::kPersistent,
                                WatchMode::kRecursive};

struct Row {
  const char* watched;  // the change is at /p/q
  WatchMode mode;
  Told created, data, deleted;
  bool survives_created, survives_data, survives_deleted;
};

// Reference, section 12.2, all modes at the node, its parent, and above.
const Row kMatrix[] = {
    {"/p/q",
     WatchMode::kData,
     {"created /p/q"},
     {"data /p/q"},
     {"deleted /p/q"},
     false,
     false,
     false},
    {"/p/q", WatchMode::kChildren, {}, {}, {"deleted /p/q"}, true, true, false},
    {"/p/q",
     WatchMode::kPersistent,
     {"created /p/q"},
     {"data /p/q"},
     {"deleted /p/q"},
     true,
     true,
     true},
    {"/p/q",
     WatchMode::kRecursive,
     {"created /p/q"},
     {"data /p/q"},
     {"deleted /p/q"},
     true,
     true,
     true},
    {"/p", WatchMode::kData, {}, {}, {}, true, true, true},
    {"/p", WatchMode::kChildren, {"children /p"}, {}, {"children /p"}, false, true, false},
    {"/p", WatchMode::kPersistent, {"children /p"}, {}, {"children /p"}, true, true, true},
    {"/p",
     WatchMode::kRecursive,
     {"created /p/q"},
     {"data /p/q"},
     {"deleted /p/q"},
     true,
     true,
     true},
    {"/", WatchMode::kData, {}, {}, {}, true, true, true},
    {"/", WatchMode::kChildren, {}, {}, {}, true, true, true},
    {"/", WatchMode::kPersistent, {}, {}, {}, true, true, true},
    {"/",
     WatchMode::kRecursive,
     {"created /p/q"},
     {"data /p/q"},
     {"deleted /p/q"},
     true,
     true,
     true},
    {"/p/q/r", WatchMode::kData, {}, {}, {}, true, true, true},
    {"/p/q/r", WatchMode::kRecursive, {}, {}, {}, true, true, true},
    {"/p/qq", WatchMode::kRecursive, {}, {}, {}, true, true, true},
};

TEST(WatchTable, Matrix) {
  for (const Row& row : kMatrix) {
    const auto expect = [&](EventType type, const Told& told, bool survives) {
      WatchTable table;
      Ear ear;
      table.add(row.watched, ear, row.mode);
      table.fire(change(type, "/p/q"));
      EXPECT_EQ(ear.told, told) << row.watched << " mode " << static_cast<int>(row.mode);
      EXPECT_EQ(table.watch_count(), survives ? 1U : 0U)
          << row.watched << " mode " << static_cast<int>(row.mode);
      EXPECT_EQ(table.path_count(), table.watch_count());
      EXPECT_EQ(table.watcher_count(), table.watch_count());
    };
    expect(EventType::kNodeCreated, row.created, row.survives_created);
    expect(EventType::kNodeDataChanged, row.data, row.survives_data);
    expect(EventType::kNodeDeleted, row.deleted, row.survives_deleted);
  }
}

// Whatever modes match, one change is one event; children are told apart from it.
TEST(WatchTable, AllModesTogether) {
  WatchTable table;
  Ear ear;
  for (const WatchMode mode : kModes) {
    for (const char* path : {"/", "/p", "/p/q"}) table.add(path, ear, mode);
  }
  EXPECT_EQ(table.watch_count(), 12U);
  table.fire(change(EventType::kNodeDataChanged, "/p/q"));
  EXPECT_EQ(ear.take(), Told{"data /p/q"});
  table.fire(change(EventType::kNodeDeleted, "/p/q"));
  EXPECT_EQ(ear.take(), (Told{"deleted /p/q", "children /p"}));
  table.fire(change(EventType::kNodeCreated, "/p/q"));
  EXPECT_EQ(ear.take(), (Told{"created /p/q", "children /p"}));
  table.remove_all(ear);
  EXPECT_EQ(table.watch_count() + table.path_count() + table.watcher_count(), 0U);
  table.fire(change(EventType::kNodeDeleted, "/p/q"));
  EXPECT_TRUE(ear.told.empty());
}

TEST(WatchTable, TheRootsOwnData) {
  WatchTable table;
  Ear ear;
  table.add("/", ear, WatchMode::kRecursive);
  table.add("/", ear, WatchMode::kData);
  table.fire(change(EventType::kNodeDataChanged, "/"));
  EXPECT_EQ(ear.take(), Told{"data /"});
  table.fire(change(EventType::kNodeCreated, "/a"));
  EXPECT_EQ(ear.take(), Told{"created /a"});
}

TEST(WatchTable, TellsEveryoneWithTheRightZxidAndList) {
  WatchTable table;
  Ear one;
  Ear two;
  table.add("/p/q", one, WatchMode::kData);
  table.add("/p/q", two, WatchMode::kData);
  table.add("/p", two, WatchMode::kChildren);
  table.fire(change(EventType::kNodeDeleted, "/p/q"));
  EXPECT_EQ(one.told, Told{"deleted /p/q"});
  EXPECT_EQ(two.told, (Told{"deleted /p/q", "children /p"}));
  EXPECT_EQ(two.zxids, (std::vector<std::int64_t>{9, 9}));
  EXPECT_EQ(two.acls, (std::vector<AclId>{{1}, {2}}));
  EXPECT_EQ(table.watch_count(), 0U);
}

TEST(WatchTable, RemovesByKind) {
  const std::pair<WatcherType, WatchMode> kinds[] = {
      {WatcherType::kData, WatchMode::kData},
      {WatcherType::kChildren, WatchMode::kChildren},
      {WatcherType::kPersistent, WatchMode::kPersistent},
      {WatcherType::kPersistentRecursive, WatchMode::kRecursive}};
  for (const auto& [type, mode] : kinds) {
    WatchTable table;
    Ear ear;
    Ear other;
    for (const WatchMode each : kModes) table.add("/a", ear, each);
    table.add("/a", other, mode);
    EXPECT_TRUE(table.contains("/a", ear, type));
    EXPECT_TRUE(table.remove("/a", ear, type));
    EXPECT_FALSE(table.contains("/a", ear, type));
    EXPECT_FALSE(table.remove("/a", ear, type));
    EXPECT_EQ(table.watch_count(), 4U);
    EXPECT_TRUE(table.contains("/a", other, type));
    EXPECT_TRUE(table.remove("/a", ear, WatcherType::kAny));
    EXPECT_EQ(table.watch_count(), 1U);
    EXPECT_FALSE(table.contains("/b", other, WatcherType::kAny));
  }
}

TEST(WatchTable, AddingTwiceIsAddingOnce) {
  WatchTable table;
  Ear ear;
  for (int i = 0; i < 3; ++i) table.add("/a", ear, WatchMode::kData);
  EXPECT_EQ(table.watch_count(), 1U);
  table.fire(change(EventType::kNodeCreated, "/a"));
  EXPECT_EQ(ear.told.size(), 1U);
}

}  // namespace
}  // namespace synod::state
