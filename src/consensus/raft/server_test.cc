// One server, message by message: what it must say, and when. The others are played by the test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "consensus/cluster/cluster.h"
#include "consensus/raft/raft.h"

namespace synod::consensus::raft {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

SharedBytes shared(const std::string& bytes) { return std::make_shared<const Bytes>(bytes); }
Entry entry(std::uint32_t term, std::uint32_t counter) {
  return {Zxid::of(term, counter), shared("x")};
}

// Server 1 of five. Its disk does what it is told to when the test says so.
class RaftServer : public testing::Test {
 protected:
  static constexpr std::int64_t kT = 1000;

  void begin(std::vector<Entry> log, std::uint32_t term, ServerId voted_for = {},
             const std::function<void(Options&)>& adjust = {}) {
    Options options{.self = ServerId{1}, .election_timeout_ms = kT};
    for (std::int64_t id = 1; id <= 5; ++id)
      options.membership.members[ServerId{id}] =
          Member{.quorum = {{"s", 1}}, .election = {{"s", 2}}};
    if (adjust) adjust(options);
    raft_ = std::make_unique<Raft>(options);
    // An entry before the first says what that is behind.
    std::vector<Entry> recent{{Zxid{}, shared("")}};
    recent.insert(recent.end(), log.begin(), log.end());
    raft_->start({.last_logged = recent.back().zxid,
                  .recent = recent,
                  .accepted_epoch = term,
                  .current_epoch = term,
                  .voted_for = voted_for,
                  .now = {now_},
                  .seed = 7,
                  .forms = &forms_});
    for (std::int64_t id = 2; id <= 5; ++id) connect(ServerId{id});
    said();
  }

  void connect(ServerId peer) {
    const LinkId link{static_cast<std::uint64_t>(peer.value) * 2};
    raft_->accepted(link, Port::kQuorum);
    raft_->received(link, native::encode(native::Greeting{
                              .engine = native::EngineTag::kRaft, .from = peer, .to = {1}}));
  }
  void hear(std::int64_t from, const Message& message) {
    Bytes body(1, '\0');
    body += encode(message);
    raft_->received(LinkId{static_cast<std::uint64_t>(from) * 2}, native::encode_frame(body));
  }
  void pass(std::int64_t ms) {
    for (const std::int64_t end = now_ + ms; now_ < end;) raft_->tick({now_ += 50});
  }
  // Everything asked of the disk is done.
  void flush() {
    carry_out();
    if (const auto last = std::exchange(appended_, {}); last != Zxid{}) raft_->durable(last);
    for (; saves_ > 0; --saves_) raft_->epochs_saved();
    carry_out();
  }
  // "2: Vote" for each message since the last time, heartbeats' frames that say nothing apart.
  std::vector<std::string> said() {
    carry_out();
    std::vector<std::string> names;
    for (const auto& [to, message] : messages_)
      names.push_back(std::to_string(to) + ": " + name_of(message));
    last_ = messages_.empty() ? Message() : messages_.back().second;
    messages_.clear();
    return names;
  }
  template <class What>
  What last() {
    return std::get<What>(last_);
  }

  void carry_out() {
    for (Effect& effect : raft_->drain()) {
      if (auto* send = std::get_if<effect::Send>(&effect))
        note(*send);
      else if (auto* append = std::get_if<effect::Append>(&effect))
        appended_ = append->entry.zxid;
      else if (std::holds_alternative<effect::SaveEpochs>(effect))
        ++saves_;
      else if (auto* commit = std::get_if<effect::Commit>(&effect))
        committed_ = commit->up_to;
      else if (auto* cut = std::get_if<effect::Cut>(&effect))
        cuts_.push_back(cut->after);
      else if (auto* index = std::get_if<effect::ReadIndex>(&effect))
        reads_.push_back(index->token);
      else if (auto* read = std::get_if<effect::ReadLog>(&effect))
        log_reads_.push_back(read->link);
      else if (auto* dial = std::get_if<effect::Dial>(&effect))
        dials_.push_back(dial->link);
    }
  }
  void note(const effect::Send& send) {
    native::FrameReader& reader = readers_[send.link];
    reader.feed(send.bytes);
    if (greeted_.insert(send.link).second) static_cast<void>(reader.greeting());
    for (auto body = reader.next(); body && *body; body = reader.next()) {
      if ((*body)->size() < 2 || (*body)->front() == 3) continue;  // 3: where it is to be found
      messages_.emplace_back(static_cast<std::int64_t>(send.link.value / 2),
                             *decode((*body)->substr(1)));
    }
  }

