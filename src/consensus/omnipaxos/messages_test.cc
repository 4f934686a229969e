#include "consensus/omnipaxos/messages.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "base/random.h"

namespace synod::consensus::omnipaxos {
namespace {

Entry entry(std::uint32_t epoch, std::uint32_t counter, const std::string& bytes) {
  return {Zxid::of(epoch, counter), std::make_shared<const Bytes>(bytes)};
}

constexpr Zxid kConfiguration{0x30000000005};

Bytes encode(const Message& message) { return omnipaxos::encode(kConfiguration, message); }

// One of each kind, every field with a value of its own.
std::vector<Message> samples() {
  const Ballot ballot = Ballot::of(7, ServerId{3});
  const Ballot other = Ballot::of(0x7fffff, ServerId{254});
  return {
      HeartbeatRequest{11, {other, ballot, false, true, true}},
      HeartbeatReply{12, {ballot, other, true, false, true}},
      HeartbeatReply{13, {other, ballot, false, true, false}},
      PrepareReq{other},
      Prepare{ballot},
      Promise{ballot, 5, other, {Zxid::of(9, 4), Zxid::of(3, 2), Zxid{}}, true, false, true},
      Promise{ballot, 6, {}, {Zxid{}}, false, true, false},
      Fetch{ballot, 8, Zxid::of(3, 2), false},
      Fetch{ballot, 9, {}, true},
      Fetched{ballot, 8, Zxid::of(3, 2), true, {entry(3, 3, "x"), entry(9, 1, "")}},
      AcceptSync{ballot, 5, Zxid::of(3, 2), Zxid::of(9, 4), Zxid::of(3, 1)},
      AcceptDecide{ballot, Zxid::of(9, 4), Zxid::of(9, 3), {entry(9, 5, std::string(300, 'y'))}},
      Decide{ballot, Zxid::of(9, 5)},
      Accepted{ballot, Zxid::of(9, 5)},
      NotAccepted{other},
      Resigned{ballot},
      Confirm{ballot, 77},
      Confirmed{ballot, 78},
      Settled{"server.1=a:1:2:participant\nversion=0", true, false},
      Settled{"", false, true},
      Survey{21, {Zxid::of(9, 4), Zxid{}}},
      Surveyed{22, false, Zxid::of(3, 2), {Zxid::of(9, 4), Zxid::of(3, 7)}},
      Want{23, Zxid::of(3, 2), Zxid::of(3, 7)},
      Segment{24, true, false, {entry(3, 3, "x"), entry(3, 4, "")}},
      Segment{25, false, true, {}},
      WantTree{26, Zxid::of(8, 9)},
  };
}

TEST(OmniPaxosMessages, EveryKindIsReadAsItWasWritten) {
  std::set<std::size_t> kinds;
  for (const Message& message : samples()) {
    const Bytes bytes = encode(message);
    const auto read = decode(bytes);
    ASSERT_TRUE(read) << message.index();
    EXPECT_EQ(read->configuration, kConfiguration);
    EXPECT_EQ(read->message.index(), message.index());
    EXPECT_EQ(encode(read->message), bytes);
    kinds.insert(message.index());
  }
  EXPECT_EQ(kinds.size(), std::variant_size_v<Message>);
}

TEST(OmniPaxosMessages, FieldsArriveWhereTheyBelong) {
  const auto read = decode(encode(samples()[5]));
  ASSERT_TRUE(read && std::holds_alternative<Promise>(read->message));
  EXPECT_EQ(std::get<Promise>(read->message), std::get<Promise>(samples()[5]));
  const auto fetched = decode(encode(samples()[9]));
  ASSERT_TRUE(fetched && std::holds_alternative<Fetched>(fetched->message));
  const auto& entries = std::get<Fetched>(fetched->message).entries;
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].zxid, Zxid::of(3, 3));
  EXPECT_EQ(*entries[0].bytes, "x");
  EXPECT_EQ(*entries[1].bytes, "");
}

TEST(OmniPaxosMessages, TruncatedAtAnyByteTheyAreNone) {
  for (const Message& message : samples()) {
    const Bytes bytes = encode(message);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_FALSE(decode(BytesView(bytes).substr(0, size))) << message.index() << " to " << size;
    EXPECT_FALSE(decode(bytes + '\0')) << message.index();
  }
}

// Whatever is read from damaged bytes can be written again: no length and no count is believed.
TEST(OmniPaxosMessages, DamagedBytesAreNoneOrAMessage) {
  Random random(1);
  int read = 0;
  for (int run = 0; run < 20'000; ++run) {
    const auto all = samples();
    Bytes bytes = encode(all[random.below(all.size())]);
    for (std::uint64_t i = 0; i <= random.below(3); ++i)
      bytes[random.below(bytes.size())] = static_cast<char>(random.next());
    const auto message = decode(bytes);
    if (!message) continue;
    ++read;
    EXPECT_EQ(omnipaxos::encode(message->configuration, message->message), bytes);
  }
  EXPECT_GT(read, 0);
}

TEST(OmniPaxosMessages, WhatCannotBeIsRefused) {
  const Ballot ballot = Ballot::of(1, ServerId{1});
  EXPECT_FALSE(decode(encode(Promise{ballot, 1, {}, {}, false, true, true}))) << "a log ends";
  EXPECT_FALSE(decode(encode(Promise{ballot, 1, {}, {Zxid{1}, Zxid{2}}, false, true, true})))
      << "ends fall";
  EXPECT_FALSE(decode(encode(AcceptDecide{ballot, {}, {}, {entry(1, 2, "a"), entry(1, 2, "b")}})))
      << "zxids rise";
  EXPECT_FALSE(decode(encode(Decide{Ballot{0x80000001}, Zxid{1}}))) << "an epoch is positive";
  EXPECT_FALSE(decode(Bytes(8, 0) + static_cast<char>(std::variant_size_v<Message>))) << "no kind";
  EXPECT_FALSE(decode(
      encode(Promise{ballot, 1, {}, std::vector<Zxid>(kMaxEnds + 1, Zxid{1}), false, true, true})));
}

TEST(OmniPaxosMessages, SnapshotHead) {
  const SnapshotHead head{Ballot::of(2, ServerId{5}), 9, Zxid::of(1, 8), Zxid::of(1, 7)};
  EXPECT_EQ(decode_snapshot_head(omnipaxos::encode(head)), head);
  EXPECT_FALSE(decode_snapshot_head(omnipaxos::encode(head).substr(1)));
  EXPECT_FALSE(decode_snapshot_head(omnipaxos::encode(head) + "x"));
}

TEST(OmniPaxosBallot, RoundFirstThenServer) {
  const Ballot ballot = Ballot::of(7, ServerId{200});
  EXPECT_EQ(ballot.round(), 7U);
  EXPECT_EQ(ballot.server(), ServerId{200});
  EXPECT_LT(ballot, Ballot::of(8, ServerId{1}));
  EXPECT_LT(Ballot::of(7, ServerId{199}), ballot);
  EXPECT_EQ(ballot.next_of(ServerId{1}), Ballot::of(8, ServerId{1}));
  EXPECT_EQ(Ballot{}.server(), ServerId{});
}

}  // namespace
}  // namespace synod::consensus::omnipaxos
