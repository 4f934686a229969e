// Observers behind followers: an ensemble of them, and one played by hand.
#include "consensus/zab/observer_master.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "consensus/zab/test_player.h"
#include "consensus/zab/test_story.h"
#include "jute/codec.h"

namespace synod::consensus::zab {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Kind = ServiceMessage::Kind;

Bytes request(std::int32_t type) {
  Bytes data;
  jute::Writer out(data);
  out.i64(7);  // session
  out.i32(1);  // cxid
  out.i32(type);
  return data;
}

Bytes question_for(std::int64_t session) {
  Bytes data;
  jute::Writer out(data);
  out.i64(session);
  out.i32(1000);
  return data;
}

Bytes answer_for(std::int64_t session) {
  Bytes data;
  jute::Writer out(data);
  out.i64(session);
  out.boolean(true);
  return data;
}

constexpr std::int32_t kSyncType = 9;
constexpr std::int32_t kSetDataType = 5;

// ---- ensembles --------------------------------------------------------------------------------

// Servers 1 to 3 vote, 4 observes (and 5, where there are two).
class ObserverMasterStory : public Story {
 protected:
  void begin(TestOptions options = {}) {
    options.observers = std::max(options.observers, 1);
    options.has_observer_masters = true;
    Story::begin(options);
  }
  void miss_more_than_memory_holds(const TestOptions& options) {
    begin(options);
    write(2);
    ASSERT_TRUE(settles());
    the().crash(4);
    write(20);
    the().clear_transcript();
    the().start(4);
    ASSERT_TRUE(settles());
  }
  NodeId leader() { return *the().serving_leader(); }
  std::vector<NodeId> followers() {
    std::vector<NodeId> all{1, 2, 3};
    std::erase(all, leader());
    return all;
  }
  // The follower that serves the observer, as the last PING shows.
  NodeId master() {
    the().clear_transcript();
    the().run_for(200);
    for (const NodeId follower : followers())
      if (sent(follower, 4, "PING") > 0) return follower;
    return 0;
  }
  int sent(NodeId from, NodeId to, const std::string& packet) {
    const std::string start = std::to_string(from) + "->" + std::to_string(to) + " " + packet + " ";
    return static_cast<int>(std::ranges::count_if(
        the().transcript(), [&](const std::string& line) { return line.starts_with(start); }));
  }
};

TEST_F(ObserverMasterStory, AnObserverFollowsAFollower) {
  begin();
  write(5);
  ASSERT_TRUE(settles());
  const NodeId master = this->master();
  ASSERT_NE(master, 0) << the().describe();
  the().clear_transcript();
  write(3);
  ASSERT_TRUE(settles());
  EXPECT_EQ(sent(master, 4, "INFORM"), 3);
  EXPECT_THAT(the().transcript(), Not(Contains(HasSubstr(std::to_string(leader()) + "->4 "))));
  EXPECT_EQ(the().status(4).leader, ServerId{leader()});
  EXPECT_EQ(the().status(4).epoch, the().status(leader()).epoch);
}

TEST_F(ObserverMasterStory, WhatItMissedComesFromTheFollowersMemory) {
  begin();
  the().crash(4);
  write(5);
  the().clear_transcript();
  the().start(4);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().count_sent("DIFF"), 1);
  EXPECT_EQ(sent(leader(), 4, "DIFF"), 0);
}

TEST_F(ObserverMasterStory, WhatItMissedComesFromTheFollowersLog) {
  miss_more_than_memory_holds({.memory_entries = 3});
  EXPECT_EQ(the().count_sent("DIFF"), 1);
  EXPECT_EQ(the().count_sent("SNAP"), 0);
}

TEST_F(ObserverMasterStory, OrAsTheFollowersTree) {
  miss_more_than_memory_holds({.memory_entries = 3, .is_log_kept = false});
  EXPECT_EQ(the().count_sent("SNAP"), 1);
  write(2);
  EXPECT_TRUE(settles());
}

TEST_F(ObserverMasterStory, TheOtherFollowerTakesOver) {
  begin({.observers = 2});
  write(3);
  const NodeId master = this->master();
  the().crash(master);
  ASSERT_TRUE(settles());
  write(3);
  ASSERT_TRUE(settles());
  EXPECT_NE(this->master(), master);
  EXPECT_EQ(the().serving_leader(), 3) << "nobody had to look for a leader";
}

TEST_F(ObserverMasterStory, WhereNobodyElseVotesTheLeaderServesIt) {
  begin({.voters = 1});
  write(3);
  ASSERT_TRUE(settles());
  EXPECT_EQ(the().status(2).leader, ServerId{1});
}

TEST_F(ObserverMasterStory, AFollowerWithoutALeaderLetsItsObserversGo) {
  begin({.observers = 2});
  write(3);
  the().crash(leader());
  the().run_for(1);
  ASSERT_TRUE(the().run_until([&] { return the().status(4).role == Role::kLooking; }, 1000));
  ASSERT_TRUE(settles());
  write(3);
  EXPECT_TRUE(settles());
}

