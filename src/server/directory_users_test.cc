#include "server/directory_users.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace synod::server {
namespace {

namespace fs = std::filesystem;

TEST(DirectoryUsers, WhoHasAFileOpenIsSeen) {
  const fs::path directory =
      fs::path(testing::TempDir()) / ("users" + std::to_string(getpid())) / "data";
  fs::create_directories(directory / "version-2");
  EXPECT_EQ(process_using(directory), std::nullopt);
  {
    const std::ofstream beside(directory.string() + "-2");
    EXPECT_EQ(process_using(directory), std::nullopt);
    const std::ofstream log(directory / "version-2/log.1");
    EXPECT_EQ(process_using(directory), getpid());
    fs::create_directory_symlink(directory, directory.parent_path() / "link");
    EXPECT_EQ(process_using(directory.parent_path() / "link"), getpid());
  }
  EXPECT_EQ(process_using(directory), std::nullopt);
  EXPECT_EQ(process_using(directory / "nowhere"), std::nullopt);
  fs::remove_all(directory.parent_path());
}

}  // namespace
}  // namespace synod::server
