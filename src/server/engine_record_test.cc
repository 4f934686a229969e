#include "server/engine_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

namespace synod::server {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class EngineRecord : public testing::Test {
 protected:
  EngineRecord() { fs::create_directories(data_ / "version-2"); }
  ~EngineRecord() override { fs::remove_all(data_.parent_path()); }

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

TEST_F(EngineRecord, ZabLeavesZooKeepersDirectoriesAlone) {
  EXPECT_EQ(start("zab"), "");
  touch(data_ / "version-2/snapshot.0");
  EXPECT_EQ(start("zab"), "");
  EXPECT_FALSE(fs::exists(data_ / "consensus"));
}

TEST_F(EngineRecord, TheFirstStartDecides) {
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

TEST_F(EngineRecord, WhatIsThereWithoutARecordIsZabs) {
  touch(logs_ / "version-2/log.1");
  EXPECT_THAT(start("raft"), HasSubstr("belongs to the consensus engine zab"));
  EXPECT_FALSE(fs::exists(data_ / "consensus"));
}

TEST_F(EngineRecord, ARecordThatCannotBeReadIsNotGuessed) {
  std::ofstream(data_ / "consensus").close();
  EXPECT_THAT(start("raft"), HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace synod::server
