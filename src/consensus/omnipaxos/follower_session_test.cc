// One server, message by message: what it says, what it does not take, and what is on disk before.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consensus/native/frames.h"
#include "consensus/omnipaxos/messages.h"
#include "consensus/omnipaxos/omnipaxos.h"

namespace synod::consensus::omnipaxos {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr LinkId kLink{2};  // of server 3, which leads

Zxid z(std::uint32_t epoch, std::uint32_t counter) { return Zxid::of(epoch, counter); }
Ballot b(std::uint32_t round) { return Ballot::of(round, ServerId{3}); }
std::vector<Entry> entries(std::initializer_list<Zxid> zxids) {
  std::vector<Entry> made;
  for (const Zxid zxid : zxids) made.push_back({zxid, std::make_shared<const Bytes>("x")});
  return made;
}

class FollowerSession : public testing::Test {
 protected:
  void begin(Zxid last = {}, std::vector<Entry> recent = {}, std::uint32_t accepted = 0,
             std::uint32_t current = 0) {
    Options options{.self = ServerId{1}};
    for (int id = 1; id <= 3; ++id)
      options.membership.members[ServerId{id}] =
          Member{.quorum = {{"s", 1}}, .election = {{"s", 2}}};
    engine_ = std::make_unique<OmniPaxos>(options);
    engine_->start({.last_logged = last,
                    .recent = std::move(recent),
                    .accepted_epoch = accepted,
                    .current_epoch = current,
                    .now = {0}});
    connect(kLink);
  }
  void connect(LinkId link) {
    link_ = link;
    engine_->accepted(link, Port::kQuorum);
    engine_->received(link, native::encode(native::Greeting{.engine = native::EngineTag::kOmniPaxos,
                                                            .from = ServerId{3},
                                                            .to = ServerId{1}}));
    reader_ = {};
    is_greeted_ = false;
    drain();
    sent_.clear();
  }
  void hear(const Message& message) { hear_bytes(encode({}, message)); }
  void hear_bytes(const Bytes& body) {
    engine_->received(link_, native::encode_frame('\0' + body));
    drain();
  }
  void saved() {
    engine_->epochs_saved();
    drain();
  }
  void durable(Zxid up_to) {
    engine_->durable(up_to);
    drain();
  }
  // Effects other than what is sent to the leader, which is read.
  void drain() {
    for (Effect& effect : engine_->drain()) {
      if (auto* send = std::get_if<effect::Send>(&effect)) {
        if (send->link == link_) read(send->bytes);
        continue;
      }
      effects_.push_back(std::move(effect));
    }
  }
  void read(BytesView bytes) {
    reader_.feed(bytes);
    if (!is_greeted_) is_greeted_ = reader_.greeting()->has_value();
    for (auto body = reader_.next(); *body; body = reader_.next()) {
      auto said = decode((**body).substr(1));
      if (said && said->message.index() > Message(HeartbeatReply{}).index())
        sent_.push_back(std::move(said->message));
    }
  }
  // All of one kind that was said since the last call of this.
  template <class M>
  std::vector<M> said() {
    std::vector<M> found;
    for (const Message& message : std::exchange(sent_, {}))
      if (const auto* one = std::get_if<M>(&message)) found.push_back(*one);
    return found;
  }
  template <class E>
  std::vector<E> effects() {
    std::vector<E> found;
    for (const Effect& effect : std::exchange(effects_, {}))
      if (const auto* one = std::get_if<E>(&effect)) found.push_back(*one);
    return found;
  }
  // Up to the round accepted; its log ends at `end`.
  void synchronise(Ballot ballot, Zxid after, Zxid end) {
    hear(Prepare{ballot});
    saved();
    const auto promises = said<Promise>();
    ASSERT_THAT(promises, SizeIs(1));
    number_ = promises[0].number;
    hear(AcceptSync{ballot, number_, after, end, {}});
  }

