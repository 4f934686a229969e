// One server's election, message by message: what it says to whom.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "consensus/zab/election.h"
#include "consensus/zab/test_election_network.h"

namespace synod::consensus::zab {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string words(const Notification& notification) {
  const char* states[] = {"LOOKING", "FOLLOWING", "OBSERVING", "LEADING"};
  const Vote& vote = notification.vote;
  return std::string(states[static_cast<int>(notification.state)]) +
         " leader=" + std::to_string(vote.leader.value) +
         " zxid=" + std::to_string(vote.zxid.value) + " round=" + std::to_string(vote.round) +
         " epoch=" + std::to_string(vote.peer_epoch);
}

// Server 1, whom 2, 3 (voters) and 4 (an observer) have dialled on the links 4, 6 and 8.
class Answers : public testing::Test {
 protected:
  Answers() { election_.tick({now_}); }

  void look(test::Durable durable = {.last_logged = {5}, .current_epoch = 1}) {
    election_.look(durable.last_logged, durable.current_epoch, durable.has_memory);
    for (const std::int64_t server : {2, 3, 4}) come(server);
    (void)said();
  }
  void come(std::int64_t server) {
    election_.accepted(link_of(server));
    election_.received(link_of(server), encode_initial_message({server}, {{"h", 3888}}));
  }
  void hear(std::int64_t server, Role state, const Vote& vote) {
    election_.received(link_of(server),
                       framed(encode_notification({.state = state, .vote = vote, .config = ""})));
  }
  // Since the last call, to whom what was said.
  std::vector<std::string> said() {
    std::vector<std::string> all;
    for (const Effect& effect : outbox_.take()) {
      const auto* send = std::get_if<effect::Send>(&effect);
      if (send == nullptr || send->link.value % 2 == 1) continue;
      BytesView rest = send->bytes;
      while (!rest.empty()) {
        jute::Reader in(rest);
        const auto notification = decode_notification(*in.view());
        EXPECT_EQ(notification->config, membership_.to_text());
        all.push_back("to " + std::to_string(send->link.value / 2) + ": " + words(*notification));
        rest = in.rest();
      }
    }
    return all;
  }
  void pass(std::int64_t ms) { election_.tick({now_ += ms}); }
  static LinkId link_of(std::int64_t server) { return {static_cast<std::uint64_t>(2 * server)}; }
  void follow_three() {
    look();
    hear(3, Role::kLooking, {.leader = {3}, .zxid = {6}, .round = 1, .peer_epoch = 1});
    pass(200);
    ASSERT_EQ(election_.take_decision()->leader, ServerId{3});
    (void)said();
  }

