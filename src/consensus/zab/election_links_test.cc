#include "consensus/zab/election_links.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "consensus/zab/test_election_network.h"
#include "jute/codec.h"

namespace synod::consensus::zab {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// What an effect does, in words; sends by what is in them.
std::string words(const Effect& effect) {
  if (const auto* dial = std::get_if<effect::Dial>(&effect)) {
    return "dial " + std::to_string(dial->server.value) + " at " + dial->endpoints[0].host;
  }
  if (const auto* close = std::get_if<effect::Close>(&effect)) {
    return "close " + std::to_string(close->link.value) +
           (close->reason.empty() ? "" : ": " + close->reason);
  }
  const auto& send = std::get<effect::Send>(effect);
  std::string text = "send " + std::to_string(send.link.value) + ':';
  BytesView rest = send.bytes;
  if (rest.starts_with('\xff')) {
    text += " initial";
    rest.remove_prefix(find_initial_message(rest)->size);
  }
  for (jute::Reader in(rest); in.remaining() > 0;) text += ' ' + Bytes(in.view().value_or("?"));
  return text;
}

// Server 3 of five; every link it dials is odd, what the test lets others dial is even.
class Links : public testing::Test {
 protected:
  Links() { links_.tick({now_}); }

  std::vector<std::string> happened() {
    std::vector<std::string> all;
    for (const Effect& effect : outbox_.take()) all.push_back(words(effect));
    return all;
  }
  std::vector<std::string> heard() {
    std::vector<std::string> all;
    for (const auto& message : links_.take_messages()) {
      all.push_back(std::to_string(message.from.value) + ' ' + message.payload +
                    (message.is_first ? " (first)" : ""));
    }
    return all;
  }
  void pass(std::int64_t ms) {
    now_ += ms;
    links_.tick({now_});
  }
  // Somebody dials us and introduces itself.
  void come(std::uint64_t link, std::int64_t server, std::vector<Endpoint> addresses = {{"x", 1}}) {
    links_.accepted({link});
    links_.received({link}, encode_initial_message({server}, addresses));
  }