  // Server 1 leads term `term`, with the votes of 2 and 3, and nothing of it is acknowledged.
  void lead(std::uint32_t term) {
    pass(2 * kT);
    hear(2, message::Vote{.term = term, .is_pre = true, .is_granted = true});
    hear(3, message::Vote{.term = term, .is_pre = true, .is_granted = true});
    flush();
    hear(2, message::Vote{.term = term, .is_granted = true});
    hear(3, message::Vote{.term = term, .is_granted = true});
    ASSERT_EQ(raft_->status().role, Role::kLeading);
    ASSERT_EQ(raft_->status().epoch, term);
  }

  cluster::TestForms forms_;
  std::unique_ptr<Raft> raft_;
  std::int64_t now_ = 1000;
  std::map<LinkId, native::FrameReader> readers_;
  std::set<LinkId> greeted_;
  std::vector<std::pair<std::int64_t, Message>> messages_;
  Message last_;
  Zxid appended_;
  int saves_ = 0;
  Zxid committed_;
  std::vector<Zxid> cuts_;
  std::vector<std::uint64_t> reads_;
  std::vector<LinkId> log_reads_;
  std::vector<LinkId> dials_;
};

// ---- votes ------------------------------------------------------------------------------------

TEST_F(RaftServer, Section5_2_AVoteIsOnDiskBeforeItLeaves) {
  begin({entry(1, 1)}, 1);
  hear(2, message::RequestVote{.term = 2, .last_logged = Zxid::of(1, 1)});
  EXPECT_THAT(said(), IsEmpty());
  flush();
  EXPECT_THAT(said(), ElementsAre("2: Vote"));
  EXPECT_EQ(last<message::Vote>(), (message::Vote{.term = 2, .is_granted = true}));
}

TEST_F(RaftServer, Section5_2_ThereIsOneVoteInATerm) {
  begin({entry(1, 1)}, 1);
  hear(2, message::RequestVote{.term = 2, .last_logged = Zxid::of(1, 1)});
  flush();
  said();
  hear(3, message::RequestVote{.term = 2, .last_logged = Zxid::of(1, 9)});
  flush();
  said();
  EXPECT_FALSE(last<message::Vote>().is_granted);
  hear(2, message::RequestVote{.term = 2, .last_logged = Zxid::of(1, 1)});
  flush();
  said();
  EXPECT_TRUE(last<message::Vote>().is_granted) << "the same vote, said again";
}

TEST_F(RaftServer, Section5_2_AVoteIsRememberedOverACrash) {
  begin({entry(1, 1)}, 4, ServerId{2});
  hear(3, message::RequestVote{.term = 4, .last_logged = Zxid::of(3, 1)});
  flush();
  said();
  EXPECT_FALSE(last<message::Vote>().is_granted);
}

TEST_F(RaftServer, Section5_4_1_AVoterWithMoreInItsLogRefuses) {
  begin({entry(1, 1), entry(2, 1)}, 2);
  hear(2, message::RequestVote{.term = 3, .last_logged = Zxid::of(1, 9)});
  flush();
  said();
  EXPECT_EQ(last<message::Vote>(), (message::Vote{.term = 3, .is_granted = false}))
      << "the later term wins, though the other log is longer; the new term is taken over";
  hear(3, message::RequestVote{.term = 3, .last_logged = Zxid::of(2, 1)});
  flush();
  said();
  EXPECT_TRUE(last<message::Vote>().is_granted) << "the refusal was no vote";
}

TEST_F(RaftServer, Section5_2_ACandidateAsksOnceItsOwnVoteIsOnDisk) {
  begin({}, 1, {}, [](Options& options) { options.pre_vote = false; });
  pass(2 * kT);
  EXPECT_THAT(said(), IsEmpty());
  flush();
  EXPECT_THAT(said(),
              ElementsAre("2: RequestVote", "3: RequestVote", "4: RequestVote", "5: RequestVote"));
}

TEST_F(RaftServer, Section5_2_TheSameVoteTwiceIsOneVote) {
  begin({}, 1, {}, [](Options& options) { options.pre_vote = false; });
  pass(2 * kT);
  flush();
  const std::uint32_t term = 2;
  hear(2, message::Vote{.term = term, .is_granted = true});
  hear(2, message::Vote{.term = term, .is_granted = true});
  EXPECT_EQ(raft_->status().role, Role::kLooking);
  hear(3, message::Vote{.term = term, .is_granted = true});
  EXPECT_EQ(raft_->status().role, Role::kLeading);
}

TEST_F(RaftServer, Section5_4_1_OfTwoLogsOfOneTermTheLongerWins) {
  begin({entry(1, 1), entry(1, 2)}, 1);
  hear(2, message::RequestVote{.term = 2, .last_logged = Zxid::of(1, 1)});
  flush();
  said();
  EXPECT_FALSE(last<message::Vote>().is_granted);
  hear(3, message::RequestVote{.term = 2, .last_logged = Zxid::of(1, 3)});
  flush();
  said();
  EXPECT_TRUE(last<message::Vote>().is_granted);
}

TEST_F(RaftServer, Section5_2_ASplitVoteEndsInANewTerm) {
  begin({}, 1, {}, [](Options& options) { options.pre_vote = false; });
  pass(2 * kT);
  flush();
  said();
  EXPECT_EQ(last<message::RequestVote>().term, 2U);
  for (const int peer : {3, 4, 5}) hear(peer, message::Vote{.term = 2});
  hear(2, message::Vote{.term = 2, .is_granted = true});
  EXPECT_EQ(raft_->status().role, Role::kLooking) << "two of five";
  pass(2 * kT);
  flush();
  said();
  EXPECT_EQ(last<message::RequestVote>().term, 3U);
}

TEST_F(RaftServer, Section5_2_ACandidateFollowsALeaderOfItsTermAndNoEarlierOne) {
  begin({entry(1, 1)}, 1, {}, [](Options& options) { options.pre_vote = false; });
  pass(2 * kT);
  flush();
  said();
  hear(3, message::AppendEntries{.term = 1, .prev = Zxid::of(1, 1)});
  EXPECT_THAT(said(), ElementsAre("3: HeartbeatReply")) << "with the newer term";
  EXPECT_EQ(raft_->status().role, Role::kLooking);
  hear(4, message::AppendEntries{.term = 2, .prev = Zxid::of(1, 1)});
  EXPECT_EQ(raft_->status().role, Role::kFollowing);
  EXPECT_EQ(raft_->status().leader, ServerId{4});
}

TEST_F(RaftServer, Dissertation9_6_APreVoteChangesNothing) {
  begin({entry(1, 1)}, 1);
  hear(2, message::RequestVote{.term = 9, .last_logged = Zxid::of(1, 1), .is_pre = true});
  EXPECT_THAT(said(), ElementsAre("2: Vote")) << "at once: nothing has to be remembered";
  EXPECT_EQ(last<message::Vote>(), (message::Vote{.term = 9, .is_pre = true, .is_granted = true}));
  EXPECT_EQ(saves_, 0);
  hear(3, message::RequestVote{.term = 2, .last_logged = Zxid::of(1, 1)});
  flush();
  said();
  EXPECT_EQ(last<message::Vote>(), (message::Vote{.term = 2, .is_granted = true}));
}

// consensus.md 3.12 #18: else two that differ in what they ask would wait for each other for ever.
TEST_F(RaftServer, Dissertation9_6_ARefusedPreVoteSaysTheTerm) {
  begin({entry(1, 1)}, 7);
  hear(2, message::RequestVote{.term = 5, .last_logged = Zxid::of(1, 1), .is_pre = true});
  said();
  EXPECT_EQ(last<message::Vote>(), (message::Vote{.term = 7, .is_pre = true}));
}

TEST_F(RaftServer, Dissertation4_2_3_WhoHearsItsLeaderListensToNoCandidate) {
  begin({entry(1, 1)}, 1);
  hear(2, message::Heartbeat{.term = 1});
  flush();
  said();
  const message::RequestVote ask{.term = 2, .last_logged = Zxid::of(1, 1)};
  hear(3, ask);
  EXPECT_THAT(said(), IsEmpty());
  auto wanted = ask;
  wanted.is_transfer = true;
  hear(3, wanted);
  flush();
  EXPECT_THAT(said(), ElementsAre("3: Vote")) << "but its leader's wish is another matter";
}

// ---- terms ------------------------------------------------------------------------------------

// consensus.md 3.12 #3, #17.
TEST_F(RaftServer, Section5_1_AnOlderTermsLeaderHearsOfTheNewer) {
  begin({entry(1, 1)}, 5);
  hear(2, message::AppendEntries{.term = 4, .prev = Zxid::of(1, 1), .entries = {entry(4, 1)}});
  EXPECT_THAT(said(), ElementsAre("2: HeartbeatReply"));
  EXPECT_EQ(last<message::HeartbeatReply>().term, 5U);
  EXPECT_EQ(appended_, Zxid{});
}

TEST_F(RaftServer, Section5_1_ACandidateGivesWayToANewerTerm) {
  begin({}, 1, {}, [](Options& options) { options.pre_vote = false; });
  pass(2 * kT);
  flush();
  hear(2, message::Vote{.term = 6});
  flush();
  for (const int peer : {3, 4, 5}) hear(peer, message::Vote{.term = 2, .is_granted = true});
  EXPECT_EQ(raft_->status().role, Role::kLooking) << "those votes are of a term that is over";
}

TEST_F(RaftServer, Section5_1_ALeaderGivesWayToANewerTerm) {
  begin({entry(1, 1)}, 1);
  lead(2);
  hear(4, message::HeartbeatReply{.term = 6});
  EXPECT_EQ(raft_->status().role, Role::kLooking);
  EXPECT_FALSE(raft_->status().is_serving);
}

// ---- entries ----------------------------------------------------------------------------------

TEST_F(RaftServer, Section5_3_AnAcknowledgementIsOnDisk) {
  begin({entry(1, 1)}, 1);
  hear(2, message::AppendEntries{.term = 1, .prev = Zxid::of(1, 1), .entries = {entry(1, 2)}});
  EXPECT_THAT(said(), ElementsAre("2: Appended"));
  EXPECT_EQ(last<message::Appended>().match, Zxid::of(1, 1)) << "so far it was on disk before";
  flush();
  EXPECT_THAT(said(), ElementsAre("2: Appended"));
  EXPECT_EQ(last<message::Appended>().match, Zxid::of(1, 2));
}

// consensus.md 3.12 #1.
TEST_F(RaftServer, Section5_3_OnlyWhatTheMessageShowsIsCommitted) {
  begin({entry(1, 1), entry(1, 2), entry(2, 1), entry(2, 2)}, 2);
  hear(2,
       message::AppendEntries{
           .term = 3, .prev = Zxid::of(1, 1), .commit = Zxid::of(3, 1), .entries = {entry(1, 2)}});
  flush();
  EXPECT_EQ(committed_, Zxid::of(1, 2)) << "what lies behind it here is perhaps not the leader's";
  EXPECT_THAT(cuts_, IsEmpty());
}

TEST_F(RaftServer, Section5_3_AMessageShorterThanTheLogCutsNothing) {
  begin({entry(1, 1), entry(1, 2), entry(1, 3)}, 1);
  hear(2, message::AppendEntries{.term = 1, .prev = Zxid::of(1, 1), .entries = {entry(1, 2)}});
  hear(2, message::AppendEntries{.term = 1, .prev = Zxid::of(1, 1), .wants_answer = true});
  flush();
  EXPECT_THAT(cuts_, IsEmpty());
}

TEST_F(RaftServer, Section5_3_AConflictCutsTheLogWhereItBegins) {
  begin({entry(1, 1), entry(2, 1), entry(2, 2)}, 2);
  hear(2, message::AppendEntries{
              .term = 3, .prev = Zxid::of(1, 1), .entries = {entry(3, 1), entry(3, 2)}});
  // Meanwhile: nothing is appended before the cut is done.
  hear(2, message::AppendEntries{.term = 3, .prev = Zxid::of(3, 2), .entries = {entry(3, 3)}});
  flush();
  EXPECT_THAT(cuts_, ElementsAre(Zxid::of(1, 1)));
  EXPECT_EQ(appended_, Zxid{});
  raft_->was_cut(Zxid::of(1, 1));
  flush();
  flush();
  said();
  EXPECT_EQ(last<message::Appended>().match, Zxid::of(3, 3));
}

// consensus.md 3.12 #22: the completion of an append that was cut meanwhile acknowledges nothing.
TEST_F(RaftServer, Section5_3_WhatWasCutIsNotAcknowledged) {
  begin({entry(1, 1)}, 1);
  hear(2, message::AppendEntries{.term = 2, .prev = Zxid::of(1, 1), .entries = {entry(2, 1)}});
  flush();
  said();
  hear(3, message::AppendEntries{.term = 3, .prev = Zxid::of(1, 1), .entries = {entry(3, 1)}});
  carry_out();
  raft_->epochs_saved();
  saves_ = 0;
  EXPECT_THAT(said(), IsEmpty());
  raft_->was_cut(Zxid::of(1, 1));
  EXPECT_THAT(said(), ElementsAre("3: Appended"));
  EXPECT_EQ(last<message::Appended>().match, Zxid::of(1, 1)) << "the new entry is not on disk";
  flush();
  said();
  EXPECT_EQ(last<message::Appended>().match, Zxid::of(3, 1));
}

TEST_F(RaftServer, Section5_3_ARefusalSaysWhereToGoOn) {
  begin({entry(1, 1), entry(2, 1), entry(2, 2)}, 2);
  hear(2, message::AppendEntries{.term = 5, .prev = Zxid::of(4, 7)});
  flush();
  said();
  EXPECT_EQ(last<message::Refused>().hint, Zxid::of(2, 2));
  hear(2, message::AppendEntries{.term = 5, .prev = Zxid::of(1, 3)});
  said();
  EXPECT_EQ(last<message::Refused>().hint, Zxid::of(1, 1));
}

TEST_F(RaftServer, Section5_5_TheSameMessageTwiceDoesNoHarm) {
  begin({entry(1, 1)}, 1);
  const message::AppendEntries append{
      .term = 1, .prev = Zxid::of(1, 1), .entries = {entry(1, 2), entry(1, 3)}};
  hear(2, append);
  flush();
  said();
  hear(2, append);
  carry_out();
  EXPECT_EQ(appended_, Zxid{}) << "nothing is appended again";
  EXPECT_THAT(cuts_, IsEmpty());
  EXPECT_EQ(raft_->status().role, Role::kFollowing);
}

// ---- leading ----------------------------------------------------------------------------------

TEST_F(RaftServer, Section5_4_2_AnEntryOfAnEarlierTermIsNotCommittedByCounting) {
  begin({entry(1, 1), entry(2, 1)}, 3);
  lead(4);
  flush();
  for (const int peer : {2, 3, 4, 5})
    hear(peer, message::Appended{.term = 4, .match = Zxid::of(2, 1), .has_memory = true});
  carry_out();
  EXPECT_EQ(committed_, Zxid{});
  hear(2, message::Appended{.term = 4, .match = Zxid::of(4, 1), .has_memory = true});
  hear(2, message::Appended{.term = 4, .match = Zxid::of(4, 1), .has_memory = true});
  carry_out();
  EXPECT_EQ(committed_, Zxid{}) << "the same acknowledgement twice is one";
  hear(3, message::Appended{.term = 4, .match = Zxid::of(4, 1), .has_memory = true});
  carry_out();
  EXPECT_EQ(committed_, Zxid::of(4, 1));
  EXPECT_TRUE(raft_->status().is_serving);
}

TEST_F(RaftServer, Dissertation10_2_1_TheLeaderCountsItselfOnceItHasItOnDisk) {
  begin({entry(1, 1)}, 1);
  lead(2);
  for (const int peer : {2, 3})
    hear(peer, message::Appended{.term = 2, .match = Zxid::of(2, 1), .has_memory = true});
  carry_out();
  EXPECT_EQ(committed_, Zxid{});
  flush();
  EXPECT_EQ(committed_, Zxid::of(2, 1));
}

// The link of the first tree is still there when the follower needs another: it has nothing to say
// any more. (The leader went on asking the log that could not answer, without end: seed 900094.)
TEST_F(RaftServer, Section7_ASecondTreeFollowsTheFirst) {
  begin({entry(1, 1), entry(1, 2), entry(1, 3)}, 1, {},
        [](Options& options) { options.memory.entries = 1; });
  lead(2);
  flush();
  const auto commit = [&](Zxid match) {
    for (const int peer : {2, 3})
      hear(peer, message::Appended{.term = 2, .match = match, .has_memory = true});
    carry_out();
  };
  const auto log_cannot_answer = [&] {
    ASSERT_THAT(log_reads_, ElementsAre(LinkId{8}));
    log_reads_.clear();
    raft_->log_read(LinkId{8}, std::nullopt, true);
    carry_out();
    EXPECT_THAT(log_reads_, IsEmpty());
  };
  commit(Zxid::of(2, 1));
  hear(4, message::Refused{.term = 2, .prev = Zxid::of(1, 3), .hint = {}, .has_memory = true});
  carry_out();
  log_cannot_answer();
  ASSERT_EQ(dials_.size(), 1U);
  raft_->linked(dials_[0]);
  carry_out();
  hear(4, message::Appended{.term = 2, .match = Zxid::of(2, 1), .has_memory = true});
  for (const std::uint32_t counter : {2U, 3U, 4U}) raft_->propose(entry(2, counter));
  flush();
  commit(Zxid::of(2, 4));
  hear(4, message::Refused{
              .term = 2, .prev = Zxid::of(2, 4), .hint = Zxid::of(2, 1), .has_memory = true});
  carry_out();
  log_cannot_answer();
  EXPECT_EQ(dials_.size(), 2U);
}

// A tree may come late, or twice: what the log already reaches past it stays.
TEST_F(RaftServer, Section7_ATreeOfWhatIsThereAlreadyIsNotTaken) {
  begin({entry(1, 1), entry(1, 2)}, 1);
  hear(2, message::AppendEntries{.term = 1, .prev = Zxid::of(1, 2), .commit = Zxid::of(1, 2)});
  flush();
  const auto offer = [&](LinkId link, Zxid zxid) {
    raft_->accepted(link, Port::kQuorum);
    Bytes head(1, '\x02');
    head += encode(
        message::SnapshotHead{.term = 1, .zxid = zxid, .settled = raft_->membership()->to_text()});
    raft_->received(link, native::encode(native::Greeting{.engine = native::EngineTag::kRaft,
                                                          .purpose = native::Purpose::kSnapshot,
                                                          .from = {2},
                                                          .to = {1}}) +
                              native::encode_frame(head));
    for (const Effect& effect : raft_->drain())
      if (std::holds_alternative<effect::ReceiveSnapshot>(effect)) return true;
    return false;
  };
  EXPECT_FALSE(offer(LinkId{20}, Zxid::of(1, 1)));
  EXPECT_FALSE(offer(LinkId{22}, Zxid::of(1, 2)));
  EXPECT_TRUE(offer(LinkId{24}, Zxid::of(1, 9)));
}

TEST_F(RaftServer, WhoHasForgottenDoesNotCount) {
  begin({entry(1, 1)}, 1);
  lead(2);
  flush();
  for (const int peer : {2, 3, 4})
    hear(peer, message::Appended{.term = 2, .match = Zxid::of(2, 1), .has_memory = peer == 2});
  carry_out();
  EXPECT_EQ(committed_, Zxid{});
}

// consensus.md 3.12 #7: what is stale or makes no sense is passed over.
TEST_F(RaftServer, Section5_3_StrayRefusalsDoNoHarm) {
  begin({entry(1, 1), entry(1, 2)}, 1);
  lead(2);
  flush();
  hear(2, message::Appended{.term = 2, .match = Zxid::of(2, 1), .has_memory = true});
  said();
  hear(2, message::Refused{.term = 2, .prev = Zxid::of(1, 1), .hint = {}, .has_memory = true});
  hear(3, message::Refused{.term = 2, .prev = Zxid::of(9, 9), .hint = {}, .has_memory = true});
  hear(4, message::Refused{.term = 1, .prev = Zxid::of(1, 2), .hint = {}, .has_memory = true});
  EXPECT_THAT(said(), IsEmpty());
  EXPECT_EQ(raft_->status().role, Role::kLeading);
}

// Dissertation 6.4, consensus.md 3.12 #19: requests with one number are answered each.
TEST_F(RaftServer, Dissertation6_4_AReadWaitsForARoundThatBeganAfterIt) {
  begin({entry(1, 1)}, 1);
  lead(2);
  flush();
  for (const int peer : {2, 3})
    hear(peer, message::Appended{.term = 2, .match = Zxid::of(2, 1), .has_memory = true});
  carry_out();
  raft_->read_index(7);
  hear(2, message::HeartbeatReply{.term = 2, .round = 0, .has_memory = true});
  hear(3, message::HeartbeatReply{.term = 2, .round = 0, .has_memory = true});
  carry_out();
  EXPECT_THAT(reads_, IsEmpty()) << "those were sent before";
  raft_->read_index(7);
  hear(2, message::HeartbeatReply{.term = 2, .round = 1, .has_memory = true});
  hear(3, message::HeartbeatReply{.term = 2, .round = 1, .has_memory = true});
  carry_out();
  EXPECT_THAT(reads_, ElementsAre(7)) << "the second came during the round";
  hear(2, message::HeartbeatReply{.term = 2, .round = 2, .has_memory = true});
  hear(3, message::HeartbeatReply{.term = 2, .round = 2, .has_memory = true});
  carry_out();
  EXPECT_THAT(reads_, ElementsAre(7, 7));
}

TEST_F(RaftServer, NonsenseCostsItsLinkOnly) {
  begin({entry(1, 1)}, 1);
  raft_->received(LinkId{4}, native::encode_frame(Bytes("\0\xff\xff", 3)));
  bool is_closed = false;
  for (const Effect& effect : raft_->drain())
    if (const auto* close = std::get_if<effect::Close>(&effect))
      is_closed |= close->link == LinkId{4};
  EXPECT_TRUE(is_closed);
  hear(3, message::RequestVote{.term = 2, .last_logged = Zxid::of(1, 1)});
  flush();
  EXPECT_THAT(said(), ElementsAre("3: Vote"));
}

// ---- changes of membership --------------------------------------------------------------------

// It may be a member all the same, by an entry that is not here yet.
TEST_F(RaftServer, Section6_AServerThatIsNoMemberHereMayBeVotedFor) {
  begin({entry(1, 1)}, 1);
  connect(ServerId{9});
  said();
  hear(9, message::RequestVote{
              .term = 2, .last_logged = Zxid::of(1, 9), .configuration = Zxid::of(1, 5)});
  flush();
  EXPECT_THAT(said(), ElementsAre("9: Vote"));
  EXPECT_TRUE(last<message::Vote>().is_granted);
}

// Only its own files say so, and ours say otherwise.
TEST_F(RaftServer, WhoIsAboutToJoinGetsNoVote) {
  begin({entry(1, 1)}, 1);
  connect(ServerId{9});
  for (const bool is_pre : {true, false}) {
    said();
    hear(9, message::RequestVote{.term = 2, .last_logged = Zxid::of(1, 9), .is_pre = is_pre});
    flush();
    EXPECT_THAT(said(), ElementsAre("9: Vote"));
    EXPECT_FALSE(last<message::Vote>().is_granted);
  }
}

TEST_F(RaftServer, Dissertation4_2_1_AStrangerIsLedAndDoesNotCount) {
  begin({entry(1, 1)}, 1);
  lead(2);
  flush();
  said();
  connect(ServerId{9});
  EXPECT_THAT(said(), testing::Contains("9: AppendEntries"));
  const Zxid first = Zxid::of(2, 1);
  hear(9, message::Appended{.term = 2, .match = first, .has_memory = true});
  hear(2, message::Appended{.term = 2, .match = first, .has_memory = true});
  carry_out();
  EXPECT_EQ(committed_, Zxid{}) << "two of five, and a guest";
  hear(3, message::Appended{.term = 2, .match = first, .has_memory = true});
  carry_out();
  EXPECT_EQ(committed_, first);
}

TEST_F(RaftServer, Section6_WhyNotSaysWhoIsMissing) {
  begin({entry(1, 1)}, 1);
  lead(2);
  flush();
  hear(2, message::Appended{.term = 2, .match = Zxid::of(2, 1), .has_memory = true});
  hear(3, message::Appended{.term = 2, .match = Zxid::of(2, 1), .has_memory = false});
  Membership next = *raft_->membership();
  EXPECT_EQ(raft_->why_not(next),
            "only 2 of its 5 participants are in step: server.3 has not been synchronised yet, "
            "server.4 is not connected, server.5 is not connected");
  next.members.erase(ServerId{4});
  next.members.erase(ServerId{5});
  EXPECT_EQ(raft_->why_not(next), std::nullopt);
}

}  // namespace
}  // namespace synod::consensus::raft