  std::int64_t now_ = 1000;
  Membership membership_ = test::ensemble(3, 1);
  Outbox outbox_;
  Election election_{{.self = {1}}, membership_, outbox_};
};

TEST_F(Answers, ABetterVoteIsAdoptedAndPassedOn) {
  look();
  hear(3, Role::kLooking, {.leader = {3}, .zxid = {6}, .round = 1, .peer_epoch = 1});
  EXPECT_THAT(said(), ElementsAre("to 2: LOOKING leader=3 zxid=6 round=1 epoch=1",
                                  "to 3: LOOKING leader=3 zxid=6 round=1 epoch=1"));
}

TEST_F(Answers, AWorseVoteOfTheSameRoundIsLeftUnanswered) {
  look();
  hear(3, Role::kLooking, {.leader = {3}, .zxid = {4}, .round = 1, .peer_epoch = 1});
  EXPECT_THAT(said(), IsEmpty());
}

TEST_F(Answers, WhoIsARoundBehindIsToldOurs) {
  look();
  look();
  hear(3, Role::kLooking, {.leader = {3}, .zxid = {9}, .round = 1, .peer_epoch = 1});
  EXPECT_THAT(said(), ElementsAre("to 3: LOOKING leader=1 zxid=5 round=2 epoch=1"));
}

TEST_F(Answers, WhoIsARoundAheadIsJoinedWithTheBetterOfItsVoteAndOurs) {
  look();
  hear(2, Role::kLooking, {.leader = {2}, .zxid = {4}, .round = 7, .peer_epoch = 1});
  EXPECT_THAT(said(), ElementsAre("to 2: LOOKING leader=1 zxid=5 round=7 epoch=1",
                                  "to 3: LOOKING leader=1 zxid=5 round=7 epoch=1"));
}

TEST_F(Answers, TheDecisionTakes200MsUnlessAllHaveSpoken) {
  look();
  hear(2, Role::kLooking, {.leader = {2}, .zxid = {6}, .round = 1, .peer_epoch = 1});
  EXPECT_EQ(election_.take_decision(), std::nullopt);
  pass(199);
  EXPECT_EQ(election_.take_decision(), std::nullopt);
  pass(1);
  EXPECT_EQ(election_.take_decision()->leader, ServerId{2});
  EXPECT_EQ(election_.take_decision(), std::nullopt) << "told once";
}

TEST_F(Answers, ABetterVoteWhileWaitingIsTheNewProposal) {
  look();
  hear(2, Role::kLooking, {.leader = {2}, .zxid = {6}, .round = 1, .peer_epoch = 1});
  pass(199);
  hear(3, Role::kLooking, {.leader = {3}, .zxid = {7}, .round = 1, .peer_epoch = 1});
  pass(1);
  EXPECT_EQ(election_.take_decision(), std::nullopt);
  hear(2, Role::kLooking, {.leader = {3}, .zxid = {7}, .round = 1, .peer_epoch = 1});
  EXPECT_EQ(election_.take_decision()->leader, ServerId{3}) << "all have spoken";
}

TEST_F(Answers, WhoLooksIsToldWhomWeFollow) {
  follow_three();
  hear(2, Role::kLooking, {.leader = {2}, .zxid = {9}, .round = 3, .peer_epoch = 1});
  EXPECT_THAT(said(), ElementsAre("to 2: FOLLOWING leader=3 zxid=6 round=1 epoch=1"));
  election_.establish(2);
  hear(2, Role::kLooking, {.leader = {2}, .zxid = {9}, .round = 3, .peer_epoch = 1});
  EXPECT_THAT(said(), ElementsAre("to 2: FOLLOWING leader=3 zxid=6 round=1 epoch=2"));
  hear(3, Role::kLeading, {.leader = {3}, .zxid = {6}, .round = 1, .peer_epoch = 2});
  EXPECT_THAT(said(), IsEmpty()) << "who does not look is not answered";
}

TEST_F(Answers, AnObserverIsAnsweredInItsOwnRound) {
  look();
  const Vote none{.leader = {kNoVote}, .zxid = {kNoVote}, .round = 9, .peer_epoch = kNoVote};
  hear(4, Role::kLooking, none);
  EXPECT_THAT(said(), ElementsAre("to 4: LOOKING leader=1 zxid=5 round=9 epoch=1"));
  hear(4, Role::kObserving, none);
  EXPECT_THAT(said(), IsEmpty());
}

TEST_F(Answers, AnEstablishedLeaderIsJoinedWhenAQuorumAndItselfSaySo) {
  look();
  hear(2, Role::kFollowing, {.leader = {3}, .zxid = {1}, .round = 8, .peer_epoch = 4});
  EXPECT_EQ(election_.take_decision(), std::nullopt);
  hear(3, Role::kLeading, {.leader = {3}, .zxid = {2}, .round = 8, .peer_epoch = 4});
  EXPECT_EQ(election_.take_decision()->leader, ServerId{3});
  hear(2, Role::kLooking, {.leader = {2}, .zxid = {9}, .round = 1, .peer_epoch = 1});
  EXPECT_THAT(said(), ElementsAre("to 2: FOLLOWING leader=3 zxid=2 round=8 epoch=4"));
}

// A Java server that has never looked, because a change of the membership appointed its leader,
// says that it is in round 0. Whoever joins on its word is in that round, too.
TEST_F(Answers, WhoJoinedInRoundZeroStillAnswers) {
  look();
  const Vote appointed{.leader = {3}, .zxid = {6}, .round = 0, .peer_epoch = 2};
  hear(3, Role::kLeading, appointed);
  hear(2, Role::kFollowing, appointed);
  ASSERT_EQ(election_.take_decision(), appointed);
  (void)said();
  hear(2, Role::kLooking, {.leader = {2}, .zxid = {5}, .round = 1, .peer_epoch = 1});
  EXPECT_THAT(said(), ElementsAre("to 2: FOLLOWING leader=3 zxid=6 round=0 epoch=2"));
}

TEST_F(Answers, WhoIsSettledHasToAgreeOnTheEpochToo) {
  look();
  hear(2, Role::kFollowing, {.leader = {3}, .zxid = {1}, .round = 8, .peer_epoch = 3});
  hear(3, Role::kLeading, {.leader = {3}, .zxid = {2}, .round = 8, .peer_epoch = 4});
  EXPECT_EQ(election_.take_decision(), std::nullopt) << "one of them speaks of the past";
  hear(2, Role::kFollowing, {.leader = {3}, .zxid = {1}, .round = 8, .peer_epoch = 4});
  EXPECT_EQ(election_.take_decision()->leader, ServerId{3});
}

TEST_F(Answers, FollowersOfALeaderThatDoesNotLeadProveNothing) {
  const Membership five = test::ensemble(5);
  Outbox outbox;
  Election election({.self = {1}}, five, outbox);
  election.tick({0});
  election.look({5}, 1, true);
  const auto say = [&](std::int64_t server, Role state, const Vote& vote) {
    election.accepted(link_of(server));
    election.received(
        link_of(server),
        encode_initial_message({server}, {{"h", 3888}}) +
            framed(encode_notification({.state = state, .vote = vote, .config = ""})));
  };
  const Vote five_leads{.leader = {5}, .zxid = {1}, .round = 1, .peer_epoch = 4};
  for (const std::int64_t server : {2, 3, 4}) say(server, Role::kFollowing, five_leads);
  EXPECT_EQ(election.take_decision(), std::nullopt) << "nothing is heard of 5";
  Vote another = five_leads;
  another.leader = {4};
  say(5, Role::kFollowing, another);
  say(2, Role::kFollowing, five_leads);
  EXPECT_EQ(election.take_decision(), std::nullopt) << "5 follows somebody";
  say(5, Role::kLeading, five_leads);
  EXPECT_EQ(election.take_decision()->leader, ServerId{5});
}

// Waiting for the same makes the pauses longer; news makes them short again.
TEST_F(Answers, VotesAreRepeatedLessAndLessUntilThereIsNews) {
  look();
  const auto next_repetition = [&] {
    std::int64_t waited = 0;
    while (said().empty()) {
      pass(10);
      for (const std::int64_t server : {2, 3}) {  // or their links would be held to be dead
        hear(server, Role::kObserving, {});
      }
      waited += 10;
    }
    return waited;
  };
  for (const std::int64_t expected : {200, 400, 800, 1600}) EXPECT_EQ(next_repetition(), expected);
  come(2);
  (void)said();
  EXPECT_EQ(next_repetition(), 200) << "a new link";
  EXPECT_EQ(next_repetition(), 400);
  const Vote vote{.leader = {3}, .zxid = {1}, .round = 8, .peer_epoch = 4};
  hear(2, Role::kFollowing, vote);
  EXPECT_EQ(next_repetition(), 200) << "somebody follows";
  hear(2, Role::kFollowing, vote);
  EXPECT_EQ(next_repetition(), 400) << "no news";
}

TEST_F(Answers, WhatDoesNotConcernTheVotersIsIgnored) {
  look();
  const Vote better{.leader = {3}, .zxid = {9}, .round = 1, .peer_epoch = 9};
  Vote vote = better;
  vote.leader = {4};
  hear(2, Role::kLooking, vote);  // for an observer
  vote.leader = {77};
  hear(2, Role::kLooking, vote);  // for a stranger
  vote = better;
  vote.zxid = kNoMemoryZxid;
  hear(3, Role::kLooking, vote);  // of who remembers nothing
  vote = better;
  for (const std::int64_t round : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::max()}) {
    vote.round = round;
    hear(3, Role::kLooking, vote);
  }
  hear(3, Role::kObserving, better);
  election_.received(link_of(3), framed("not a notification"));
  EXPECT_THAT(said(), IsEmpty());
  hear(3, Role::kLooking, better);
  EXPECT_EQ(said().size(), 2U) << "its link has taken no harm";
}

