#include "storage/purge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/test_support.h"

namespace synod::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

PurgeInput input(std::initializer_list<std::int64_t> snapshots,
                 std::initializer_list<std::int64_t> logs) {
  PurgeInput input;
  for (const std::int64_t zxid : snapshots) {
    input.snapshots.push_back(
        {.name = snapshot_name({zxid}, Compression::kNone), .zxid = {zxid}, .size = 100});
  }
  for (const std::int64_t zxid : logs) {
    input.logs.push_back({.name = log_name({zxid}), .first_zxid = {zxid}, .size = 10});
  }
  return input;
}

std::vector<std::string> removed(const PurgeInput& from, const PurgePolicy& policy = {}) {
  std::vector<std::string> names;
  for (const FileOp& op : plan_purge(kDirectory, from, policy)) {
    const std::string& path = std::get<op::Remove>(op).path;
    names.push_back(path.substr(path.rfind('/') + 1));
  }
  return names;
}

TEST(Purge, KeepsTheNewestSnapshotsAndTheirLogs) {
  EXPECT_THAT(removed(input({}, {1, 2})), IsEmpty());
  EXPECT_THAT(removed(input({0, 2, 4}, {1, 3, 5})), IsEmpty());
  EXPECT_THAT(removed(input({0, 2, 4, 6}, {1, 3, 5, 7})), ElementsAre("snapshot.0"));
  EXPECT_THAT(removed(input({0, 2, 4, 6, 8}, {1, 3, 5, 7, 9})),
              ElementsAre("snapshot.0", "snapshot.2", "log.1"));
}

// The log with the largest name not above the oldest kept snapshot may hold records it needs.
TEST(Purge, KeepsTheLogThatReachesBehindTheOldestSnapshot) {
  EXPECT_THAT(removed(input({9, 20, 30, 40}, {1, 15, 20, 25})),
              ElementsAre("snapshot.9", "log.1", "log.f"));
  EXPECT_THAT(removed(input({9, 20, 30, 40}, {1, 15, 25})), ElementsAre("snapshot.9", "log.1"));
}

TEST(Purge, BySizeKeepsAtLeastTwo) {
  const PurgeInput four = input({2, 4, 6, 8}, {1, 3, 5, 7, 9});
  EXPECT_THAT(removed(four, {.snapshots_kept = 4}), IsEmpty());
  EXPECT_THAT(removed(four, {.snapshots_kept = 4, .size_limit_bytes = 350}),
              ElementsAre("snapshot.2", "log.1"));
  EXPECT_THAT(removed(four, {.snapshots_kept = 4, .size_limit_bytes = 1}),
              ElementsAre("snapshot.2", "snapshot.4", "log.1", "log.3"));
}

TEST(Purge, DamagedSnapshotsAreNotKeptOnes) {
  MemoryFiles files;
  for (const char* name : {"snapshot.1", "snapshot.2", "snapshot.3"}) {
    files.put(std::string("/data/version-2/") + name, fixture("snapshot-39-layout", "snapshot.0"));
  }
  files.put("/data/version-2/snapshot.0", "half");
  files.put("/data/version-2/snapshot.4", "half");
  EXPECT_THAT(removed(*survey(files, kDirectory)), ElementsAre("snapshot.0"));
}

}  // namespace
}  // namespace synod::storage
