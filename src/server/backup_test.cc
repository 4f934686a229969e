// Backups of directories on a disk in memory, at rest and while they change.
#include "server/backup.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <stdexcept>

#include "server/engine_record.h"
#include "storage/test_support.h"

namespace synod::server {
namespace {

using storage::DataDirectory;
using storage::kDirectory;
using storage::MemoryFiles;
namespace op = storage::op;
using testing::HasSubstr;

constexpr char kTaken[] = "2026-11-22T01:30:00Z";

Result<Backup> take(storage::FilePort& files, const BackupWork& work = {}) {
  return take_backup(files, kDirectory, {"/out", kTaken, "/data"}, work);
}
std::string refusal(storage::FilePort& files, const BackupWork& work = {}) {
  const auto backup = take(files, work);
  return backup ? "taken" : backup.error().text;
}

void put_fixture(MemoryFiles& files, const std::string& variant,
                 const std::vector<std::string>& names) {
  for (const std::string& name : names)
    files.put("/data/version-2/" + name, storage::fixture(variant, name));
}

std::map<std::string, Bytes> below(const MemoryFiles& files, const std::string& directory) {
  std::map<std::string, Bytes> all;
  for (const std::string& path : files.paths())
    if (path.starts_with(directory + "/")) all[path] = *files.get(path);
  return all;
}

// A snapshot of nothing that reaches `content`, and the log up to `last`.
void put_plain(MemoryFiles& files, std::int64_t snapshot, std::int64_t content, std::int64_t last) {
  files.put(fmt::format("/data/version-2/snapshot.{:x}", snapshot),
            storage::snapshot_bytes(Zxid{content}));
  files.put(fmt::format("/data/version-2/log.{:x}", snapshot + 1),
            storage::log_bytes(snapshot + 1, last));
}

TEST(Backup, HoldsWhatJavasServerHadAndSaysWhat) {
  MemoryFiles files;
  put_fixture(files, "standalone", {"snapshot.0", "log.1", "snapshot.55", "log.56"});
  const auto before = below(files, "/data");
  const auto backup = take(files);
  ASSERT_TRUE(backup) << backup.error().text;
  const BackupManifest& manifest = backup->manifest;
  EXPECT_EQ(manifest.last, Zxid{0x63});
  EXPECT_EQ(manifest.first, Zxid{0x55});
  EXPECT_EQ(static_cast<std::int64_t>(manifest.digest), 124327920820);
  EXPECT_EQ(manifest.sessions, 3U);
  EXPECT_GT(manifest.last_time.value, 0);
  EXPECT_EQ(manifest.engine, "zab");
  EXPECT_EQ(manifest.files.size(), 2U) << "the snapshot, and the log that goes on behind it";
  EXPECT_EQ(below(files, "/data"), before) << "nothing is changed";
  const auto verified = verify_backup(files, "/out", {});
  ASSERT_TRUE(verified) << verified.error().text;
  EXPECT_EQ(verified->manifest, manifest);
}

TEST(Backup, AllOfItGoesBackToTheOldestSnapshot) {
  MemoryFiles files;
  put_fixture(files, "standalone", {"snapshot.0", "log.1", "snapshot.55", "log.56"});
  const auto backup = take(files, {.takes_all = true, .progress = {}, .pause = {}});
  ASSERT_TRUE(backup) << backup.error().text;
  EXPECT_EQ(backup->manifest.first, Zxid{0});
  EXPECT_EQ(backup->manifest.files.size(), 4U);
}

// Preallocated zeros, a record that is being written, a log that was just created.
TEST(Backup, TheLogsEndIsTakenAsFarAsItIsWritten) {
  MemoryFiles files;
  put_plain(files, 4, 4, 9);
  const std::string newest = "/data/version-2/log.5";
  const Bytes whole = *files.get(newest);
  for (const Bytes& end : {whole + Bytes(5000, '\0'), whole + whole.substr(16, 20),
                           whole + whole.substr(16, 20) + Bytes(500, '\0')}) {
    files.put(newest, end);
    const auto backup = take(files);
    ASSERT_TRUE(backup) << backup.error().text;
    EXPECT_EQ(backup->manifest.last, Zxid{9});
    EXPECT_EQ(*files.get("/out/version-2/log.5"), whole);
  }
  files.put("/data/version-2/log.a", {});
  EXPECT_EQ(take(files)->manifest.last, Zxid{9});
}

// What follows it shows that it was not being written.
TEST(Backup, DamageWithinTheLogIsNoEnd) {
  MemoryFiles files;
  put_plain(files, 4, 4, 9);
  ASSERT_TRUE(files.flip("/data/version-2/log.5", 40, 1));
  EXPECT_THAT(refusal(files), HasSubstr("did not hold still"));
  EXPECT_FALSE(files.get("/out/manifest"));
}

TEST(Backup, AFuzzySnapshotWaitsForItsLog) {
  MemoryFiles files;
  put_plain(files, 4, 12, 9);
  EXPECT_THAT(refusal(files), HasSubstr("does not have yet (0xc)"));
  int pauses = 0;
  const auto pause = [&] {
    if (++pauses == 3) files.put("/data/version-2/log.5", storage::log_bytes(5, 13));
  };
  const auto backup = take(files, {.takes_all = false, .progress = {}, .pause = pause});
  ASSERT_TRUE(backup) << backup.error().text;
  EXPECT_EQ(pauses, 3);
  EXPECT_EQ(backup->manifest.first, Zxid{12});
  EXPECT_EQ(backup->manifest.last, Zxid{13});
}

TEST(Backup, ASnapshotThatIsBeingWrittenIsPassedOver) {
  MemoryFiles files;
  put_plain(files, 4, 4, 9);
  Bytes half = storage::snapshot_bytes(Zxid{8});
  half.resize(half.size() / 2);
  files.put("/data/version-2/snapshot.8", half);
  EXPECT_EQ(take(files)->manifest.first, Zxid{4});
}

// The server purges, and goes on: each listed file may be gone when it is read.
TEST(Backup, WhatWasPurgedMeanwhileMakesItBeginAgain) {
  for (int gone_at = 0; gone_at < 12; ++gone_at) {
    MemoryFiles files;
    put_plain(files, 4, 4, 9);
    int reads = 0;
    files.set_read_fault([&](const std::string& path, std::uint64_t, std::size_t) {
      std::optional<Error> fault;
      const bool is_data = path.find("/snapshot.") != path.npos || path.find("/log.") != path.npos;
      if (!is_data || !path.starts_with("/data/") || reads++ != gone_at) return fault;
      put_plain(files, 9, 9, 20);
      for (const char* name : {"snapshot.4", "log.5"}) {
        const auto removed =
            files.perform({op::Remove{.path = std::string("/data/version-2/") + name}});
        if (!removed) throw std::runtime_error(removed.error().text);
      }
      fault = Error{ErrorKind::kNotFound, path};
      return fault;
    });
    const auto backup = take(files);
    ASSERT_TRUE(backup) << backup.error().text;
    const bool is_after = backup->manifest.last == Zxid{20};
    EXPECT_TRUE(is_after || (reads <= gone_at && backup->manifest.last == Zxid{9}))
        << "at read " << gone_at << " of " << reads;
    files.set_read_fault({});
    EXPECT_TRUE(verify_backup(files, "/out", {}));
  }
}

TEST(Backup, WhatIsInstallingATreeIsWaitedFor) {
  MemoryFiles files;
  put_plain(files, 4, 4, 9);
  files.put("/data/version-2/pendingInstall", "x");
  EXPECT_THAT(refusal(files), HasSubstr("installing a tree"));
}

TEST(Backup, WhatIsNoServersDirectoryIsRefused) {
  MemoryFiles files;
  EXPECT_THAT(refusal(files), HasSubstr("a server's dataDir?"));
  files.put("/data/version-2/currentEpoch", "1");
  EXPECT_THAT(refusal(files), HasSubstr("no server has ever run"));
  put_plain(files, 4, 4, 9);
  ASSERT_TRUE(files.perform(
      write_engine_record("/data", {.engine = "zab", .becomes = "raft", .conversion = 1}, {1})));
  EXPECT_THAT(refusal(files), HasSubstr("half way through"));
}

TEST(Backup, TheEngineAndTheHighestEpochAreNoted) {
  MemoryFiles files;
  put_plain(files, 4, 4, 9);
  files.put("/data/version-2/acceptedEpoch", "7");
  files.put("/data/version-2/currentEpoch", "3");
  ASSERT_TRUE(files.perform(write_engine_record("/data", {.engine = "raft"}, {1})));
  const auto backup = take(files);
  ASSERT_TRUE(backup) << backup.error().text;
  EXPECT_EQ(backup->manifest.engine, "raft");
  EXPECT_EQ(backup->manifest.epoch, 7U);
}

TEST(Backup, VerifyFindsEachDamagedByte) {
  MemoryFiles files;
  put_plain(files, 4, 4, 6);
  ASSERT_TRUE(take(files));
  const auto image = files.image();
  for (const auto& [path, content] : below(files, "/out")) {
    for (std::uint64_t at = 0; at < content.size(); at += 7) {
      files.restore(image);
      ASSERT_TRUE(files.flip(path, at, 4));
      EXPECT_FALSE(verify_backup(files, "/out", {})) << path << " at " << at;
    }
    files.restore(image);
    ASSERT_TRUE(files.perform({op::Remove{.path = path}}));
    EXPECT_FALSE(verify_backup(files, "/out", {})) << path << " is gone";
  }
}

}  // namespace
}  // namespace synod::server
