// What leaves before it is on disk is complained of, and nothing else is.
#include "sim/native_claims.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage/epoch_files.h"

namespace synod::sim {
namespace {

namespace effect = consensus::effect;
namespace native = consensus::native;
namespace omnipaxos = consensus::omnipaxos;
namespace raft = consensus::raft;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Server 1, as its index is 0, on a link to server 2.
class NativeClaimsTest : public testing::Test {
 protected:
  template <class Kind>
  void watch(native::EngineTag engine) {
    for (std::int64_t id = 1; id <= 3; ++id) membership_.members[{id}] = {};
    ghost_ = std::make_unique<Ghost>(membership_, 3, 1, [](const std::string&) {});
    ghost_->started(0, {.has_memory = true, .now = {}});
    claims_ = std::make_unique<Kind>(Claims::Evidence{
        .ghost = *ghost_,
        .durable_text = [this](std::size_t, const std::string& name) { return disk_[name]; },
        .complain = [this](std::string text) { complaints_.push_back(std::move(text)); }});
    claims_->effect(0, effect::Dial{.link = {1}, .server = {2}, .endpoints = {}});
    send(native::encode(native::Greeting{.engine = engine, .from = {1}, .to = {2}}));
  }
  void send(Bytes bytes) { claims_->effect(0, effect::Send{{1}, std::move(bytes)}); }
  void say(const raft::Message& message) { say_bytes(raft::encode(message)); }
  void say(const omnipaxos::Message& message) { say_bytes(omnipaxos::encode(message)); }
  void say_bytes(const Bytes& message) {
    complaints_.clear();
    send(native::encode_frame(Bytes(1, '\0') + message));
  }
  void has_on_disk(Zxid zxid) {
    const consensus::Entry entry{zxid, std::make_shared<const Bytes>("x")};
    ghost_->proposed(0, entry);
    ghost_->effect(0, effect::Append{entry});
    ghost_->flushed(0, {zxid});
  }

  consensus::Membership membership_;
  std::unique_ptr<Ghost> ghost_;
  std::map<std::string, std::string> disk_;
  std::vector<std::string> complaints_;
  std::unique_ptr<Claims> claims_;
};

TEST_F(NativeClaimsTest, AVoteIsOnDiskForThatVeryCandidate) {
  watch<RaftClaims>(native::EngineTag::kRaft);
  const raft::Message vote = raft::message::Vote{.term = 2, .is_granted = true};
  say(vote);
  EXPECT_THAT(complaints_, Contains(HasSubstr("server 1: G8: Vote before its term 2")));
  disk_[storage::kAcceptedEpochName] = "2";
  say(vote);
  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("before the vote for server 2 is on disk")));
  disk_[storage::kVotedForName] = "2 3";
  say(vote);
  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("before the vote for server 2 is on disk")));
  disk_[storage::kVotedForName] = "2 2";
  say(vote);
  EXPECT_THAT(complaints_, IsEmpty());
  say(raft::Message(raft::message::RequestVote{.term = 2}));
  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("the vote for server 1"))) << "its own";
  say(raft::Message(raft::message::Vote{.term = 9, .is_pre = true, .is_granted = true}));
  EXPECT_THAT(complaints_, IsEmpty()) << "nothing has to be remembered of these";
}

// A vote's epoch counts as promised: it is written first.
TEST_F(NativeClaimsTest, AVoteSaysItsTerm) {
  watch<RaftClaims>(native::EngineTag::kRaft);
  disk_[storage::kVotedForName] = "2 2";
  say(raft::Message(raft::message::Vote{.term = 2, .is_granted = true}));
  EXPECT_THAT(complaints_, IsEmpty());
}

TEST_F(NativeClaimsTest, WhatIsAcknowledgedIsOnDisk) {
  watch<RaftClaims>(native::EngineTag::kRaft);
  disk_[storage::kAcceptedEpochName] = "1";
  const raft::Message appended =
      raft::message::Appended{.term = 1, .match = Zxid::of(1, 1), .has_memory = true};
  say(appended);
  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("Appended of 0x100000001")));
  has_on_disk(Zxid::of(1, 1));
  say(appended);
  EXPECT_THAT(complaints_, IsEmpty());
}

TEST_F(NativeClaimsTest, APromiseAndWhatItTellsOfAreOnDisk) {
  watch<OmniPaxosClaims>(native::EngineTag::kOmniPaxos);
  const auto ballot = omnipaxos::Ballot::of(3, ServerId{2});
  const omnipaxos::Message promise = omnipaxos::Promise{.ballot = ballot, .ends = {Zxid::of(1, 1)}};
  say(promise);
  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("Promise before the promise"),
                                       HasSubstr("Promise of 0x100000001")));
  disk_[storage::kAcceptedEpochName] = std::to_string(ballot.epoch);
  has_on_disk(Zxid::of(1, 1));
  say(promise);
  EXPECT_THAT(complaints_, IsEmpty());
}

TEST_F(NativeClaimsTest, ARoundIsOnDiskBeforeItIsAccepted) {
  watch<OmniPaxosClaims>(native::EngineTag::kOmniPaxos);
  const auto ballot = omnipaxos::Ballot::of(3, ServerId{2});
  disk_[storage::kAcceptedEpochName] = std::to_string(ballot.epoch);
  const omnipaxos::Message accepted = omnipaxos::Accepted{.ballot = ballot, .up_to = {}};
  say(accepted);
  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("Accepted before its round")));
  disk_[storage::kCurrentEpochName] = std::to_string(ballot.epoch);
  say(accepted);
  EXPECT_THAT(complaints_, IsEmpty());
}

}  // namespace
}  // namespace synod::sim
