#include "server/membership_host.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/memory_files.h"

namespace synod::server {
namespace {

using consensus::Membership;

class Readers final : public replica::Host {
 public:
  void pause_readers() override { ++paused; }
  void resume_readers() override { --paused; }
  int paused = 0;
};

constexpr std::string_view kThree = "server.1=a:1:2;2181\nserver.2=b:1:2;2181\nserver.3=c:1:2;2181";

class MembershipFiles : public testing::Test {
 protected:
  MembershipFiles() { files_.put("/etc/zoo.cfg", "server.1=a:1:2;2181\n"); }

  // This server is number 2, and starts with these members at that version.
  MembershipHost host(std::int64_t version, std::string_view members = kThree) {
    config_.my_id = {2};
    config_.client_port = 2181;
    config_.ensemble = *Membership::parse(members);
    config_.ensemble->version = version;
    return {readers_, files_, config_, "/etc/zoo.cfg"};
  }
  bool is_written(const std::string& version) {
    const bool is_there = files_.get("/etc/zoo.cfg.dynamic." + version).has_value();
    EXPECT_EQ(is_there, files_.get("/etc/zoo.cfg")->contains("zoo.cfg.dynamic." + version + "\n"));
    return is_there;
  }

  Readers readers_;
  storage::MemoryFiles files_;
  Config config_;
};

TEST_F(MembershipFiles, WhatIsDecidedIsWrittenAndCounts) {
  MembershipHost host = this->host(0);
  QuorumFacts facts;
  host.fill(facts);
  EXPECT_EQ(facts.voters, 3U);
  EXPECT_EQ(facts.version, 0);
  ASSERT_TRUE(
      host.configured(fmt::format("{}\nserver.4=d:1:2;5\nserver.5=e:1:2;5\nversion=1f", kThree)));
  EXPECT_TRUE(is_written("1f"));
  host.fill(facts);
  EXPECT_EQ(facts.voters, 5U);
  EXPECT_EQ(facts.quorum, 3U);
  EXPECT_EQ(facts.tolerated, 2U);
  EXPECT_EQ(facts.version, 0x1f);
}

TEST_F(MembershipFiles, WhoWasRemovedKnowsIt) {
  MembershipHost host = this->host(0x10);
  ASSERT_TRUE(host.configured("server.1=a:1:2;2181\nserver.3=c:1:2;2181\nversion=1f"));
  EXPECT_TRUE(is_written("1f"));
}

TEST_F(MembershipFiles, WhoIsStillJoiningKeepsItsOwnFiles) {
  MembershipHost host = this->host(0);
  ASSERT_TRUE(host.configured("server.1=a:1:2;2181\nserver.3=c:1:2;2181\nversion=10"));
  EXPECT_FALSE(is_written("10"));
  ASSERT_TRUE(host.configured(fmt::format("{}\nversion=1f", kThree)));
  EXPECT_TRUE(is_written("1f")) << "it belongs to them now";
  ASSERT_TRUE(host.configured("server.1=a:1:2;2181\nserver.3=c:1:2;2181\nversion=2f"));
  EXPECT_TRUE(is_written("2f"));
}

TEST_F(MembershipFiles, WhatCannotBeWrittenEndsTheServer) {
  MembershipHost host = this->host(0x10);
  files_.set_fault([](const storage::FileOp&) { return Error{ErrorKind::kIo, "read-only"}; });
  const auto done = host.configured(fmt::format("{}\nserver.4=d:1:2;5\nversion=1f", kThree));
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().text, testing::HasSubstr("start again"));
  EXPECT_FALSE(is_written("1f"));
}

TEST_F(MembershipFiles, ReadersAreItsOwnersBusiness) {
  MembershipHost host = this->host(0);
  host.pause_readers();
  EXPECT_EQ(readers_.paused, 1);
  host.resume_readers();
  EXPECT_EQ(readers_.paused, 0);
}

}  // namespace
}  // namespace synod::server
