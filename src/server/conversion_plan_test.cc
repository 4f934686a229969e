#include "server/conversion_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/test_support.h"

namespace synod::server {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Kind = ConversionPlan::Kind;

FoundMember of(const std::string& engine, FoundMember member) {
  member.record = EngineRecord{.engine = engine};
  return member;
}
FoundMember marked(const std::string& from, const std::string& to, std::uint64_t conversion,
                   FoundMember member) {
  member.record = EngineRecord{from, to, conversion};
  return member;
}
FoundMember finished(const std::string& engine, std::uint64_t conversion, FoundMember member) {
  member.record = EngineRecord{engine, {}, conversion};
  return member;
}
FoundMember forgetful(FoundMember member) {
  member.has_memory = false;
  return member;
}
FoundMember wiped(std::int64_t id) { return {.id = {id}, .directory = "/d" + std::to_string(id)}; }

ConversionPlan planned(const ConversionWish& wish, const std::vector<FoundMember>& found,
                       int voters = 3, int observers = 0) {
  const auto plan = plan_conversion(test_servers(voters, observers), wish, found);
  EXPECT_TRUE(plan) << plan.error().text;
  return plan.value_or(ConversionPlan{});
}
std::string refusal(const ConversionWish& wish, const std::vector<FoundMember>& found,
                    int voters = 3) {
  const auto plan = plan_conversion(test_servers(voters), wish, found);
  return plan ? "planned" : plan.error().text;
}

const FoundMember kOne = test_member(1, 5, 5, Zxid::of(5, 9));
const FoundMember kTwo = test_member(2, 5, 5, Zxid::of(5, 7));
const FoundMember kThree = test_member(3, 5, 5, Zxid::of(5, 8));

// ---- whose log --------------------------------------------------------------------------------

TEST(ConversionPlan, ZabGoesByCurrentEpochThenZxid) {
  const auto early = test_member(1, 7, 5, Zxid::of(5, 900));
  const auto late = test_member(2, 6, 6, Zxid::of(5, 3));
  const auto longer = test_member(3, 6, 6, Zxid::of(6, 1));
  EXPECT_EQ(planned({.to = "raft"}, {early, late, longer}).chosen, ServerId{3});
  EXPECT_EQ(planned({.to = "raft", .lost = {{3}}}, {early, late}).chosen, ServerId{2});
  EXPECT_EQ(planned({.to = "raft"}, {kThree, kTwo, kOne}).last, Zxid::of(5, 9));
}

TEST(ConversionPlan, RaftGoesByTheLastEntryAlone) {
  const auto early = of("raft", test_member(1, 9, 9, Zxid::of(5, 900)));
  const auto late = of("raft", test_member(2, 6, 6, Zxid::of(6, 3)));
  const auto plan = planned({.to = "zab", .lost = {{3}}}, {early, late});
  EXPECT_EQ(plan.chosen, ServerId{2});
  EXPECT_EQ(plan.from, "raft");
  EXPECT_EQ(plan.epoch, 9U) << "above the term that was only entered, too";
}

TEST(ConversionPlan, OmniPaxosGoesByAcceptedRoundThenLength) {
  const auto longer = of("omnipaxos", test_member(1, 0x301, 0x201, Zxid::of(0x201, 900)));
  const auto later = of("omnipaxos", test_member(2, 0x301, 0x301, Zxid::of(0x201, 3)));
  EXPECT_EQ(planned({.to = "raft", .lost = {{3}}}, {longer, later}).chosen, ServerId{2});
}

// A tree took the place of a longer log: what it lacks may have been chosen, and is where the tree
// came from.
TEST(ConversionPlan, OmniPaxosAMarkCountsOnlyBesideItsServer) {
  auto covered = of("omnipaxos", test_member(1, 0x301, 0x201, Zxid::of(0x201, 900)));
  covered.voted_for = ServerId{3};
  const auto other = of("omnipaxos", test_member(2, 0x301, 0x201, Zxid::of(0x201, 5)));
  const auto source = of("omnipaxos", test_member(3, 0x301, 0x201, Zxid::of(0x201, 950)));
  EXPECT_THAT(refusal({.to = "zab", .lost = {{3}}}, {covered, other}), HasSubstr("no quorum"));
  EXPECT_EQ(planned({.to = "zab", .lost = {{2}}}, {covered, source}).chosen, ServerId{3});
  covered.current_epoch = 0x301;  // it has accepted the round: the mark is over
  EXPECT_EQ(planned({.to = "zab", .lost = {{3}}}, {covered, other}).chosen, ServerId{1});
}

TEST(ConversionPlan, WhoRemembersNothingAndWhoOnlyWatchesHaveNoSay) {
  const auto observer = test_member(4, 5, 5, Zxid::of(5, 99));
  const auto plan = planned({.to = "raft"}, {kTwo, kThree, forgetful(kOne), observer}, 3, 1);
  EXPECT_EQ(plan.chosen, ServerId{3});
}

// ---- where the new engine starts --------------------------------------------------------------

TEST(ConversionPlan, TheNewEngineStartsAboveEveryEpochFound) {
  auto promised = forgetful(test_member(3, 0x123, 0, Zxid{}));
  EXPECT_EQ(planned({.to = "raft"}, {kOne, kTwo, promised}).epoch, 0x123U);
  EXPECT_EQ(planned({.to = "omnipaxos"}, {kOne, kTwo, promised}).epoch, 0x200U)
      << "a ballot of nobody, so that nobody can have used it";
  promised.accepted_epoch = 0x200;
  EXPECT_EQ(planned({.to = "omnipaxos"}, {kOne, kTwo, promised}).epoch, 0x200U) << "again the same";
  promised.accepted_epoch = 0x7f000000;
  EXPECT_THAT(refusal({.to = "raft"}, {kOne, kTwo, promised}), HasSubstr("no room"));
}

// ---- who has to be there ----------------------------------------------------------------------

TEST(ConversionPlan, EveryVoterIsGivenOrLost) {
  EXPECT_THAT(refusal({.to = "raft"}, {kOne, kTwo}), HasSubstr("--lost 3"));
  EXPECT_EQ(refusal({.to = "raft", .lost = {{3}}}, {kOne, kTwo}), "planned");
  EXPECT_THAT(refusal({.to = "raft", .lost = {{9}}}, {kOne, kTwo, kThree}),
              HasSubstr("no server.9"));
  EXPECT_THAT(refusal({.to = "raft", .lost = {{3}}}, {kOne, kTwo, kThree}), HasSubstr("not both"));
  EXPECT_THAT(refusal({.to = "raft"}, {kOne, kTwo, kTwo}), HasSubstr("given twice"));
  EXPECT_THAT(refusal({.to = "raft"}, {kOne, kTwo, test_member(7, 1, 1, {})}),
              HasSubstr("no server.7"));
  EXPECT_EQ(planned({.to = "raft"}, {kOne, kTwo, kThree}, 3, 1).kind, Kind::kConvert)
      << "an observer need not be there";
}

TEST(ConversionPlan, AQuorumHasToRemember) {
  const ConversionWish wish{.to = "raft", .lost = {{2}, {3}}};
  EXPECT_THAT(refusal(wish, {kOne}),
              AllOf(HasSubstr("acknowledged may be lost"), HasSubstr("the lost ones"),
                    HasSubstr("would serve clients beside"), HasSubstr("--accept-lost-writes")));
  EXPECT_THAT(refusal({.to = "raft"}, {kOne, forgetful(kTwo), wiped(3)}),
              HasSubstr("only 1 can be asked"));
  const auto plan =
      planned({.to = "raft", .lost = {{2}, {3}}, .accepts_lost_writes = true}, {kOne});
  EXPECT_EQ(plan.chosen, ServerId{1});
  EXPECT_EQ(plan.warnings.size(), 1U);
  EXPECT_THAT(refusal({.to = "raft", .accepts_lost_writes = true},
                      {forgetful(kOne), forgetful(kTwo), wiped(3)}),
              HasSubstr("nothing to choose from"));
  EXPECT_THAT(refusal({.to = "raft"}, {wiped(1), wiped(2), wiped(3)}),
              HasSubstr("nothing to convert"));
}

// ---- from which engine ------------------------------------------------------------------------

TEST(ConversionPlan, AnOldEngineIsRecordedOrZabOrSaid) {
  auto unrecorded = std::vector{kOne, kTwo, kThree};
  for (FoundMember& one : unrecorded) one.record.reset();
  EXPECT_EQ(planned({.to = "raft"}, unrecorded).from, "zab");
  EXPECT_EQ(planned({.to = "zab"}, unrecorded).kind, Kind::kNothing);
  EXPECT_EQ(planned({.to = "zab", .from = "raft"}, unrecorded).from, "raft");
  EXPECT_THAT(refusal({.to = "omnipaxos", .from = "raft"}, {kOne, kTwo, kThree}),
              HasSubstr("belongs to zab, not to raft"));
}

// Server 3 was lost, and comes back when the others have gone on without it.
TEST(ConversionPlan, WhoWasLeftOutStaysOut) {
  const auto one = finished("raft", 77, kOne);
  const auto two = finished("raft", 77, kTwo);
  EXPECT_THAT(refusal({.to = "raft"}, {one, two, kThree}), HasSubstr("left out"));
  EXPECT_THAT(refusal({.to = "zab"}, {one, two, kThree}), HasSubstr("left out"));
  EXPECT_THAT(refusal({.to = "raft"}, {one, two, marked("zab", "raft", 76, kThree)}),
              HasSubstr("left out"));
  EXPECT_EQ(planned({.to = "raft"}, {one, two, wiped(3)}).kind, Kind::kNothing);
}

TEST(ConversionPlan, AnInterruptedOneGoesOnWhereItWas) {
  const auto first_marked = marked("zab", "raft", 77, kOne);
  EXPECT_EQ(planned({.to = "raft"}, {first_marked, kTwo, kThree}).kind, Kind::kConvert);
  EXPECT_EQ(planned({.to = "zab"}, {first_marked, kTwo, kThree}).kind, Kind::kConvert)
      << "while no new engine may have started, the old one can be had back";
  const auto all_marked =
      std::vector{first_marked, marked("zab", "raft", 77, kTwo), marked("zab", "raft", 78, kThree)};
  EXPECT_EQ(planned({.to = "raft"}, all_marked).from, "zab");
  const auto last_phase = std::vector{finished("raft", 77, kOne), marked("zab", "raft", 77, kTwo),
                                      marked("zab", "raft", 77, kThree)};
  const auto plan = planned({.to = "raft"}, last_phase);
  EXPECT_EQ(plan.kind, Kind::kFinish);
  EXPECT_EQ(plan.finishes, 77U);
  EXPECT_THAT(refusal({.to = "zab"}, last_phase), HasSubstr("finished first"));
}

}  // namespace
}  // namespace synod::server
