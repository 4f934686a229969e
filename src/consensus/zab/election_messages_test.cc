#include "consensus/zab/election_messages.h"

#include <gtest/gtest.h>

#include "consensus/membership.h"
#include "consensus/zab/test_wire.h"
#include "jute/codec.h"

namespace synod::consensus::zab {
namespace {

using test::json::object;

Notification sample() {
  return {.state = Role::kFollowing,
          .vote = {.leader = {3}, .zxid = {0x100000007}, .round = 5, .peer_epoch = 2},
          .config = "version=0"};
}

std::int32_t wire_state(BytesView payload) {
  return jute::load_big_endian<std::int32_t>(payload.data());
}

TEST(Notification, EveryCapturedOneIsReadAndWrittenTheSame) {
  for (const object& entry : test::wire_entries("elec-notif")) {
    SCOPED_TRACE(test::text(entry, "file"));
    const Bytes frame = test::wire_file(test::text(entry, "file"));
    const BytesView payload = BytesView(frame).substr(4);
    const auto notification = decode_notification(payload);
    ASSERT_TRUE(notification);
    const object& decoded = entry.at("decoded").as_object();
    EXPECT_EQ(wire_state(payload), test::number(decoded.at("state")));
    EXPECT_EQ(notification->vote.leader.value, test::number(decoded.at("leader")));
    EXPECT_EQ(notification->vote.zxid.value, test::number(decoded.at("zxid")));
    EXPECT_EQ(notification->vote.round, test::number(decoded.at("electionEpoch")));
    EXPECT_EQ(notification->vote.peer_epoch, test::number(decoded.at("peerEpoch")));
    EXPECT_EQ(notification->config, test::text(decoded, "config"));
    EXPECT_EQ(framed(encode_notification(*notification)), frame);
    EXPECT_TRUE(Membership::parse(notification->config)) << notification->config;
  }
}

TEST(Notification, RolesHaveZooKeepersNumbers) {
  const std::vector<std::pair<Role, int>> states{
      {Role::kLooking, 0}, {Role::kFollowing, 1}, {Role::kLeading, 2}, {Role::kObserving, 3}};
  for (const auto& [role, state] : states) {
    const Bytes payload = encode_notification({.state = role, .vote = {}, .config = ""});
    EXPECT_EQ(wire_state(payload), state);
    EXPECT_EQ(decode_notification(payload)->state, role);
  }
}

// 3.3 sent no peer epoch, later versions no config; versions to come may append.
TEST(Notification, OldAndNewSizesAreUnderstood) {
  const Bytes payload = encode_notification(sample());
  const auto oldest = decode_notification(payload.substr(0, 28));
  ASSERT_TRUE(oldest);
  EXPECT_EQ(oldest->vote.peer_epoch, 1) << "of the zxid";
  const auto unversioned = decode_notification(payload.substr(0, 40));
  ASSERT_TRUE(unversioned);
  EXPECT_EQ(unversioned->vote, sample().vote);
  EXPECT_EQ(unversioned->version, 0);
  Bytes newer = payload + "more";
  newer[39] = 3;
  const auto extended = decode_notification(newer);
  ASSERT_TRUE(extended);
  EXPECT_EQ(extended->config, "version=0");
  EXPECT_EQ(extended->version, 3);
}

TEST(Notification, OtherSizesAndStatesAreIgnored) {
  Bytes payload = encode_notification(sample());
  for (const std::size_t size : {0, 1, 27, 29, 36, 39, 41, 42, 43, 45}) {
    EXPECT_FALSE(decode_notification(BytesView(payload).substr(0, size))) << size;
  }
  for (const char state : {'\x04', '\x7f', '\xff'}) {
    payload[3] = state;
    EXPECT_FALSE(decode_notification(payload));
  }
  payload = encode_notification(sample());
  payload[40] = '\xff';  // the config's length
  EXPECT_FALSE(decode_notification(payload));
}

TEST(Vote, TheOrderIsEpochThenZxidThenServer) {
  const Vote vote{.leader = {2}, .zxid = {5}, .round = 9, .peer_epoch = 1};
  EXPECT_FALSE(is_better(vote, vote));
  EXPECT_TRUE(is_better({.leader = {1}, .zxid = {0}, .round = 0, .peer_epoch = 2}, vote));
  EXPECT_TRUE(is_better({.leader = {1}, .zxid = {6}, .round = 0, .peer_epoch = 1}, vote));
  EXPECT_TRUE(is_better({.leader = {3}, .zxid = {5}, .round = 0, .peer_epoch = 1}, vote));
  EXPECT_FALSE(is_better({.leader = {3}, .zxid = {4}, .round = 10, .peer_epoch = 1}, vote));
}

// ---- the initial message ------------------------------------------------------------------------

TEST(InitialMessage, CapturedOnesAreReadAndWrittenTheSame) {
  const std::vector<std::pair<std::string, std::vector<Endpoint>>> files{
      {"elec-initial-v1.bin", {{"127.0.1.3", 41300}}},
      {"elec-initial-v2.bin", {{"127.0.1.2", 41300}, {"127.0.2.2", 41300}}}};
  for (const auto& [file, addresses] : files) {
    const Bytes bytes = test::wire_file(file);
    const auto found = find_initial_message(bytes + "rest");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->size, bytes.size());
    EXPECT_EQ(found->message.addresses, addresses);
    EXPECT_EQ(encode_initial_message(found->message.server, addresses), bytes);
  }
}

TEST(InitialMessage, IsWaitedForWhileIncomplete) {
  const Bytes bytes = encode_initial_message({7}, {{"::1", 3888}});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto found = find_initial_message(BytesView(bytes).substr(0, size));
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error(), InitialMessageProblem::kIncomplete);
  }
  const auto whole = find_initial_message(bytes);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->message.server, ServerId{7});
  EXPECT_EQ(whole->message.addresses, (std::vector<Endpoint>{{"::1", 3888}}));
}

Bytes introduction(std::int64_t version, std::int32_t length, BytesView addresses) {
  Bytes out;
  jute::Writer writer(out);
  writer.i64(version);
  writer.i64(4);
  writer.i32(length);
  return out + Bytes(addresses);
}

TEST(InitialMessage, TheAncientFormIsANumber) {
  const auto found = find_initial_message(introduction(3, 0, "").substr(0, 8));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->message.server, ServerId{3});
  EXPECT_TRUE(found->message.addresses.empty());
}

TEST(InitialMessage, AddressesThatNobodyCanDialAreLeftOut) {
  const auto found = find_initial_message(
      introduction(-65535, 52, "0.0.0.0:3888|[::]:3888|h:3888|[0:0:0:0:0:0:0:0]:3888"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->message.addresses, (std::vector<Endpoint>{{"h", 3888}}));
}

TEST(InitialMessage, NonsenseIsMalformed) {
  for (const Bytes& bytes :
       {introduction(-65534, 3, "h:1"), introduction(-1, 3, "h:1"), introduction(-65536, 0, ""),
        introduction(-65536, -1, ""), introduction(-65536, 2049, ""), introduction(-65536, 1, "h"),
        introduction(-65536, 2, ":1"), introduction(-65536, 2, "h:"),
        introduction(-65536, 7, "h:65536"), introduction(-65536, 4, "h:1|")}) {
    const auto found = find_initial_message(bytes);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error(), InitialMessageProblem::kMalformed);
  }
}

}  // namespace
}  // namespace synod::consensus::zab