  std::int64_t now_ = 1000;
  Membership membership_ = test::ensemble(5);
  Outbox outbox_;
  ElectionLinks links_{{.self = {3}}, membership_, outbox_};
};

// ---- dialling -----------------------------------------------------------------------------------

// A Java server closes a connection whose initial message comes in two pieces.
TEST_F(Links, TheInitialMessageGoesOutInOnePieceWithWhatIsToBeSaid) {
  links_.send({1}, "vote");
  EXPECT_THAT(happened(), ElementsAre("dial 1 at h1"));
  links_.linked({1});
  EXPECT_THAT(happened(), ElementsAre("send 1: initial vote"));
  EXPECT_EQ(links_.reach({1}), ElectionLinks::Reach::kLinked);
}

TEST_F(Links, OnlyTheNewestIsSaid) {
  links_.send({1}, "old");
  links_.send({1}, "new");
  links_.linked({1});
  EXPECT_THAT(happened(), ElementsAre("dial 1 at h1", "send 1: initial new"));
}

TEST_F(Links, TheLargerServerIsAskedToCallBack) {
  links_.send({5}, "vote");
  links_.linked({1});
  EXPECT_THAT(happened(), ElementsAre("dial 5 at h5", "send 1: initial")) << "and it closes";
  links_.unlinked({1});
  EXPECT_EQ(links_.reach({5}), ElectionLinks::Reach::kTrying);
  come(2, 5);
  EXPECT_THAT(happened(), ElementsAre("send 2: vote"));
  EXPECT_EQ(links_.reach({5}), ElectionLinks::Reach::kLinked);
}

TEST_F(Links, AChallengeIsRepeatedWhenNobodyCallsBack) {
  links_.want_voters(true);
  (void)happened();
  for (const std::uint64_t link : {1, 3}) links_.unlinked({link});  // 1 and 2 are not there
  links_.linked({7});
  links_.unlinked({7});
  EXPECT_THAT(happened(), ElementsAre("send 7: initial"));
  links_.unlinked({5});
  pass(499);
  (void)happened();
  pass(1);
  EXPECT_THAT(happened(), testing::Contains("dial 5 at h5"));
}

TEST_F(Links, ADialThatIsNotAnsweredIsGivenUp) {
  links_.want_voters(true);
  EXPECT_THAT(happened(),
              ElementsAre("dial 1 at h1", "dial 2 at h2", "dial 4 at h4", "dial 5 at h5"));
  pass(4999);
  EXPECT_THAT(happened(), IsEmpty());
  pass(1);
  EXPECT_THAT(happened(), ElementsAre("close 1", "close 3", "close 5", "close 7"));
  EXPECT_EQ(links_.reach({1}), ElectionLinks::Reach::kNone);
}

TEST_F(Links, WhoDoesNotAnswerIsDialledLessAndLess) {
  const Membership two = test::ensemble(2);
  Outbox outbox;
  ElectionLinks links({.self = {2}}, two, outbox);
  links.tick({0});
  links.want_voters(true);
  std::vector<std::int64_t> dialled;
  for (std::int64_t now = 0; now < 5000; now = links.next_deadline()->value, links.tick({now})) {
    for (const Effect& effect : outbox.take()) {
      dialled.push_back(now);
      links.unlinked(std::get<effect::Dial>(effect).link);
    }
  }
  EXPECT_THAT(dialled, ElementsAre(0, 100, 300, 700, 1500, 2500, 3500, 4500));
}

TEST_F(Links, ABrokenLinkIsReplacedAtOnceByTheLargerServer) {
  links_.want_voters(true);
  links_.linked({1});
  links_.received({1}, framed("hello"));
  (void)happened();
  links_.unlinked({1});
  EXPECT_THAT(happened(), ElementsAre("dial 1 at h1"));
  // Not again, if nothing was heard: it might go on like that.
  links_.linked({9});
  (void)happened();
  links_.unlinked({9});
  EXPECT_THAT(happened(), IsEmpty());
}

TEST_F(Links, WhoHasAnsweredIsDialledOftenAgain) {
  const Membership two = test::ensemble(2);
  Outbox outbox;
  ElectionLinks links({.self = {2}}, two, outbox);
  links.tick({0});
  links.want_voters(true);
  std::int64_t now = 0;
  for (const std::uint64_t failed : {1, 3, 5, 7}) {
    links.unlinked({failed});
    links.tick({now = links.next_deadline()->value});
  }
  links.linked({9});
  links.received({9}, framed("here"));
  links.unlinked({9});   // dialled anew at once
  links.unlinked({11});  // and then after the shortest pause
  EXPECT_EQ(links.next_deadline()->value, now + 100);
}

TEST_F(Links, WhoIsNotLookingDialsToSaySomethingOnce) {
  links_.send({1}, "answer");
  EXPECT_THAT(happened(), ElementsAre("dial 1 at h1"));
  links_.unlinked({1});
  pass(60000);
  EXPECT_THAT(happened(), IsEmpty());
  EXPECT_EQ(links_.next_deadline(), std::nullopt);
}

// ---- being dialled ------------------------------------------------------------------------------

TEST_F(Links, ASmallerServerIsCalledBack) {
  come(2, 1);
  EXPECT_THAT(happened(), ElementsAre("close 2", "dial 1 at h1")) << "where it is configured";
}

TEST_F(Links, ASmallerServerThatAsksAgainHasLostItsLink) {
  links_.send({1}, "vote");
  links_.linked({1});
  (void)happened();
  come(2, 1);
  EXPECT_THAT(happened(), ElementsAre("close 2", "close 1", "dial 1 at h1"));
  links_.linked({3});
  EXPECT_THAT(happened(), ElementsAre("send 3: initial vote")) << "said again";
}

TEST_F(Links, ADialUnderWayIsCallBackEnough) {
  links_.send({1}, "vote");
  (void)happened();
  come(2, 1);
  EXPECT_THAT(happened(), ElementsAre("close 2"));
}

TEST_F(Links, TheNewestLinkOfALargerServerWins) {
  come(2, 5);
  links_.received({2}, framed("a") + framed("b"));
  come(4, 5);
  links_.received({4}, framed("c"));
  EXPECT_THAT(happened(), ElementsAre("close 2"));
  EXPECT_THAT(heard(), ElementsAre("5 a (first)", "5 b", "5 c (first)"));
  EXPECT_FALSE(links_.owns({2}));
}

TEST_F(Links, OurChallengeIsWithdrawnWhenItsAnswerIsHere) {
  links_.send({5}, "vote");
  (void)happened();
  come(2, 5);
  EXPECT_THAT(happened(), ElementsAre("close 1", "send 2: vote"));
}

TEST_F(Links, FramesMayComeBehindTheInitialMessageInAnyPieces) {
  const Bytes bytes = encode_initial_message({4}, {{"h4", 3888}}) + framed("one") + framed("two");
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Random random(seed);
    const LinkId link{2 * seed};
    links_.accepted(link);
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t count = std::min(1 + random.below(30), bytes.size() - at);
      links_.received(link, BytesView(bytes).substr(at, count));
      at += count;
    }
    ASSERT_THAT(heard(), ElementsAre("4 one (first)", "4 two"));
  }
}

