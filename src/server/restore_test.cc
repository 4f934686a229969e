// Backups put back, on real files: what is copied gets its name by a rename of a directory.
#include "server/restore.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "server/engine_record.h"
#include "server/posix_files.h"
#include "storage/test_support.h"

namespace synod::server {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RestoreTest : public testing::Test {
 protected:
  // Java's directory, with all that it had.
  RestoreTest() {
    fs::create_directories(folder_ / "source");
    fs::copy(storage::fixtures() + "/zookeeper-3.8-datadir/standalone/version-2",
             folder_ / "source/version-2", fs::copy_options::recursive);
    const std::string source = (folder_ / "source").string();
    const auto taken = take_backup(files_, {source, source}, {backup_, "now", source},
                                   {.takes_all = true, .progress = {}, .pause = {}});
    if (!taken) throw std::runtime_error(taken.error().text);
    manifest_ = taken->manifest;
  }
  ~RestoreTest() override { fs::remove_all(folder_); }

  Result<Restored> restore(const RestoreWish& wish = {}) {
    return restore_backup(files_, backup_, {data_, logs_}, wish, {});
  }
  std::string refusal(const RestoreWish& wish = {}) {
    const auto restored = restore(wish);
    return restored ? "restored" : restored.error().text;
  }
  static std::string text_of(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void empty() {
    fs::remove_all(data_);
    fs::remove_all(logs_);
  }

  const fs::path folder_ = fs::path(testing::TempDir()) / fmt::format("restore{}", getpid());
  const std::string backup_ = (folder_ / "backup").string();
  const std::string data_ = (folder_ / "data").string();
  std::string logs_ = data_;
  PosixFiles files_{[](storage::IoToken /*token*/, Result<void> /*result*/) {}};
  BackupManifest manifest_;
};

TEST_F(RestoreTest, AllOfIt) {
  for (const std::string& logs : {data_, (folder_ / "logs").string()}) {
    logs_ = logs;
    const auto restored = restore();
    ASSERT_TRUE(restored) << restored.error().text;
    EXPECT_EQ(restored->tree.last, manifest_.last);
    EXPECT_EQ(restored->tree.digest, manifest_.digest);
    EXPECT_TRUE(fs::exists(logs_ + "/version-2/log.1"));
    EXPECT_FALSE(fs::exists(data_ + "/restoring"));
    EXPECT_FALSE(fs::exists(logs_ + "/restoring"));
    EXPECT_THAT(refusal(), HasSubstr("is not empty"));
    empty();
  }
}

// The digests that Java's server logged after each.
TEST_F(RestoreTest, UntilAnyTransaction) {
  for (const auto& [until, digest] :
       {std::pair{0x23, 56591442897}, {0x42, 91548821553}, {0x51, 106315037526}}) {
    const auto restored = restore({.until = Zxid{until}, .raises_epoch = false});
    ASSERT_TRUE(restored) << restored.error().text;
    EXPECT_EQ(restored->tree.last, Zxid{until});
    EXPECT_EQ(static_cast<std::int64_t>(restored->tree.digest), digest);
    empty();
  }
  for (std::int64_t until = 0; until <= 0x63; ++until) {
    const auto restored = restore({.until = Zxid{until}, .raises_epoch = false});
    ASSERT_TRUE(restored) << restored.error().text;
    EXPECT_EQ(restored->tree.last, Zxid{until});
    empty();
  }
  EXPECT_THAT(refusal({.until = Zxid{0x64}, .raises_epoch = false}),
              HasSubstr("from zxid 0x0 to 0x63, and not 0x64"));
}

TEST_F(RestoreTest, EpochsAreThoseOfTheEndOrAboveAll) {
  ASSERT_TRUE(restore());
  EXPECT_EQ(text_of(data_ + "/version-2/currentEpoch"), "0");
  empty();
  const auto raised = restore({.until = {}, .raises_epoch = true});
  ASSERT_TRUE(raised);
  EXPECT_EQ(raised->epoch, 0x10000U);
  EXPECT_EQ(text_of(data_ + "/version-2/currentEpoch"), "65536");
  EXPECT_EQ(text_of(data_ + "/version-2/acceptedEpoch"), "65536");
}

TEST_F(RestoreTest, WhatIsThereIsNeverTouched) {
  fs::create_directories(data_ + "/version-2");
  std::ofstream(data_ + "/myid") << "1";
  ASSERT_TRUE(restore()) << "an empty folder and myid are no data";
  empty();
  fs::create_directories(data_ + "/version-2");
  std::ofstream(data_ + "/version-2/anything") << "x";
  EXPECT_THAT(refusal(), HasSubstr("anything: it is not empty"));
  EXPECT_EQ(text_of(data_ + "/version-2/anything"), "x");
}

TEST_F(RestoreTest, ALookSaysWhatWouldBeThereAndLeavesWhatIs) {
  const RestoreWish look{.until = Zxid{manifest_.last.value - 1}, .only_looks = true};
  const auto nothing_yet = restore(look);
  ASSERT_TRUE(nothing_yet) << nothing_yet.error().text;
  EXPECT_EQ(nothing_yet->tree.last, *look.until);
  EXPECT_EQ(nothing_yet->backup_last, manifest_.last);
  EXPECT_FALSE(nothing_yet->before);
  EXPECT_FALSE(fs::exists(data_ + "/version-2"));
  EXPECT_FALSE(fs::exists(data_ + "/restoring"));
  ASSERT_TRUE(restore());
  const auto over_it = restore(look);
  ASSERT_TRUE(over_it) << over_it.error().text;
  ASSERT_TRUE(over_it->before);
  EXPECT_EQ(over_it->before->digest, manifest_.digest);
  EXPECT_EQ(over_it->tree.digest, nothing_yet->tree.digest);
  EXPECT_FALSE(fs::exists(data_ + "/restoring"));
  EXPECT_THAT(refusal(), HasSubstr("is not empty"));
}

TEST_F(RestoreTest, WhatAnInterruptedOneLeftIsNoData) {
  fs::create_directories(data_ + "/restoring/version-2");
  std::ofstream(data_ + "/restoring/version-2/log.9999") << "half";
  ASSERT_TRUE(restore());
  EXPECT_FALSE(fs::exists(data_ + "/version-2/log.9999"));
}

TEST_F(RestoreTest, ADamagedBackupLeavesNothing) {
  {
    std::fstream log(backup_ + "/version-2/log.1", std::ios::in | std::ios::out);
    log.seekp(100);
    log.put('!');
  }
  EXPECT_THAT(refusal(), HasSubstr("log.1 has another checksum"));
  EXPECT_FALSE(fs::exists(data_ + "/version-2"));
  fs::remove(backup_ + "/manifest");
  EXPECT_THAT(refusal(), HasSubstr("not finished"));
}

TEST_F(RestoreTest, TheDirectoryBelongsToTheEngineOfTheBackup) {
  const std::string source = (folder_ / "source").string();
  ASSERT_TRUE(files_.perform(write_engine_record(source, {.engine = "raft"}, {1})));
  fs::remove_all(backup_);
  ASSERT_TRUE(take_backup(files_, {source, source}, {backup_, "now", source}, {}));
  ASSERT_TRUE(restore());
  EXPECT_EQ(text_of(data_ + "/consensus"), "raft\n");
}

}  // namespace
}  // namespace synod::server
