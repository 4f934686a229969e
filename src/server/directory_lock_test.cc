#include "server/directory_lock.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>

namespace synod::server {
namespace {

class DirectoryLockTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(data_);
    std::filesystem::create_directories(logs_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  const std::filesystem::path root_ =
      std::filesystem::path(testing::TempDir()) / "synod_directory_lock_test";
  const std::filesystem::path data_ = root_ / "data";
  const std::filesystem::path logs_ = root_ / "logs";
};

TEST_F(DirectoryLockTest, SecondOneIsRefusedWhileTheFirstLives) {
  auto first = DirectoryLock::take({data_, logs_});
  ASSERT_TRUE(first);
  for (const auto& directory : {data_, logs_}) {
    const auto second = DirectoryLock::take({directory});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::kRefused);
    EXPECT_EQ(second.error().text, directory.string() +
                                       ": another Synod is serving this data directory. Stop that "
                                       "one, or choose another dataDir and dataLogDir.");
  }
  *first = DirectoryLock();
  EXPECT_TRUE(DirectoryLock::take({data_, logs_}));
}

TEST_F(DirectoryLockTest, NamedTwiceOrBySeveralNamesIsNoConflict) {
  std::filesystem::create_directory_symlink(data_, root_ / "link");
  EXPECT_TRUE(DirectoryLock::take({data_, data_, root_ / "link", data_ / "../data"}));
}

TEST_F(DirectoryLockTest, MissingDirectoryIsPassedOver) {
  EXPECT_TRUE(DirectoryLock::take({root_ / "missing", data_}));
  EXPECT_FALSE(std::filesystem::exists(root_ / "missing"));
}

}  // namespace
}  // namespace synod::server