TEST_F(Links, WhoDoesNotSayWhoItIsIsClosedAndCostsNobodyAnything) {
  links_.accepted({2});
  links_.received({2}, Bytes("\xff\xff\xff\xff\xff\xff", 6));
  come(4, 5);
  EXPECT_EQ(links_.reach({5}), ElectionLinks::Reach::kLinked);
  pass(3999);
  EXPECT_THAT(happened(), IsEmpty());
  pass(1);
  EXPECT_THAT(happened(), ElementsAre("close 2: it did not say who it is"));
}

TEST_F(Links, OfTooManyThatAreSilentTheLongestGoes) {
  for (std::uint64_t i = 1; i <= 256; ++i) {
    links_.accepted({2 * i});
    pass(1);
  }
  EXPECT_THAT(happened(), IsEmpty());
  come(1000, 5);
  EXPECT_THAT(happened(), ElementsAre("close 2: too many that do not say who they are"));
  EXPECT_EQ(links_.reach({5}), ElectionLinks::Reach::kLinked);
}

TEST_F(Links, BadIntroductionsAreRefused) {
  come(2, 3);
  come(4, 0);
  come(6, -7);
  links_.accepted({8});
  links_.received({8},
                  "GET / HTTP/1.1\r\n\r\n");  // a positive number, and an ancient server's at that
  links_.accepted({10});
  links_.received({10}, Bytes(8, '\xff'));
  EXPECT_THAT(happened(), ElementsAre("close 2: it says it has this server's number",
                                      "close 4: a server's number is 1 or more",
                                      "close 6: a server's number is 1 or more",
                                      "close 8: a frame of 1414541105 bytes",
                                      "close 10: this is not how a server introduces itself"));
}

// ---- strangers ----------------------------------------------------------------------------------

TEST_F(Links, ASmallerStrangerIsCalledBackWhereItSaysItListens) {
  const Membership high = [] {
    Membership membership = test::ensemble(0);
    for (const int i : {7, 8, 9}) membership.members[{i}] = test::ensemble(9).members.at({i});
    return membership;
  }();
  Outbox outbox;
  ElectionLinks links({.self = {9}}, high, outbox);
  links.accepted({2});
  links.received({2}, encode_initial_message({4}, {{"joiner", 3888}}));
  auto effects = outbox.take();
  ASSERT_EQ(effects.size(), 2U);
  EXPECT_EQ(words(effects[1]), "dial 4 at joiner");
  links.accepted({4});
  links.received({4}, encode_initial_message({5}, {{"0.0.0.0", 3888}}));
  effects = outbox.take();
  ASSERT_EQ(effects.size(), 1U) << "it says nowhere that could be dialled";
  EXPECT_EQ(words(effects[0]), "close 4");
}

