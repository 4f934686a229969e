// One server's rounds, answer by answer (consensus.md 4.3, 4.4).
#include "consensus/omnipaxos/ballot_election.h"

#include <gtest/gtest.h>

namespace synod::consensus::omnipaxos {
namespace {

Ballot b(std::uint32_t round, int server) { return Ballot::of(round, ServerId{server}); }

class BallotElectionRounds : public testing::Test {
 protected:
  explicit BallotElectionRounds(ElectionRule rule = ElectionRule::kPaper) {
    options_.self = ServerId{2};
    options_.election = rule;
    for (int id = 1; id <= 3; ++id) options_.membership.members[ServerId{id}] = Member{};
    quorums_.emplace(options_, options_.membership);
    election_.emplace(options_, *quorums_);
  }
  void start(Ballot promised) {
    view_.promised = promised;
    election_->start(promised, true, {0});
  }
  // What server `from` answers in this round.
  void answers(int from, Ballot ballot, Ballot leader, bool is_candidate = true,
               bool is_happy = true) {
    election_->heard(HeartbeatReply{round(),
                                    {.ballot = ballot,
                                     .leader = leader,
                                     .is_candidate = is_candidate,
                                     .is_happy = is_happy}},
                     ServerId{from});
  }
  std::uint64_t round() { return election_->request(view_).round; }
  std::optional<Ballot> end_round() { return election_->end_round(view_, {0}); }
  Standing own() { return election_->request(view_).standing; }

