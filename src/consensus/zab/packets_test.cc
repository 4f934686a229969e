#include "consensus/zab/packets.h"

#include <gtest/gtest.h>

#include <boost/json/src.hpp>

#include "base/random.h"
#include "consensus/zab/test_wire.h"
#include "jute/codec.h"

namespace synod::consensus::zab {
namespace {

using test::json::object;

// The one packet there is, as bytes again.
Bytes round_trip(BytesView bytes) {
  PacketReader reader;
  reader.feed(bytes);
  const auto packet = reader.next();
  if (!packet || !*packet) return "not a packet";
  return encode_packet(**packet) + reader.take_rest();
}

TEST(Packets, EveryCapturedOneIsReadAndWrittenTheSame) {
  for (const object& entry : test::wire_entries("q-")) {
    if (test::text(entry, "kind") == "SNAPSHOT") continue;  // a tree
    SCOPED_TRACE(test::text(entry, "file"));
    const Bytes bytes = test::wire_file(test::text(entry, "file"));
    EXPECT_EQ(round_trip(bytes), bytes);
    PacketReader reader;
    reader.feed(bytes);
    const QuorumPacket packet = **reader.next();
    const object& decoded = entry.at("decoded").as_object();
    EXPECT_EQ(name_of(packet.type), test::text(decoded, "typeName"));
    EXPECT_EQ(static_cast<std::int64_t>(packet.type), test::number(decoded.at("type")));
    EXPECT_EQ(packet.zxid.value, test::number(decoded.at("zxid")));
    const std::int64_t length = packet.data ? static_cast<std::int64_t>(packet.data->size()) : -1;
    EXPECT_EQ(length, test::number(decoded.at("dataLength")));
    EXPECT_EQ(packet.authinfo == kNoAuthinfo, decoded.at("authinfo").is_null());
  }
}

TEST(Packets, LearnerInfoIsReadAndWrittenTheSame) {
  int count = 0;
  for (const char* prefix : {"q-followerinfo", "q-observerinfo"}) {
    for (const object& entry : test::wire_entries(prefix)) {
      const Bytes bytes = test::wire_file(test::text(entry, "file"));
      PacketReader reader;
      reader.feed(bytes);
      const QuorumPacket packet = **reader.next();
      const auto info = decode_learner_info(*packet.data);
      ASSERT_TRUE(info);
      const object& expected = entry.at("decoded").at("learnerInfo").as_object();
      EXPECT_EQ(info->server.value, test::number(expected.at("serverid")));
      EXPECT_EQ(info->protocol_version, test::number(expected.at("protocolVersion")));
      EXPECT_EQ(info->config_version, test::number(expected.at("configVersion")));
      EXPECT_EQ(encode_learner_info(*info), *packet.data);
      ++count;
    }
  }
  EXPECT_EQ(count, 4);
}

TEST(Packets, OlderLearnersSayLessOfThemselves) {
  const Bytes whole = encode_learner_info({.server = {5}, .config_version = 7});
  ASSERT_EQ(whole.size(), 20U);
  EXPECT_EQ(decode_learner_info(whole)->config_version, 7);
  EXPECT_EQ(*decode_learner_info(whole.substr(0, 12)), (LearnerInfo{.server = {5}}));
  EXPECT_EQ(*decode_learner_info(whole.substr(0, 8)), (LearnerInfo{.server = {5}}));
  EXPECT_FALSE(decode_learner_info(whole.substr(0, 7)));
}

// ---- whole connections ----------------------------------------------------------------------

struct Expected {
  std::string type;
  std::int64_t zxid;
  std::size_t length;
};

std::vector<Expected> expected_of(const std::string& session, std::string_view direction) {
  std::vector<Expected> packets;
  const auto timeline = test::wire_json(session + ".timeline.json");
  for (const auto& entry : timeline.as_array()) {
    const object& packet = entry.as_object();
    if (test::text(packet, "direction") != direction) continue;
    const std::string type = test::text(packet, "type");
    packets.push_back({type, type == "SNAPSHOT" ? 0 : test::number(packet.at("zxid")),
                       static_cast<std::size_t>(test::number(packet.at("length")))});
  }
  return packets;
}

// Reads the stream in pieces and compares it with its timeline, packet by packet.
void check_stream(BytesView stream, const std::vector<Expected>& packets, std::uint64_t seed) {
  Random random(seed);
  PacketReader reader;
  std::size_t fed = 0;
  const auto feed_some = [&] {
    const std::size_t count = std::min(1 + random.below(40), stream.size() - fed);
    ASSERT_GT(count, 0U) << "the stream ends too early";
    reader.feed(stream.substr(fed, count));
    fed += count;
  };
  Bytes again;
  for (const Expected& expected : packets) {
    if (expected.type == "SNAPSHOT") {
      Bytes rest = reader.take_rest();
      while (rest.size() < expected.length) {
        feed_some();
        rest += reader.take_rest();
      }
      again += rest.substr(0, expected.length);
      reader.feed(BytesView(rest).substr(expected.length));
      continue;
    }
    auto packet = reader.next();
    for (; packet && !*packet; packet = reader.next()) feed_some();
    ASSERT_TRUE(packet) << packet.error().what;
    EXPECT_EQ(name_of((*packet)->type), expected.type);
    EXPECT_EQ((*packet)->zxid.value, expected.zxid);
    const Bytes bytes = encode_packet(**packet);
    EXPECT_EQ(bytes.size(), expected.length);
    again += bytes;
  }
  EXPECT_EQ(again, stream.substr(0, again.size()));
}

TEST(Packets, EveryCapturedConnectionIsReadPacketByPacket) {
  int count = 0;
  for (const object& entry : test::wire_entries("sess-")) {
    if (test::text(entry, "kind") != "TIMELINE") continue;
    std::string session = test::text(entry, "file");
    session.resize(session.find('.'));
    SCOPED_TRACE(session);
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      check_stream(test::wire_file(session + ".l2s.stream"),
                   expected_of(session, "learner->leader"), seed);
      check_stream(test::wire_file(session + ".s2l.stream"),
                   expected_of(session, "leader->learner"), seed);
    }
    ++count;
  }
  EXPECT_EQ(count, 12);
}

// ---- malformed --------------------------------------------------------------------------------

Bytes head(std::int32_t type, std::int32_t data_bytes) {
  Bytes out;
  jute::Writer writer(out);
  writer.i32(type);
  writer.i64(0);
  writer.i32(data_bytes);
  return out;
}

Bytes number_bytes(std::int32_t number) { return jute::encode(number); }

std::string problem_of(BytesView bytes, std::size_t limit = kMaxBufferBytes) {
  PacketReader reader(limit);
  for (const char& byte : bytes) {
    reader.feed({&byte, 1});
    const auto packet = reader.next();
    if (!packet) return std::string(packet.error().what);
    if (*packet) return "a packet";
  }
  return "incomplete";
}

TEST(Packets, WhatCannotBeOneIsMalformedAsSoonAsItShows) {
  EXPECT_EQ(problem_of(head(0, -1)), "a packet of unknown type");
  EXPECT_EQ(problem_of(head(20, -1)), "a packet of unknown type");
  EXPECT_EQ(problem_of(head(-1, -1)), "a packet of unknown type");
  EXPECT_EQ(problem_of(head(3, -2)), "a packet's data has an unreasonable length");
  EXPECT_EQ(problem_of(head(3, 2097151)), "a packet's data has an unreasonable length");
  EXPECT_EQ(problem_of(head(3, 2097150)), "incomplete");
  EXPECT_EQ(problem_of(head(3, 101), 100), "a packet's data has an unreasonable length");
  const std::string identities = "a packet has an unreasonable number of identities";
  EXPECT_EQ(problem_of(head(3, -1) + number_bytes(-2)), identities);
  EXPECT_EQ(problem_of(head(3, -1) + number_bytes(65537)), identities);
  EXPECT_EQ(problem_of(head(3, -1) + number_bytes(65536)), "incomplete");
  const std::string length = "a packet's identities have an unreasonable length";
  EXPECT_EQ(problem_of(head(3, -1) + number_bytes(1) + number_bytes(-2)), length);
  EXPECT_EQ(problem_of(head(3, -1) + number_bytes(1) + number_bytes(100), 100), length);
  EXPECT_EQ(problem_of(head(3, -1) + number_bytes(1) + number_bytes(-1) + number_bytes(-1)),
            "a packet");
  EXPECT_EQ(problem_of(head(3, -1) + number_bytes(0)), "a packet");
}

// Strings of nothing are bounded too: by their number, and together with their lengths.
TEST(Packets, IdentitiesAreBoundedTogether) {
  Bytes bytes = head(1, -1) + number_bytes(1000);
  for (int i = 0; i < 2000; ++i) bytes += number_bytes(0);
  EXPECT_EQ(problem_of(bytes, 10000), "a packet");
  EXPECT_EQ(problem_of(bytes, 5000), "a packet's identities have an unreasonable length");
}

TEST(Packets, MalformedStaysMalformed) {
  PacketReader reader;
  reader.feed(head(99, 0));
  EXPECT_FALSE(reader.next());
  reader.feed(encode_packet({.type = PacketType::kAck}));
  EXPECT_FALSE(reader.next());
}

TEST(Packets, NullAndEmptyDataAreTwoThings) {
  const Bytes null = encode_packet({.type = PacketType::kPing, .zxid = {4}});
  const Bytes empty = encode_packet({.type = PacketType::kPing, .zxid = {4}, .data = ""});
  EXPECT_NE(null, empty);
  EXPECT_EQ(round_trip(null), null);
  EXPECT_EQ(round_trip(empty), empty);
}

// Whatever the bytes, in whatever pieces: never a crash, and what is read is written the same.
TEST(Packets, ChangedBytesAreReadOrRefused) {
  const Bytes stream = test::wire_file("sess-diff-rejoin-38.s2l.stream");
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    Random random(seed);
    Bytes changed = stream;
    for (std::uint64_t i = 0; i <= random.below(4); ++i) {
      changed[random.below(changed.size())] = static_cast<char>(random.next());
    }
    PacketReader reader;
    Bytes again;
    bool is_good = true;
    for (std::size_t at = 0; at < changed.size() && is_good;) {
      const std::size_t count = std::min(1 + random.below(300), changed.size() - at);
      reader.feed(BytesView(changed).substr(at, count));
      at += count;
      auto packet = reader.next();
      for (; packet && *packet; packet = reader.next()) again += encode_packet(**packet);
      is_good = packet.has_value();
    }
    ASSERT_EQ(again, changed.substr(0, again.size())) << seed;
  }
}

}  // namespace
}  // namespace synod::consensus::zab