TEST_F(Links, NamelessObserversAreToldApart) {
  for (const std::uint64_t link : {2, 4}) {
    come(link, kAnonymous.value);
    links_.received({link}, framed("who leads?"));
  }
  EXPECT_THAT(heard(), ElementsAre("-1 who leads? (first)", "-2 who leads? (first)"));
  links_.send({-2}, "3");
  EXPECT_THAT(happened(), ElementsAre("send 4: 3"));
  links_.unlinked({4});
  links_.send({-2}, "3");
  EXPECT_THAT(happened(), IsEmpty()) << "it cannot be dialled";
}

TEST_F(Links, StrangersAreBoundedAndMembersAreNot) {
  for (std::uint64_t i = 1; i <= 65; ++i) come(2 * i, kAnonymous.value);
  EXPECT_THAT(happened(), ElementsAre("close 130: too many servers that are no members"));
  come(200, 5);
  EXPECT_EQ(links_.reach({5}), ElectionLinks::Reach::kLinked);
  links_.unlinked({2});
  come(202, kAnonymous.value);
  EXPECT_THAT(happened(), IsEmpty()) << "there is room again";
}

// ---- frames -------------------------------------------------------------------------------------

TEST_F(Links, FramesOfBadLengthCloseTheirLinkOnly) {
  come(2, 5);
  come(4, 4);
  std::uint64_t link = 2;
  for (const std::int32_t length : {0, -1, 524289, std::numeric_limits<std::int32_t>::min()}) {
    links_.received({link}, framed("good") + jute::encode(length));
    EXPECT_THAT(happened(), ElementsAre("close " + std::to_string(link) + ": a frame of " +
                                        std::to_string(length) + " bytes"));
    EXPECT_THAT(heard(), ElementsAre("5 good (first)"));
    come(link += 10, 5);
  }
  links_.received({4}, framed("fine"));
  EXPECT_THAT(heard(), ElementsAre("4 fine (first)"));
}

TEST_F(Links, TheLargestFrameIsTaken) {
  come(2, 5);
  const Bytes payload(kMaxFrameBytes, 'x');
  links_.received({2}, framed(payload));
  const auto messages = links_.take_messages();
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(messages[0].payload, payload);
}

// ---- while it matters ---------------------------------------------------------------------------

TEST_F(Links, WhatWasSaidLastIsSaidAgainOnANewLinkWhileLooking) {
  links_.want_voters(true);
  links_.send({5}, "vote");
  come(2, 5);
  (void)happened();
  come(4, 5);
  EXPECT_THAT(happened(), ElementsAre("close 2", "send 4: vote"));
  links_.want_voters(false);
  come(6, 5);
  EXPECT_THAT(happened(), ElementsAre("close 4")) << "it is old news";
}

TEST_F(Links, ALinkOnWhichNothingAnswersIsReplaced) {
  links_.want_voters(true);
  for (const std::uint64_t link : {1, 3, 5}) links_.unlinked({link});
  come(2, 5);
  links_.send({5}, "vote");
  (void)happened();
  pass(4999);
  EXPECT_THAT(happened(), testing::Not(testing::Contains(testing::HasSubstr("close"))));
  pass(1);
  EXPECT_THAT(happened(),
              testing::IsSupersetOf({"close 2: no answer from server 5", "dial 5 at h5"}));
}

TEST_F(Links, ALinkThatAnswersOrMattersToNobodyIsLeftAlone) {
  come(2, 5);
  links_.send({5}, "vote");
  pass(100000);
  EXPECT_THAT(happened(), ElementsAre("send 2: vote"));
  links_.want_voters(true);
  (void)happened();
  for (int i = 0; i < 10; ++i) {
    links_.send({5}, "vote");
    pass(3000);
    links_.received({2}, framed("mine"));
    EXPECT_THAT(happened(), testing::Not(testing::Contains(testing::StartsWith("close 2"))));
  }
}

}  // namespace
}  // namespace synod::consensus::zab