TEST_F(ObserverMasterStory, AnObserverThatIsToVoteHearsItBehindItsMaster) {
  begin({.spares = 1});
  const NodeId master = this->master();
  the().clear_transcript();
  const Servers voters{ServerId{1}, ServerId{2}, ServerId{3}, ServerId{4}};
  ASSERT_EQ(the().reconfigure(the().with_members(voters)), std::nullopt);
  ASSERT_TRUE(the().run_until([&] { return the().status(4).role == Role::kFollowing; }));
  ASSERT_TRUE(settles());
  EXPECT_EQ(sent(master, 4, "INFORMANDACTIVATE"), 1);
  write(1);
  EXPECT_EQ(sent(leader(), 4, "PROPOSAL"), 1);
}

TEST_F(ObserverMasterStory, QuestionsGoToTheLeaderAndAnswersComeBack) {
  begin();
  const NodeId master = this->master();
  std::vector<std::pair<NodeId, ServiceMessage>> delivered;
  LinkId from;
  the().on_deliver = [&](NodeId at, const effect::Deliver& deliver) {
    if (deliver.message.kind == Kind::kTouchesWanted || deliver.message.kind == Kind::kTouches)
      return;
    delivered.emplace_back(at, deliver.message);
    from = deliver.from;
  };
  const auto ask = [&](NodeId who, const ServiceMessage& question) {
    the().send_to_leader(who, question);
    the().run_for(5);
  };
  ask(4, {.kind = Kind::kRequest, .data = request(kSetDataType)});
  ask(master, {.kind = Kind::kRequest, .data = request(kSyncType)});
  ask(4, {.kind = Kind::kRequest, .data = request(kSyncType)});
  ask(4, {.kind = Kind::kRevalidate, .data = question_for(8)});
  ask(master, {.kind = Kind::kRevalidate, .data = question_for(9)});
  ASSERT_EQ(delivered.size(), 5U);
  for (const auto& [at, message] : delivered) EXPECT_EQ(at, leader());
  EXPECT_EQ(delivered[0].second.data, request(kSetDataType));

  delivered.clear();
  const LinkId link = from;
  for (const auto& answer : {ServiceMessage{.kind = Kind::kSynced},
                             ServiceMessage{.kind = Kind::kRevalidated, .data = answer_for(9)},
                             ServiceMessage{.kind = Kind::kSynced},
                             ServiceMessage{.kind = Kind::kRevalidated, .data = answer_for(8)}}) {
    the().send_to_learner(leader(), link, answer);
    the().run_for(5);
  }
  std::vector<std::pair<NodeId, Kind>> heard;
  for (const auto& [at, message] : delivered) heard.emplace_back(at, message.kind);
  using Heard = std::pair<NodeId, Kind>;
  EXPECT_THAT(heard, ElementsAre(Heard{master, Kind::kSynced}, Heard{master, Kind::kRevalidated},
                                 Heard{4, Kind::kSynced}, Heard{4, Kind::kRevalidated}));
}

// ---- one observer, played by hand -------------------------------------------------------------

constexpr ServerId kSelf{2};
constexpr ServerId kObserver{4};
constexpr LinkId kLink{2};
constexpr LinkId kOther{4};
constexpr Zxid kLast = Zxid::of(1, 5);  // committed in epoch 1, the one followed

class ObserverMasterSession : public testing::Test {
 protected:
  ObserverMasterSession() {
    end_.journal->commit(kLast);
    end_.status = {.role = Role::kFollowing, .leader = ServerId{3}, .epoch = 1, .is_serving = true};
    master_.accepted(kLink);
  }

  void say(const QuorumPacket& packet, LinkId link = kLink) {
    master_.received(link, encode_packet(packet));
    look();
  }
  void look() {
    master_.flush();
    for (const Effect& effect : end_.outbox.take()) end_.hear(effect);
  }
  void introduce(LinkId link = kLink, PacketType type = PacketType::kObserverInfo,
                 std::int64_t configuration = 0, ServerId server = kObserver) {
    const Bytes info = encode_learner_info({.server = server, .config_version = configuration});
    say({.type = type, .zxid = Zxid::of(1, 0), .data = info}, link);
  }
  void promise(Zxid last, LinkId link = kLink) {
    say({.type = PacketType::kAckEpoch, .zxid = last, .data = BytesView("\0\0\0\1", 4)}, link);
  }
  void join(LinkId link = kLink, ServerId server = kObserver) {
    introduce(link, PacketType::kObserverInfo, 0, server);
    promise(kLast, link);
    say({.type = PacketType::kAck, .zxid = Zxid::of(1, 0)}, link);
    ASSERT_THAT(end_.heard[link], ElementsAre("LEADERINFO", "DIFF", "NEWLEADER", "UPTODATE"));
    end_.heard[link].clear();
  }
  void log(Zxid zxid) { end_.journal->append({zxid, std::make_shared<const Bytes>("txn")}); }
  void commit(Zxid zxid, std::optional<ServerId> designated = {}) {
    master_.commit(zxid, designated);
    look();
  }

  TestEnd end_{kSelf, kObserver, /*is_observer=*/true, kLast};
  ObserverMaster master_{*end_.shared};
};

