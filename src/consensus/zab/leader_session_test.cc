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
#include "consensus/zab/test_player.h"

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
    end_.status.role = Role::kLeading;
    leader_.start();
    leader_.accepted(kLink);
  }

  // As far as NEWLEADER.
  void join() {
    const Bytes info = encode_learner_info({.server = kFollower});
    say({.type = PacketType::kFollowerInfo, .zxid = Zxid::of(1, 0), .data = info});
    say({.type = PacketType::kAckEpoch, .zxid = kLast, .data = BytesView("\0\0\0\1", 4)});
    ASSERT_THAT(end_.heard[kLink], ElementsAre("LEADERINFO", "DIFF", "NEWLEADER"));
    end_.heard[kLink].clear();
  }

  void say(const QuorumPacket& packet) {
    leader_.received(kLink, encode_packet(packet));
    leader_.flush();
    for (Effects effects = end_.outbox.take(); !effects.empty(); effects = end_.outbox.take()) {
      for (const Effect& effect : effects) carry_out(effect);
      leader_.flush();
    }
  }

  void acknowledge(Zxid zxid) { say({.type = PacketType::kAck, .zxid = zxid}); }

  void carry_out(const Effect& effect) {
    end_.hear(effect);
    if (!std::holds_alternative<effect::SaveEpochs>(effect)) return;
    end_.journal->on_epochs_saved();
    leader_.epochs_saved();
  }

  TestEnd end_{ServerId{2}, kFollower, /*is_observer=*/false, kLast};
  Leader leader_{*end_.shared};
};

TEST_F(LeaderSession, NewLeaderIsAcknowledged) {
  join();
  acknowledge(Zxid::of(2, 0));
  EXPECT_THAT(end_.heard[kLink], ElementsAre("UPTODATE"));
}

// Of 3.8.0, whose log thread answers for the history while the other one answers NEWLEADER.
TEST_F(LeaderSession, AnAckOfHistoryMayOvertakeThatOfNewLeader) {
  join();
  acknowledge(kLast);
  EXPECT_THAT(end_.closed, IsEmpty());
  EXPECT_THAT(end_.heard[kLink], IsEmpty()) << "it has not accepted the epoch yet";
  acknowledge(Zxid::of(2, 0));
  EXPECT_THAT(end_.heard[kLink], ElementsAre("UPTODATE"));
}

TEST_F(LeaderSession, AnAckOfAnotherEpochIsNone) {
  join();
  acknowledge(Zxid::of(1, 0));
  EXPECT_EQ(end_.closed[kLink], "an ACK of another NEWLEADER");
}

TEST_F(LeaderSession, WhatWasNeverProposedIsNotAcknowledged) {
  join();
  acknowledge(Zxid::of(2, 1));
  EXPECT_TRUE(end_.closed.contains(kLink));
  EXPECT_THAT(end_.heard[kLink], IsEmpty());
}

}  // namespace
}  // namespace synod::consensus::zab