TEST_F(Answers, WhoHasDecidedNeitherDialsNorRepeatsItself) {
  follow_three();
  for (const std::int64_t server : {2, 3, 4}) election_.unlinked(link_of(server));
  pass(100000);
  come(2);
  EXPECT_THAT(outbox_.take(), IsEmpty());
}

// What it remembers does not matter: nobody counts it.
TEST_F(Answers, AnEmptyObserverDecidesByTheVotesOfOthers) {
  Outbox outbox;
  Election observer({.self = {4}}, membership_, outbox);
  observer.tick({0});
  observer.look({}, 0, false);
  const auto vote = framed(encode_notification(
      {.vote = {.leader = {3}, .zxid = {6}, .round = 1, .peer_epoch = 1}, .config = ""}));
  for (const std::uint64_t link : {1, 3, 5}) {
    observer.linked({link});
    observer.received({link}, vote);
  }
  EXPECT_FALSE(observer.take_all_are_new());
  EXPECT_EQ(observer.take_decision()->leader, ServerId{3});
}

// ---- without memory -----------------------------------------------------------------------------

constexpr test::Durable kNothing{.last_logged = {}, .current_epoch = 0, .has_memory = false};
constexpr Vote new_vote(std::int64_t server) {
  return {.leader = {server}, .zxid = {}, .round = 1, .peer_epoch = 0};
}