  std::unique_ptr<OmniPaxos> engine_;
  LinkId link_;
  native::FrameReader reader_;
  bool is_greeted_ = false;
  std::vector<Message> sent_;
  Effects effects_;
  std::uint64_t number_ = 0;
};

TEST_F(FollowerSession, APromiseFollowsItsFlush) {
  begin();
  hear(Prepare{b(1)});
  EXPECT_THAT(said<Promise>(), IsEmpty());
  saved();
  EXPECT_THAT(said<Promise>(), SizeIs(1));
}

TEST_F(FollowerSession, APromiseWaitsForEveryEntryThatItClaims) {
  begin();
  synchronise(b(1), {}, z(b(1).epoch, 1));
  hear(AcceptDecide{b(1), {}, {}, entries({z(b(1).epoch, 1)})});
  engine_->unlinked(link_);
  connect(LinkId{4});
  hear(Prepare{b(2)});
  saved();
  EXPECT_THAT(said<Promise>(), IsEmpty()) << "its entry is not on disk";
  durable(z(b(1).epoch, 1));
  const auto promises = said<Promise>();
  ASSERT_THAT(promises, SizeIs(1));
  EXPECT_EQ(promises[0].ends.front(), z(b(1).epoch, 1));
  EXPECT_EQ(promises[0].accepted_round, Ballot{}) << "the round was never accepted";
}

TEST_F(FollowerSession, ALowerBallotIsNotAccepted) {
  begin({}, {}, Ballot::of(7, ServerId{2}).epoch, 0);
  hear(Prepare{b(6)});
  EXPECT_THAT(said<NotAccepted>(), ElementsAre(NotAccepted{Ballot::of(7, ServerId{2})}));
  hear(AcceptDecide{b(6), {}, {}, entries({z(b(6).epoch, 1)})});
  EXPECT_THAT(said<NotAccepted>(), SizeIs(1));
  EXPECT_THAT(effects<effect::Append>(), IsEmpty());
}

TEST_F(FollowerSession, WhatWasNeverPreparedIsAskedToBe) {
  begin();
  hear(AcceptDecide{b(6), {}, {}, entries({z(b(6).epoch, 1)})});
  EXPECT_THAT(said<PrepareReq>(), ElementsAre(PrepareReq{}));
}

// First the log, then the round it was accepted in, then that is said (4.12).
TEST_F(FollowerSession, TheRoundIsSavedBehindTheLogAndSaidBehindBoth) {
  begin();
  const Zxid end = z(5, 2);
  synchronise(b(1), {}, end);
  effects_.clear();
  hear(AcceptDecide{b(1), {}, {}, entries({z(5, 1), end})});
  EXPECT_THAT(effects<effect::SaveEpochs>(), IsEmpty());
  durable(z(5, 1));
  EXPECT_THAT(effects<effect::SaveEpochs>(), IsEmpty());
  durable(end);
  const auto saves = effects<effect::SaveEpochs>();
  ASSERT_THAT(saves, SizeIs(1));
  EXPECT_EQ(saves[0].current, b(1).epoch);
  EXPECT_THAT(said<Accepted>(), IsEmpty());
  saved();
  EXPECT_THAT(said<Accepted>(), ElementsAre(Accepted{b(1), end}));
}

TEST_F(FollowerSession, OnlyWhatDivergesIsCut) {
  begin(z(5, 3), entries({z(1, 1), z(5, 1), z(5, 2), z(5, 3)}));
  synchronise(b(1), z(5, 1), z(5, 1));
  const auto cuts = effects<effect::Cut>();
  ASSERT_THAT(cuts, SizeIs(1));
  EXPECT_EQ(cuts[0].after, z(5, 1));
  hear(AcceptDecide{b(1), z(5, 1), {}, entries({z(b(1).epoch, 1)})});
  EXPECT_THAT(effects<effect::Append>(), IsEmpty()) << "the cut is under way";
  engine_->was_cut(z(5, 1));
  drain();
  EXPECT_THAT(effects<effect::Append>(), SizeIs(1));
}

// A message that was lost without anybody noticing: nothing is accepted over the gap.
TEST_F(FollowerSession, AGapIsNeverAcceptedOver) {
  begin();
  synchronise(b(1), {}, {});
  saved();
  effects_.clear();
  const std::uint32_t epoch = b(1).epoch;
  hear(AcceptDecide{b(1), {}, {}, entries({z(epoch, 1)})});
  hear(AcceptDecide{b(1), z(epoch, 2), {}, entries({z(epoch, 3)})});
  EXPECT_THAT(said<PrepareReq>(), ElementsAre(PrepareReq{b(1)}));
  hear(AcceptDecide{b(1), z(epoch, 1), {}, entries({z(epoch, 2)})});
  EXPECT_THAT(effects<effect::Append>(), SizeIs(1)) << "until it is prepared anew";
  EXPECT_FALSE(engine_->status().is_serving);
  hear(Prepare{b(1)});
  durable(z(epoch, 1));
  EXPECT_THAT(said<Promise>(), SizeIs(1)) << "the same ballot again";
}

TEST_F(FollowerSession, AnAnswerToAnEarlierPromiseIsNotTaken) {
  begin();
  synchronise(b(1), {}, {});
  saved();
  hear(Prepare{b(1)});
  effects_.clear();
  hear(AcceptSync{b(1), number_, {}, {}, {}});
  hear(AcceptDecide{b(1), {}, {}, entries({z(b(1).epoch, 1)})});
  EXPECT_THAT(effects<effect::Append>(), IsEmpty());
}

TEST_F(FollowerSession, WhatIsDecidedIsNeverCut) {
  begin();
  const Zxid first = z(b(1).epoch, 1);
  synchronise(b(1), {}, {});
  saved();
  hear(AcceptDecide{b(1), {}, first, entries({first})});
  durable(first);
  ASSERT_THAT(effects<effect::Commit>(), SizeIs(1));
  hear(Prepare{b(2)});
  saved();
  const auto promises = said<Promise>();
  ASSERT_THAT(promises, SizeIs(1));
  hear(AcceptSync{b(2), promises[0].number, {}, {}, {}});
  EXPECT_THAT(effects<effect::Cut>(), IsEmpty());
}

TEST_F(FollowerSession, ALogThatIsFetchedIsSentFromWhereItIsLacked) {
  begin(z(5, 3), entries({z(1, 1), z(5, 1), z(5, 2), z(5, 3)}));
  hear(Prepare{b(1)});
  saved();
  said<Promise>();
  hear(Fetch{b(1), 9, z(5, 1), false});
  const auto fetched = said<Fetched>();
  ASSERT_THAT(fetched, SizeIs(1));
  EXPECT_EQ(fetched[0].fetch, 9U);
  EXPECT_EQ(fetched[0].previous, z(5, 1));
  EXPECT_TRUE(fetched[0].is_end);
  EXPECT_THAT(fetched[0].entries, SizeIs(2));
  hear(Fetch{b(1), 10, Zxid{}, false});
  EXPECT_THAT(effects<effect::ReadLog>(), SizeIs(1)) << "memory does not go back so far";
}

TEST_F(FollowerSession, TheLogIsReadForOneAtATime) {
  begin(z(5, 3), entries({z(5, 2), z(5, 3)}));
  hear(Prepare{b(1)});
  saved();
  said<Promise>();
  hear(Fetch{b(1), 9, z(1, 1), false});
  hear(Fetch{b(1), 10, z(1, 2), false});
  auto reads = effects<effect::ReadLog>();
  ASSERT_THAT(reads, SizeIs(1));
  EXPECT_EQ(reads[0].after, z(1, 1));
  engine_->log_read(link_, entries({z(1, 2), z(5, 1), z(5, 2)}), true);
  drain();
  EXPECT_THAT(said<Fetched>(), IsEmpty()) << "nobody waits for it any more";
  reads = effects<effect::ReadLog>();
  ASSERT_THAT(reads, SizeIs(1));
  EXPECT_EQ(reads[0].after, z(1, 2));
  engine_->log_read(link_, entries({z(5, 1)}), false);
  engine_->log_read(link_, entries({z(5, 2)}), true);
  drain();
  const auto fetched = said<Fetched>();
  ASSERT_THAT(fetched, SizeIs(3));
  EXPECT_EQ(fetched[2].fetch, 10U);
  EXPECT_EQ(fetched[2].previous, z(5, 2));
  EXPECT_TRUE(fetched[2].is_end);
}

// A tree shorter than the log: until the round is accepted, its promises count only beside that of
// the server from which it came.
TEST_F(FollowerSession, ATreeInPlaceOfALongerLogIsMarkedFirst) {
  begin(z(5, 3), entries({z(5, 1), z(5, 2), z(5, 3)}));
  hear(Prepare{b(1)});
  saved();
  const auto promises = said<Promise>();
  ASSERT_THAT(promises, SizeIs(1));
  EXPECT_EQ(promises[0].covered_by, ServerId{});
  const LinkId tree{6};
  engine_->accepted(tree, Port::kQuorum);
  engine_->received(tree, native::encode(native::Greeting{.engine = native::EngineTag::kOmniPaxos,
                                                          .purpose = native::Purpose::kSnapshot,
                                                          .from = ServerId{3},
                                                          .to = ServerId{1}}));
  effects_.clear();
  engine_->received(
      tree, native::encode_frame('\2' + encode(SnapshotHead{b(1), promises[0].number, z(4, 9)})));
  drain();
  ASSERT_THAT(effects_, SizeIs(2));
  ASSERT_TRUE(std::holds_alternative<effect::SaveEpochs>(effects_[0]));
  EXPECT_EQ(std::get<effect::SaveEpochs>(effects_[0]).voted_for, ServerId{3});
  ASSERT_TRUE(std::holds_alternative<effect::ReceiveSnapshot>(effects_[1]));
  saved();
  engine_->snapshot_installed(tree, z(4, 9), {}, {});
  drain();
  const auto after = said<Promise>();
  ASSERT_THAT(after, SizeIs(1));
  EXPECT_EQ(after[0].covered_by, ServerId{3});
  EXPECT_EQ(after[0].ends.front(), z(4, 9));
  hear(AcceptSync{b(1), after[0].number, z(4, 9), z(4, 9), {}});
  saved();
  EXPECT_THAT(said<Accepted>(), SizeIs(1));
  hear(Prepare{b(2)});
  saved();
  const auto complete = said<Promise>();
  ASSERT_THAT(complete, SizeIs(1));
  EXPECT_EQ(complete[0].covered_by, ServerId{});
}

TEST_F(FollowerSession, AMessageThatMakesNoSenseCostsItsLink) {
  begin();
  effects_.clear();
  hear_bytes("\x7f");
  const auto closed = effects<effect::Close>();
  ASSERT_THAT(closed, SizeIs(1));
  EXPECT_EQ(closed[0].link, kLink);
}

TEST_F(FollowerSession, NobodyLeadsByAnothersBallot) {
  begin();
  effects_.clear();
  hear(Prepare{Ballot::of(1, ServerId{2})});
  EXPECT_THAT(effects<effect::Close>(), SizeIs(1));
}

TEST_F(FollowerSession, AConfirmationIsOnlyForTheRoundPromised) {
  begin();
  hear(Prepare{b(2)});
  saved();
  sent_.clear();
  hear(Confirm{b(2), 5});
  EXPECT_THAT(said<Confirmed>(), ElementsAre(Confirmed{b(2), 5}));
  hear(Confirm{b(1), 6});
  EXPECT_THAT(said<NotAccepted>(), ElementsAre(NotAccepted{b(2)}));
}

}  // namespace
}  // namespace synod::consensus::omnipaxos
