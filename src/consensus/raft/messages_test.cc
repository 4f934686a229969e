#include "consensus/raft/messages.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "base/random.h"
#include "consensus/native/frames.h"

namespace synod::consensus::raft {
namespace {

SharedBytes shared(std::string bytes) { return std::make_shared<const Bytes>(std::move(bytes)); }

message::AppendEntries some_entries() {
  return {.term = 7,
          .prev = Zxid::of(5, 9),
          .commit = Zxid::of(5, 3),
          .wants_answer = true,
          .entries = {{Zxid::of(5, 10), shared("one")},
                      {Zxid::of(7, 1), shared("")},
                      {Zxid::of(7, 2), shared(std::string(300, 'x'))}}};
}

std::vector<Message> one_of_each() {
  return {
      message::RequestVote{.term = 3, .last_logged = Zxid::of(2, 9), .is_pre = true},
      message::RequestVote{.term = 3,
                           .last_logged = Zxid::of(2, 9),
                           .configuration = Zxid::of(1, 4),
                           .is_transfer = true},
      message::Vote{.term = 4, .is_pre = false, .is_granted = true},
      message::Appended{.term = 5, .match = Zxid::of(5, 6), .has_memory = true},
      message::Refused{
          .term = 5, .prev = Zxid::of(4, 4), .hint = Zxid::of(3, 9), .needs_tree = true},
      message::Heartbeat{.term = 8,
                         .round = 0x123456789a,
                         .commit = Zxid::of(7, 1),
                         .leader_commit = Zxid::of(8, 1),
                         .is_synchronised = true},
      message::HeartbeatReply{.term = 8, .round = 99, .has_memory = true},
      message::SnapshotHead{.term = 9, .zxid = Zxid::of(9, 2), .settled = "version=0"},
      message::TimeoutNow{.term = 0x7fffffff},
  };
}

bool are_equal(const Message& a, const Message& b) {
  return encode(a) == encode(b) && a.index() == b.index();
}

TEST(RaftMessages, EachIsReadAsItWasWritten) {
  for (const Message& written : one_of_each()) {
    const auto read = decode(encode(written));
    ASSERT_TRUE(read.has_value()) << name_of(written) << ": " << read.error();
    EXPECT_TRUE(are_equal(*read, written)) << name_of(written);
  }
}

TEST(RaftMessages, EntriesKeepTheirBytes) {
  const auto read = decode(encode(some_entries()));
  ASSERT_TRUE(read.has_value()) << read.error();
  const auto& append = std::get<message::AppendEntries>(*read);
  EXPECT_EQ(append.prev, Zxid::of(5, 9));
  EXPECT_EQ(append.commit, Zxid::of(5, 3));
  EXPECT_TRUE(append.wants_answer);
  ASSERT_EQ(append.entries.size(), 3U);
  EXPECT_EQ(append.entries[0].zxid, Zxid::of(5, 10));
  EXPECT_EQ(*append.entries[0].bytes, "one");
  EXPECT_EQ(*append.entries[1].bytes, "");
  EXPECT_EQ(append.entries[2].bytes->size(), 300U);
}

TEST(RaftMessages, NoPartOfOneIsOne) {
  std::vector<Message> messages = one_of_each();
  messages.emplace_back(some_entries());
  for (const Message& message : messages) {
    const Bytes whole = encode(message);
    for (std::size_t size = 0; size < whole.size(); ++size)
      EXPECT_FALSE(decode(BytesView(whole).substr(0, size)).has_value())
          << name_of(message) << " cut to " << size;
    EXPECT_FALSE(decode(whole + "x").has_value()) << name_of(message) << " and more";
  }
}

TEST(RaftMessages, DamageIsRefusedOrIsAnotherMessage) {
  Random random(1);
  const Bytes whole = encode(some_entries());
  for (int i = 0; i < 20'000; ++i) {
    Bytes damaged = whole;
    for (std::uint64_t hits = 1 + random.below(3); hits > 0; --hits)
      damaged[random.below(damaged.size())] = static_cast<char>(random.next());
    const auto read = decode(damaged);
    if (!read) continue;
    EXPECT_EQ(encode(*read), damaged) << "what is accepted is understood to the last bit";
  }
}

TEST(RaftMessages, ANumberOfEntriesBeyondTheBytesTakesNoMemory) {
  Bytes bytes = encode(message::AppendEntries{.term = 1});
  bytes.replace(bytes.size() - 4, 4, "\xff\xff\xff\xff");
  EXPECT_FALSE(decode(bytes).has_value());
}

TEST(RaftMessages, TermsThatNoZxidCanHaveAreRefused) {
  EXPECT_FALSE(decode(encode(message::TimeoutNow{.term = 0x80000000})).has_value());
}

TEST(RaftMessages, EntriesOutOfOrderAreRefused) {
  const auto with = [](Zxid first, Zxid second) {
    return decode(
        encode(message::AppendEntries{.term = 7,
                                      .prev = Zxid::of(5, 9),
                                      .entries = {{first, shared("a")}, {second, shared("b")}}}));
  };
  EXPECT_TRUE(with(Zxid::of(5, 10), Zxid::of(6, 1)).has_value());
  EXPECT_FALSE(with(Zxid::of(5, 10), Zxid::of(5, 12)).has_value()) << "a gap inside a term";
  EXPECT_FALSE(with(Zxid::of(5, 9), Zxid::of(5, 10)).has_value()) << "not behind prev";
  EXPECT_FALSE(with(Zxid::of(6, 1), Zxid::of(5, 10)).has_value()) << "backwards";
  EXPECT_FALSE(with(Zxid::of(7, 1), Zxid::of(8, 1)).has_value()) << "of a term to come";
}

// There is nothing behind the last number (found by fuzzing: the search for it overflowed).
TEST(RaftMessages, NothingFollowsTheLastZxid) {
  const Zxid last{std::numeric_limits<std::int64_t>::max()};
  for (const Zxid next : {Zxid{}, Zxid{std::numeric_limits<std::int64_t>::min()}, Zxid::of(7, 1)})
    EXPECT_FALSE(decode(encode(message::AppendEntries{
                            .term = 7, .prev = last, .entries = {{next, shared("a")}}}))
                     .has_value());
}

}  // namespace
}  // namespace synod::consensus::raft
