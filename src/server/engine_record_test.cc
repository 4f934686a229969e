#include "server/engine_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

#include "server/posix_files.h"

namespace synod::server {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class EngineRecordTest : public testing::Test {
 protected:
  EngineRecordTest() { fs::create_directories(data_ / "version-2"); }
  ~EngineRecordTest() override { fs::remove_all(data_.parent_path()); }

  // Empty, or why not.
  std::string start(const std::string& engine) {
    const auto done = record_engine(data_, logs_, engine);
    return done ? "" : done.error().text;
  }
  static void touch(const fs::path& file) {
    fs::create_directories(file.parent_path());
    std::ofstream(file) << "x";
  }
  std::string recorded() {
    std::ifstream file(data_ / "consensus");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const fs::path data_ =
      fs::path(testing::TempDir()) / ("engine" + std::to_string(getpid())) / "data";
  const fs::path logs_ = data_.parent_path() / "logs";
};

TEST_F(EngineRecordTest, ZabLeavesZooKeepersDirectoriesAlone) {
  EXPECT_EQ(start("zab"), "");
  touch(data_ / "version-2/snapshot.0");
  EXPECT_EQ(start("zab"), "");
  EXPECT_FALSE(fs::exists(data_ / "consensus"));
}

TEST_F(EngineRecordTest, TheFirstStartDecides) {
  EXPECT_EQ(start("raft"), "");
  EXPECT_EQ(recorded(), "raft\n");
  EXPECT_EQ(start("raft"), "");
  EXPECT_EQ(start("omnipaxos"), "") << "nothing was logged yet";
  EXPECT_EQ(recorded(), "omnipaxos\n");
  touch(data_ / "version-2/acceptedEpoch");
  EXPECT_EQ(start("omnipaxos"), "");
  EXPECT_THAT(start("raft"), HasSubstr("belongs to the consensus engine omnipaxos"));
  EXPECT_THAT(start("zab"), HasSubstr("synod convert"));
  EXPECT_EQ(recorded(), "omnipaxos\n");
}

TEST_F(EngineRecordTest, WhatIsThereWithoutARecordIsZabs) {
  touch(logs_ / "version-2/log.1");
  EXPECT_THAT(start("raft"), HasSubstr("belongs to the consensus engine zab"));
  EXPECT_FALSE(fs::exists(data_ / "consensus"));
}

TEST_F(EngineRecordTest, NobodyStartsHalfWay) {
  PosixFiles files([](storage::IoToken /*token*/, Result<void> /*result*/) {});
  const EngineRecord half_way{"zab", "raft", 0x4e0c52f1a9d3b786};
  ASSERT_TRUE(files.perform(write_engine_record(data_.string(), half_way, {1})));
  EXPECT_EQ(*read_engine_record(files, data_.string()), half_way);
  for (const char* engine : {"zab", "raft", "omnipaxos"})
    EXPECT_THAT(start(engine), HasSubstr("a conversion was interrupted")) << "though it is empty";
  EXPECT_FALSE(check_not_converting(data_)) << "nor on its own";
  const EngineRecord whole{"raft", "", 0x4e0c52f1a9d3b786};
  ASSERT_TRUE(files.perform(write_engine_record(data_.string(), whole, {1})));
  EXPECT_TRUE(check_not_converting(data_));
  EXPECT_EQ(recorded(), "raft\nconversion 4e0c52f1a9d3b786\n");
  touch(data_ / "version-2/snapshot.0");
  EXPECT_EQ(start("raft"), "");
  EXPECT_THAT(start("zab"), HasSubstr("empty the directory"));
}

TEST_F(EngineRecordTest, ARecordThatCannotBeReadIsNotGuessed) {
  std::ofstream(data_ / "consensus").close();
  EXPECT_THAT(start("raft"), HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace synod::server
