// A learner played by hand, to a leader whose disk is done at once: what Java's followers do that
// ours never would.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "consensus/zab/leader.h"

namespace synod::consensus::zab {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr ServerId kFollower{1};
constexpr LinkId kLink{2};
constexpr Zxid kLast = Zxid::of(1, 5);  // both have it

class LeaderSession : public ::testing::Test {
 protected:
  LeaderSession() {
    options_.self = ServerId{2};
    options_.membership.members[kFollower] = {};
    options_.membership.members[options_.self] = {};
    journal_.emplace(
        Journal::Memory{.entries = options_.commit_log_count, .bytes = options_.commit_log_bytes},
        outbox_);
    shared_.emplace(Shared{options_, outbox_, *journal_, status_, {1000}, -1});
    journal_->start({.last_logged = kLast, .accepted_epoch = 1, .current_epoch = 1},
                    options_.membership);
    status_.role = Role::kLeading;
    leader_.emplace(*shared_);
    leader_->start();
    leader_->accepted(kLink);
  }

  // As far as NEWLEADER.
  void join() {
    const Bytes info = encode_learner_info({.server = kFollower});
    say({.type = PacketType::kFollowerInfo, .zxid = Zxid::of(1, 0), .data = info});
    say({.type = PacketType::kAckEpoch, .zxid = kLast, .data = BytesView("\0\0\0\1", 4)});
    ASSERT_THAT(heard_, ElementsAre("LEADERINFO", "DIFF", "NEWLEADER"));
    heard_.clear();
  }

  void say(const QuorumPacket& packet) {
    leader_->received(kLink, encode_packet(packet));
    leader_->flush();
    for (Effects effects = outbox_.take(); !effects.empty(); effects = outbox_.take()) {
      for (const Effect& effect : effects) carry_out(effect);
      leader_->flush();
    }
  }

  void acknowledge(Zxid zxid) { say({.type = PacketType::kAck, .zxid = zxid}); }

  void carry_out(const Effect& effect) {
    if (const auto* send = std::get_if<effect::Send>(&effect)) {
      reader_.feed(send->bytes);
      for (auto packet = reader_.next(); packet && *packet; packet = reader_.next())
        heard_.emplace_back(name_of((*packet)->type));
    } else if (std::holds_alternative<effect::SaveEpochs>(effect)) {
      journal_->on_epochs_saved();
      leader_->epochs_saved();
    } else if (const auto* close = std::get_if<effect::Close>(&effect)) {
      closed_ = close->reason;
    }
  }

  Options options_;
  Outbox outbox_;
  std::optional<Journal> journal_;
  Status status_;
  std::optional<Shared> shared_;
  std::optional<Leader> leader_;
  PacketReader reader_;
  std::vector<std::string> heard_;
  std::optional<std::string> closed_;
};

TEST_F(LeaderSession, NewLeaderIsAcknowledged) {
  join();
  acknowledge(Zxid::of(2, 0));
  EXPECT_THAT(heard_, ElementsAre("UPTODATE"));
}

// Of 3.8.0, whose log thread answers for the history while the other one answers NEWLEADER.
TEST_F(LeaderSession, AnAckOfHistoryMayOvertakeThatOfNewLeader) {
  join();
  acknowledge(kLast);
  EXPECT_EQ(closed_, std::nullopt);
  EXPECT_THAT(heard_, IsEmpty()) << "it has not accepted the epoch yet";
  acknowledge(Zxid::of(2, 0));
  EXPECT_THAT(heard_, ElementsAre("UPTODATE"));
}

TEST_F(LeaderSession, AnAckOfAnotherEpochIsNone) {
  join();
  acknowledge(Zxid::of(1, 0));
  EXPECT_EQ(closed_, "an ACK of another NEWLEADER");
}

TEST_F(LeaderSession, WhatWasNeverProposedIsNotAcknowledged) {
  join();
  acknowledge(Zxid::of(2, 1));
  EXPECT_TRUE(closed_.has_value());
  EXPECT_THAT(heard_, IsEmpty());
}

}  // namespace
}  // namespace synod::consensus::zab