TEST_F(ObserverMasterSession, WhoComesTooEarlyWaits) {
  introduce();
  EXPECT_THAT(end_.heard[kLink], IsEmpty());
  master_.start();
  look();
  EXPECT_THAT(end_.heard[kLink], ElementsAre("LEADERINFO"));
}

TEST_F(ObserverMasterSession, OnlyObserversAreTaken) {
  master_.start();
  introduce(kLink, PacketType::kFollowerInfo);
  EXPECT_EQ(end_.closed[kLink], "a follower came to the port that is for observers");
}

TEST_F(ObserverMasterSession, WhoKnowsANewerMembershipIsNotServed) {
  master_.start();
  introduce(kLink, PacketType::kObserverInfo, 17);
  EXPECT_EQ(end_.closed[kLink], "its configuration is newer than ours");
}

// It was behind another follower, which had heard of the commit already.
TEST_F(ObserverMasterSession, WhoIsAheadOfOurCommitsIsNotCut) {
  master_.start();
  log(kLast.next());
  introduce();
  promise(kLast.next());
  EXPECT_THAT(end_.heard[kLink], ElementsAre("LEADERINFO"));
  commit(kLast.next());
  EXPECT_THAT(end_.heard[kLink], ElementsAre("LEADERINFO", "DIFF", "NEWLEADER"));
}

TEST_F(ObserverMasterSession, ATailOfAnEarlierEpochIsCut) {
  end_.status.epoch = 2;
  master_.start();
  introduce();
  promise(kLast.next());
  EXPECT_THAT(end_.heard[kLink], ElementsAre("LEADERINFO", "TRUNC", "NEWLEADER"));
}

TEST_F(ObserverMasterSession, AChangeOfTheMembershipIsAnnouncedAsOne) {
  master_.start();
  join();
  log(kLast.next());
  log(kLast.next().next());
  commit(kLast.next().next(), ServerId{3});
  EXPECT_THAT(end_.heard[kLink], ElementsAre("INFORM", "INFORMANDACTIVATE"));
}

TEST_F(ObserverMasterSession, TouchesOfAllObserversAreOne) {
  master_.start();
  master_.accepted(kOther);
  join();
  join(kOther, ServerId{5});
  say({.type = PacketType::kPing, .zxid = kLast, .data = question_for(1) + question_for(2)});
  say({.type = PacketType::kPing, .zxid = kLast, .data = question_for(2) + question_for(3)},
      kOther);
  Bytes touches = question_for(9);
  master_.add_touches(touches);
  EXPECT_EQ(touches, question_for(9) + question_for(1) + question_for(2) + question_for(3));
  Bytes next;
  master_.add_touches(next);
  EXPECT_EQ(next, "");
}

// What our leader would close our own link for goes no further than here.
TEST_F(ObserverMasterSession, NonsenseCostsItsOwnLinkOnly) {
  const std::vector<QuorumPacket> nonsense{
      {.type = PacketType::kPing, .zxid = kLast, .data = BytesView("touch")},
      {.type = PacketType::kRequest, .zxid = kNoZxid, .data = BytesView("request")},
      {.type = PacketType::kRequest, .zxid = kNoZxid},
      {.type = PacketType::kRevalidate, .zxid = kNoZxid, .data = BytesView("session")},
      {.type = PacketType::kProposal, .zxid = kLast.next(), .data = BytesView("txn")}};
  master_.start();
  master_.accepted(kOther);
  join(kOther, ServerId{5});
  LinkId link = kLink;
  for (const QuorumPacket& packet : nonsense) {
    if (link != kLink) master_.accepted(link);
    join(link);
    say(packet, link);
    EXPECT_TRUE(end_.closed.contains(link)) << name_of(packet.type);
    link.value += 4;
  }
  EXPECT_THAT(master_.take_questions(), IsEmpty());
  EXPECT_FALSE(end_.closed.contains(kOther));
  log(kLast.next());
  commit(kLast.next());
  EXPECT_THAT(end_.heard[kOther], ElementsAre("INFORM"));
}

TEST_F(ObserverMasterSession, WhoIsNotHeardOfIsClosed) {
  master_.start();
  join();
  end_.shared->now.value += end_.options.sync_limit * end_.options.tick_ms + 1;
  master_.tick();
  look();
  EXPECT_THAT(end_.closed[kLink], HasSubstr("nothing is heard of it"));
}

// The answer to one that is gone is not taken for ours.
TEST_F(ObserverMasterSession, AnswersFindWhoAsked) {
  master_.start();
  join();
  say({.type = PacketType::kRequest, .zxid = kNoZxid, .data = request(kSyncType)});
  ASSERT_EQ(master_.take_questions().size(), 1U);
  master_.asked_by_us({.kind = Kind::kRequest, .data = request(kSyncType), .identities = {}});
  master_.unlinked(kLink);
  const ServiceMessage synced{.kind = Kind::kSynced, .data = {}, .identities = {}};
  EXPECT_TRUE(master_.take_answer(synced));
  EXPECT_FALSE(master_.take_answer(synced));
}

}  // namespace
}  // namespace synod::consensus::zab