TEST_F(Answers, ItsVoteSaysThatItHasNoMemory) {
  look(kNothing);
  pass(200);
  EXPECT_THAT(said(), ElementsAre("to 2: LOOKING leader=1 zxid=-1 round=1 epoch=0",
                                  "to 3: LOOKING leader=1 zxid=-1 round=1 epoch=0"));
}

// ZooKeeper repeats on a new link what it said last on the old: perhaps before it ever led.
TEST_F(Answers, TheFirstMessageOfALinkDoesNotProveThatItsSenderIsNew) {
  look(kNothing);
  for (const std::int64_t server : {2, 3}) hear(server, Role::kLooking, new_vote(server));
  EXPECT_FALSE(election_.take_all_are_new());
  hear(2, Role::kLooking, new_vote(2));
  EXPECT_FALSE(election_.take_all_are_new());
  hear(3, Role::kLooking, new_vote(3));
  EXPECT_TRUE(election_.take_all_are_new());
  EXPECT_FALSE(election_.take_all_are_new()) << "told once";
}

TEST_F(Answers, WhoIsHeardToFollowIsNotNewAnyMore) {
  look(kNothing);
  for (int i = 0; i < 2; ++i) hear(2, Role::kLooking, new_vote(2));
  hear(2, Role::kFollowing, {.leader = {3}, .zxid = {}, .round = 1, .peer_epoch = 1});
  for (int i = 0; i < 2; ++i) hear(3, Role::kLooking, new_vote(3));
  EXPECT_FALSE(election_.take_all_are_new());
}

TEST_F(Answers, VotesHeardBeforeThereWasMemoryAreForgottenWithTheDecision) {
  look(kNothing);
  hear(2, Role::kLooking, {.leader = {2}, .zxid = {99}, .round = 9, .peer_epoch = 5});
  hear(2, Role::kFollowing, {.leader = {3}, .zxid = {1}, .round = 8, .peer_epoch = 4});
  hear(3, Role::kLeading, {.leader = {3}, .zxid = {1}, .round = 8, .peer_epoch = 4});
  ASSERT_EQ(election_.take_decision()->leader, ServerId{3});
  (void)said();
  election_.look({5}, 4, true);
  EXPECT_THAT(said(), ElementsAre("to 2: LOOKING leader=1 zxid=5 round=9 epoch=4",
                                  "to 3: LOOKING leader=1 zxid=5 round=9 epoch=4"));
}

TEST_F(Answers, VotesHeardBeforeThereWasMemoryCountAfterwards) {
  look(kNothing);
  Vote vote = new_vote(3);
  vote.round = 2;
  for (const std::int64_t server : {2, 3}) {
    for (int i = 0; i < 2; ++i) hear(server, Role::kLooking, vote);
  }
  ASSERT_TRUE(election_.take_all_are_new());
  EXPECT_EQ(election_.take_decision(), std::nullopt);
  election_.look({}, 0, true);
  EXPECT_EQ(election_.take_decision()->leader, ServerId{3});
}

}  // namespace
}  // namespace synod::consensus::zab
