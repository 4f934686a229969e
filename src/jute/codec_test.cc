#include "jute/codec.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "jute/records.h"
#include "jute/txn.h"

namespace synod::jute {
namespace {

using namespace std::string_literals;

TEST(Jute, EncodesAsTheReferenceSays) {
  Bytes out;
  Writer writer(out);
  writer.i32(-2);
  writer.i64(0x0102030405060708);
  writer.boolean(true);
  writer.view("ab");
  writer.view("");
  writer.view(std::nullopt);
  EXPECT_EQ(out,
            "\xff\xff\xff\xfe\x01\x02\x03\x04\x05\x06\x07\x08\x01\0\0\0\x02"
            "ab\0\0\0\0\xff\xff\xff\xff"s);
}

TEST(Jute, NullAndEmptyAreDifferent) {
  const Bytes bytes = "\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\0\0\0\0"s;
  Reader in(bytes);
  const NullableView null = in.view();
  const NullableView empty = in.view();
  EXPECT_EQ(null, std::nullopt);
  EXPECT_EQ(empty, "");
}

TEST(Jute, AnythingButZeroIsTrue) {
  const Bytes bytes = "\x02\0"s;
  Reader in(bytes);
  EXPECT_TRUE(in.boolean());
  EXPECT_FALSE(in.boolean());
  EXPECT_TRUE(in.ok());
}

// Lengths that lie: the reader fails for good, and nothing is allocated.
TEST(Jute, HostileLengthsFail) {
  for (const Bytes& bytes :
       {"\xff\xff\xff\xfe"s, "\x80\0\0\0"s, "\x7f\xff\xff\xff"s, "\0\0\0\x01"s, "\0\0\0"s, ""s}) {
    Reader in(bytes);
    EXPECT_FALSE(in.view());
    EXPECT_FALSE(in.ok());
    EXPECT_EQ(in.i64(), 0);
    EXPECT_EQ(in.remaining(), 0U);
  }
}

TEST(Jute, HostileCountsFail) {
  EXPECT_FALSE(decode<std::vector<std::int64_t>>("\x7f\xff\xff\xff\0\0\0\0\0\0\0\x01"s));
  EXPECT_FALSE(decode<std::vector<NullableView>>("\0\0\0\x02\0\0\0\0"s));
  EXPECT_FALSE(decode<CreateRequest>("\0\0\0\x02/a\xff\xff\xff\xff\x7f\xff\xff\xff"s));
}

TEST(Jute, ACountBelowMinusOneIsEmpty) {
  const auto list = decode<std::optional<std::vector<std::int32_t>>>("\xff\xff\xff\xfe"s);
  ASSERT_TRUE(list && *list);
  EXPECT_TRUE((*list)->empty());
  const auto null = decode<std::optional<std::vector<std::int32_t>>>("\xff\xff\xff\xff"s);
  ASSERT_TRUE(null);
  EXPECT_FALSE(*null);
}

// A record in all its parts, read back; and no shorter one is accepted.
template <class T>
void expect_whole_or_nothing(const T& record) {
  const Bytes bytes = encode(record);
  const auto again = decode<T>(bytes);
  ASSERT_TRUE(again);
  EXPECT_EQ(encode(*again), bytes);
  EXPECT_TRUE(decode<T>(bytes + "more"));
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(decode<T>(BytesView(bytes).substr(0, length))) << length << " of " << bytes.size();
  }
}

TEST(Records, AreReadWholeOrNotAtAll) {
  const std::vector<AclView> acl{{31, "world", "anyone"}, {1, std::nullopt, ""}};
  expect_whole_or_nothing(
      Stat{.czxid = {1}, .mzxid = {2}, .ctime = 3, .version = -1, .pzxid = {7}});
  expect_whole_or_nothing(
      StatPersisted{.czxid = {1}, .mzxid = {}, .ephemeral_owner = INT64_MIN, .pzxid = {}});
  expect_whole_or_nothing(ConnectRequest{0, {5}, 30000, {77}, "0123456789abcdef"});
  expect_whole_or_nothing(ConnectResponse{0, 30000, {77}, std::nullopt});
  expect_whole_or_nothing(CreateRequest{"/a", "x", acl, 3});
  expect_whole_or_nothing(CreateTtlRequest{"/a", std::nullopt, std::nullopt, 5, 1000});
  expect_whole_or_nothing(SetAclRequest{"/a", acl, 3});
  expect_whole_or_nothing(SetWatches2Request{{5},
                                             std::vector<NullableView>{"/a", std::nullopt},
                                             std::nullopt,
                                             std::vector<NullableView>{},
                                             {},
                                             {}});
  expect_whole_or_nothing(ReconfigRequest{"a", std::nullopt, "", -1});
  expect_whole_or_nothing(MultiHeader{14, false, -101});
  expect_whole_or_nothing(WatcherEvent{1, 3, "/a"});
}

TEST(Records, SizesAreTheReferences) {
  EXPECT_EQ(encode(Stat{}).size(), 68U);
  EXPECT_EQ(encode(StatPersisted{}).size(), 60U);
  EXPECT_EQ(encode(ReplyHeader{}).size(), 16U);
  EXPECT_EQ(encode(MultiHeader{}).size(), 9U);
  EXPECT_EQ(encode(TxnHeader{}).size(), kTxnHeaderBytes);
  EXPECT_EQ(encode(TxnDigest{}).size(), kTxnDigestBytes);
}

RC_GTEST_PROP(JuteProperties, ValuesSurvive,
              (std::int32_t a, std::int64_t b, bool c, const std::string& text,
               const std::vector<std::string>& list)) {
  Bytes bytes;
  append(bytes, a);
  append(bytes, b);
  append(bytes, c);
  append(bytes, text);
  append(bytes, list);
  Reader in(bytes);
  RC_ASSERT(in.i32() == a);
  RC_ASSERT(in.i64() == b);
  RC_ASSERT(in.boolean() == c);
  RC_ASSERT(in.view() == NullableView(text));
  RC_ASSERT(decode<std::vector<std::string>>(in) == list);
  RC_ASSERT(in.ok() && in.remaining() == 0);
}

// Bytes that nobody wrote: any answer will do, but what is accepted is a record of those bytes.
RC_GTEST_PROP(JuteProperties, NonsenseIsReadInBounds, (const std::string& bytes)) {
  (void)decode<CreateTtlRequest>(bytes);
  (void)decode<SetWatches2Request>(bytes);
  Reader in(bytes);
  if (const auto request = decode<PathVersionRequest>(in)) {
    RC_ASSERT(encode(*request) == bytes.substr(0, bytes.size() - in.remaining()));
  }
}

// ---- transactions -----------------------------------------------------------------------------

constexpr TxnHeader kHeader{
    .client_id = {7}, .cxid = 1, .zxid = {5}, .time_ms = 9, .type = OpCode::kCreate};

TEST(Txn, RecordAndDigestAreToldApart) {
  const CreateTxn create{"/a", "x", {{31, "world", "anyone"}}, true, 3};
  const Bytes with_digest = encode_txn(kHeader, create, TxnDigest{2, 99});
  const auto txn = decode_txn(with_digest);
  ASSERT_TRUE(txn);
  ASSERT_TRUE(txn->digest);
  EXPECT_EQ(txn->digest->tree_digest, 99);
  const auto& record = std::get<CreateTxn>(txn->record);
  EXPECT_EQ(record.path, "/a");
  EXPECT_TRUE(record.ephemeral);
  EXPECT_EQ(record.parent_cversion, 3);
  EXPECT_FALSE(decode_txn(encode_txn(kHeader, create, std::nullopt))->digest);
}

// ZooKeeper 3.3 wrote no parentCVersion.
TEST(Txn, OldCreationsAreRead) {
  Bytes bytes =
      encode_txn(kHeader, CreateTxn{"/a", "x", {{31, "world", "anyone"}}, false, 3}, std::nullopt);
  bytes.resize(bytes.size() - 4);
  const auto txn = decode_txn(bytes);
  ASSERT_TRUE(txn);
  EXPECT_EQ(std::get<CreateTxn>(txn->record).parent_cversion, -1);
}

// With closeSession bodies off and digests on the digest follows the header at once.
TEST(Txn, ClosedSessionsWithAndWithoutPaths) {
  TxnHeader header = kHeader;
  header.type = OpCode::kCloseSession;
  const auto paths_of = [&](const Bytes& body) {
    const auto txn = decode_txn(encode(header) + body);
    EXPECT_TRUE(txn);
    return std::pair(std::get<CloseSessionTxn>(txn->record).paths.size(), txn->digest.has_value());
  };
  const Bytes digest = encode(TxnDigest{2, 99});
  EXPECT_EQ(paths_of(""), std::pair(0UZ, false));
  EXPECT_EQ(paths_of(digest), std::pair(0UZ, true));
  EXPECT_EQ(paths_of(encode(CloseSessionTxn{})), std::pair(0UZ, false));
  EXPECT_EQ(paths_of(encode(CloseSessionTxn{{"/a", "/b"}}) + digest), std::pair(2UZ, true));
  EXPECT_EQ(paths_of(encode(CloseSessionTxn{{"", ""}})),
            std::pair(0UZ, true));  // twelve bytes: no path is empty
}

TEST(Txn, PartsOfAMultiStayEncoded) {
  TxnHeader header = kHeader;
  header.type = OpCode::kMulti;
  const Bytes part = encode(DeleteTxn{"/a"});
  const Bytes body = encode_txn(
      header, MultiTxn{{{OpCode::kDelete, part}, {OpCode::kError, "\0\0\0\0"s}}}, std::nullopt);
  const auto txn = decode_txn(body);
  ASSERT_TRUE(txn);
  const auto& multi = std::get<MultiTxn>(txn->record);
  ASSERT_EQ(multi.txns.size(), 2U);
  EXPECT_EQ(std::get<DeleteTxn>(*decode_txn_record(OpCode::kDelete, multi.txns[0].record)).path,
            "/a");
  EXPECT_FALSE(decode_txn_record(OpCode::kDelete, "\0\0"s));
}

TEST(Txn, UnknownTypesAndCutRecordsAreRefused) {
  TxnHeader header = kHeader;
  for (const int type : {0, 3, 4, 8, 9, 11, 17, 22, 100, -2, 999}) {
    header.type = static_cast<OpCode>(type);
    EXPECT_FALSE(decode_txn(encode(header) + Bytes(100, '\0'))) << type;
  }
  const Bytes whole =
      encode_txn(kHeader, CreateTxn{"/a", "x", {{31, "world", "anyone"}}, false, 3}, std::nullopt);
  for (std::size_t length = 0; length + 4 < whole.size(); ++length) {
    EXPECT_FALSE(decode_txn(BytesView(whole).substr(0, length))) << length;
  }
}

}  // namespace
}  // namespace synod::jute