  Options options_;
  std::optional<Quorums> quorums_;
  std::optional<BallotElection> election_;
  BallotElection::View view_;
};

TEST_F(BallotElectionRounds, TheGreatestBallotOfACandidateIsElected) {
  start({});
  answers(1, b(1, 1), {});
  EXPECT_EQ(end_round(), b(1, 2));
  view_ = {.promised = b(1, 2), .leading = b(1, 2), .is_accepting = true};
  answers(1, b(1, 1), b(1, 2));
  answers(3, b(1, 3), {});
  EXPECT_EQ(end_round(), std::nullopt) << "the ballot is another's";
  EXPECT_EQ(own().leader, b(1, 3));
}

TEST_F(BallotElectionRounds, WithoutAQuorumThereIsNoCandidate) {
  start({});
  EXPECT_EQ(end_round(), std::nullopt);
  EXPECT_FALSE(own().is_candidate);
}

TEST_F(BallotElectionRounds, WhoIsNoCandidateIsNotElected) {
  start({});
  answers(3, b(1, 3), {}, false);
  EXPECT_EQ(end_round(), b(1, 2));
}

// Were the old ballot stood with again, this server would wait for itself for ever.
TEST_F(BallotElectionRounds, ARestartNeverUsesABallotAgain) {
  start(b(4, 2));
  EXPECT_EQ(own().ballot, Ballot{});
  answers(1, b(1, 1), b(4, 2));
  EXPECT_EQ(end_round(), std::nullopt);
  answers(1, b(1, 1), b(4, 2));
  EXPECT_EQ(end_round(), b(5, 2));
}

TEST_F(BallotElectionRounds, ARestartDoesNotDisturbALeaderThatLives) {
  start(b(4, 3));
  for (int round = 0; round < 5; ++round) {
    answers(3, b(4, 3), b(4, 3));
    EXPECT_EQ(end_round(), std::nullopt);
    EXPECT_EQ(own().ballot, Ballot{});
  }
}

TEST_F(BallotElectionRounds, ALeaderThatIsGoneIsReplacedFromAbove) {
  start({});
  answers(3, b(1, 3), {});
  EXPECT_EQ(end_round(), std::nullopt);
  view_.promised = b(1, 3);
  answers(1, b(1, 1), b(1, 3));
  EXPECT_EQ(end_round(), std::nullopt);
  EXPECT_EQ(own().ballot, b(2, 2));
  answers(1, b(2, 1), b(1, 3));
  EXPECT_EQ(end_round(), b(2, 2));
}

TEST_F(BallotElectionRounds, AnswersOfOlderRoundsDoNotCount) {
  start({});
  const std::uint64_t first = round();
  EXPECT_EQ(end_round(), std::nullopt);
  election_->heard(HeartbeatReply{first, {.ballot = b(1, 1), .is_candidate = true}}, ServerId{1});
  EXPECT_EQ(end_round(), std::nullopt);
}

// A round is long: what somebody came to stand for during it counts at its end.
TEST_F(BallotElectionRounds, AQuestionSaysWhatHasChangedSinceTheAnswer) {
  start({});
  answers(3, b(1, 3), {});
  election_->heard(HeartbeatRequest{9, {.ballot = b(1, 3), .is_candidate = false}}, ServerId{3});
  EXPECT_EQ(end_round(), b(1, 2));
}

TEST_F(BallotElectionRounds, AQuestionAloneDoesNotShowThatTheOtherHearsUs) {
  start({});
  election_->heard(HeartbeatRequest{9, {.ballot = b(1, 3), .is_candidate = true}}, ServerId{3});
  EXPECT_EQ(end_round(), std::nullopt);
  EXPECT_FALSE(own().is_candidate);
}

TEST_F(BallotElectionRounds, WhoseLinkBrokeIsNotCounted) {
  start({});
  answers(1, b(1, 1), {});
  EXPECT_FALSE(election_->lost(ServerId{1}, view_)) << "nobody leads";
  EXPECT_EQ(end_round(), std::nullopt);
}

// The paper's chained case, seen by the leader that was deposed: its follower is content.
TEST_F(BallotElectionRounds, WhoWasDeposedLeavesAContentFollowerAlone) {
  start({});
  answers(1, b(1, 1), {});
  ASSERT_EQ(end_round(), b(1, 2));
  view_ = {.promised = b(1, 2), .leading = {}};
  for (int round = 0; round < 5; ++round) {
    answers(1, b(1, 1), b(2, 3), true, true);
    EXPECT_EQ(end_round(), std::nullopt);
    EXPECT_EQ(own().ballot, b(1, 2));
  }
  answers(1, b(1, 1), b(2, 3), true, false);
  EXPECT_EQ(end_round(), std::nullopt);
  EXPECT_EQ(own().ballot, b(3, 2)) << "now its leader is gone";
}

// ---- rounds that end early --------------------------------------------------------------------

class BallotElectionLostLeader : public BallotElectionRounds {
 protected:
  BallotElectionLostLeader() { start(b(4, 3)); }
  [[nodiscard]] bool is_over() const { return election_->is_over(view_, {ServerId{1}}); }
};

TEST_F(BallotElectionLostLeader, TwoRoundsOfAnswersMakeASuccessor) {
  ASSERT_TRUE(election_->lost(ServerId{3}, view_));
  EXPECT_FALSE(own().is_happy) << "the others are told";
  EXPECT_FALSE(is_over());
  answers(1, {}, b(4, 3), true, false);
  ASSERT_TRUE(is_over()) << "a quorum has lost it";
  EXPECT_EQ(end_round(), std::nullopt);
  EXPECT_EQ(own().ballot, b(5, 2));
  answers(1, {}, b(4, 3), true, false);
  EXPECT_FALSE(is_over()) << "the other has not come to stand yet";
  election_->heard(HeartbeatRequest{9, {.ballot = b(5, 1), .leader = b(4, 3)}}, ServerId{1});
  ASSERT_TRUE(is_over());
  EXPECT_EQ(end_round(), b(5, 2));
  EXPECT_FALSE(is_over()) << "and then rounds take their time again";
}

TEST_F(BallotElectionLostLeader, WhomTheOthersHearIsLeftAlone) {
  ASSERT_TRUE(election_->lost(ServerId{3}, view_));
  answers(1, {}, b(4, 3), true, true);
  EXPECT_FALSE(is_over());
}

TEST_F(BallotElectionLostLeader, WhoIsBackIsNotLost) {
  ASSERT_TRUE(election_->lost(ServerId{3}, view_));
  answers(3, b(4, 3), b(4, 3));
  answers(1, {}, b(4, 3), true, false);
  EXPECT_FALSE(is_over());
  EXPECT_TRUE(own().is_happy);
}

class BallotElectionHappiness : public BallotElectionRounds {
 protected:
  BallotElectionHappiness() : BallotElectionRounds(ElectionRule::kHappiness) {}
};

TEST_F(BallotElectionHappiness, OneHappyNeighbourKeepsTheLeader) {
  start(b(4, 3));
  for (int round = 0; round < 5; ++round) {
    answers(1, b(1, 1), b(4, 3), false, true);
    EXPECT_EQ(end_round(), std::nullopt);
  }
  answers(1, b(1, 1), b(4, 3), false, false);
  EXPECT_EQ(end_round(), b(5, 2));
}

TEST_F(BallotElectionHappiness, NobodyTakesOverWithoutAQuorum) {
  start(b(4, 3));
  for (int round = 0; round < 5; ++round) EXPECT_EQ(end_round(), std::nullopt);
}

}  // namespace
}  // namespace synod::consensus::omnipaxos
