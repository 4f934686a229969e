#include "consensus/native/frames.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace synod::consensus::native {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Greeting greeting() {
  return {.engine = EngineTag::kRaft,
          .purpose = Purpose::kSnapshot,
          .from = ServerId{3},
          .to = ServerId{254},
          .is_new = true};
}

// What a reader finds in a stream, cut into pieces of so many bytes.
std::vector<std::string> bodies(BytesView stream, std::size_t piece) {
  FrameReader reader;
  std::vector<std::string> found;
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    reader.feed(stream.substr(at, piece));
    while (true) {
      const auto body = reader.next();
      if (!body) {
        found.push_back("error: " + body.error());
        return found;
      }
      if (!*body) break;
      found.emplace_back(**body);
    }
  }
  return found;
}

// ---- numbers ----------------------------------------------------------------------------------

TEST(NativeFields, ReadWhatWasPut) {
  Bytes out;
  put_u8(out, 0xfe);
  put_u32(out, 0xdeadbeef);
  put_u64(out, 0x0123456789abcdef);
  put_zxid(out, Zxid::of(7, 9));
  put_server(out, ServerId{12});
  put_bytes(out, "payload");
  EXPECT_EQ(out.substr(1, 4), Bytes("\xef\xbe\xad\xde")) << "little-endian";
  Fields in(out);
  EXPECT_EQ(in.u8(), 0xfe);
  EXPECT_EQ(in.u32(), 0xdeadbeef);
  EXPECT_EQ(in.u64(), 0x0123456789abcdef);
  EXPECT_EQ(in.zxid(), Zxid::of(7, 9));
  EXPECT_EQ(in.server(), ServerId{12});
  EXPECT_EQ(in.bytes(), "payload");
  EXPECT_TRUE(in.is_complete());
}

TEST(NativeFields, PastTheEndEverythingIsZero) {
  Fields in(BytesView("\x01\x02\x03", 3));
  EXPECT_EQ(in.u32(), 0U);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.u8(), 0U) << "though there would be a byte";
  EXPECT_FALSE(in.is_complete());
}

TEST(NativeFields, BytesLongerThanWhatIsThereAreNone) {
  Bytes out;
  put_u32(out, 0xffffffff);
  out += "short";
  Fields in(out);
  EXPECT_EQ(in.bytes(), "");
  EXPECT_FALSE(in.ok());
}

// ---- greetings --------------------------------------------------------------------------------

TEST(NativeGreeting, IsReadAsItWasWritten) {
  const Bytes bytes = encode(greeting());
  ASSERT_EQ(bytes.size(), kGreetingBytes);
  const auto read = decode_greeting(bytes);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->engine, EngineTag::kRaft);
  EXPECT_EQ(read->purpose, Purpose::kSnapshot);
  EXPECT_EQ(read->from, ServerId{3});
  EXPECT_EQ(read->to, ServerId{254});
  EXPECT_TRUE(read->is_new);
  EXPECT_EQ(read->oldest_version, kOldestVersion);
  EXPECT_EQ(read->newest_version, kNewestVersion);
}

TEST(NativeGreeting, NoBitOfItMayChange) {
  const Bytes bytes = encode(greeting());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(decode_greeting(damaged)) << "bit " << bit;
  }
}

TEST(NativeGreeting, NeighbouringReleasesShareAVersion) {
  Greeting newer = greeting();
  newer.newest_version = kNewestVersion + 5;
  EXPECT_TRUE(decode_greeting(encode(newer)));
  newer.oldest_version = kNewestVersion + 1;
  EXPECT_THAT(decode_greeting(encode(newer)).error(), HasSubstr("upgrade in steps"));
  Greeting older = greeting();
  older.oldest_version = older.newest_version = kOldestVersion - 1;
  EXPECT_THAT(decode_greeting(encode(older)).error(), HasSubstr("upgrade in steps"));
}

TEST(NativeGreeting, OfAnotherProtocolIsNone) {
  EXPECT_THAT(decode_greeting("GET / HTTP/1.1\r\nHost: server\r\n\r\n").error(),
              HasSubstr("does not greet"));
}

// ---- frames -----------------------------------------------------------------------------------

RC_GTEST_PROP(NativeFrames, AreFoundHoweverTheyAreCut, (const std::vector<std::string>& sent)) {
  Bytes stream;
  for (const std::string& body : sent) stream += encode_frame(body);
  RC_ASSERT(bodies(stream, *rc::gen::inRange<std::size_t>(1, 40)) == sent);
}

TEST(NativeFrames, WhatIsDamagedEndsTheStream) {
  const Bytes good = encode_frame("first");
  Bytes bad = encode_frame("second");
  bad.back() = 'D';
  EXPECT_THAT(bodies(good + bad + good, 1000),
              ElementsAre("first", "error: a frame whose checksum is wrong"));
}

TEST(NativeFrames, AfterAnErrorNothingIsFound) {
  Bytes bad = encode_frame("x");
  bad.back() = 'y';
  FrameReader reader;
  reader.feed(bad);
  EXPECT_FALSE(reader.next());
  reader.feed(encode_frame("good"));
  EXPECT_FALSE(reader.next());
}

TEST(NativeFrames, ALengthBeyondReasonIsRefusedBeforeItsBytesCome) {
  Bytes head;
  put_u32(head, static_cast<std::uint32_t>(kMaxFrameBytes) + 1);
  put_u32(head, 0);
  EXPECT_THAT(bodies(head, 1000), ElementsAre(HasSubstr("are the most")));
}

TEST(NativeFrames, TheRestIsWhatWasNotReadYet) {
  FrameReader reader;
  reader.feed(encode(greeting()) + encode_frame("head") + "the tree begins");
  ASSERT_TRUE(reader.greeting());
  ASSERT_EQ(**reader.next(), "head");
  EXPECT_EQ(reader.take_rest(), "the tree begins");
  EXPECT_EQ(reader.take_rest(), "");
}

TEST(NativeFrames, AGreetingMayComeByteByByte) {
  const Bytes stream = encode(greeting()) + encode_frame("body");
  FrameReader reader;
  for (std::size_t i = 0; i + 1 < kGreetingBytes; ++i) {
    reader.feed(stream.substr(i, 1));
    ASSERT_FALSE(reader.greeting()->has_value());
  }
  reader.feed(stream.substr(kGreetingBytes - 1));
  EXPECT_EQ((*reader.greeting())->from, ServerId{3});
  EXPECT_EQ(**reader.next(), "body");
}

}  // namespace
}  // namespace synod::consensus::native
