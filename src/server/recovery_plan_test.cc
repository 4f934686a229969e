#include "server/recovery_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/test_support.h"

namespace synod::server {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Kind = ConversionPlan::Kind;

constexpr char kNewcomer[] = "server.6=h6:2888:3888;2181";

FoundMember member(std::int64_t id, std::uint32_t accepted, std::uint32_t current, Zxid last) {
  FoundMember member = test_member(id, accepted, current, last);
  member.when = WallTimeMs{1'700'000'000'000};
  return member;
}
FoundMember empty(std::int64_t id) { return {.id = {id}, .directory = "/d" + std::to_string(id)}; }

const FoundMember kOne = member(1, 5, 5, Zxid::of(5, 9));
const FoundMember kTwo = member(2, 5, 5, Zxid::of(5, 7));

RecoveryPlan planned(const RecoveryWish& wish, const std::vector<FoundMember>& found,
                     const consensus::Membership& configured = test_servers(5)) {
  const auto plan = plan_recovery(configured, wish, found);
  EXPECT_TRUE(plan) << plan.error().text;
  return plan.value_or(RecoveryPlan{});
}
std::string refusal(const RecoveryWish& wish, const std::vector<FoundMember>& found,
                    const consensus::Membership& configured = test_servers(5)) {
  const auto plan = plan_recovery(configured, wish, found);
  return plan ? "planned" : plan.error().text;
}
std::string all_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

// ---- whose log --------------------------------------------------------------------------------

TEST(RecoveryPlan, TheMostAdvancedSurvivorByTheEnginesRule) {
  const auto late = member(2, 6, 6, Zxid::of(5, 3));
  EXPECT_EQ(planned({}, {kOne, kTwo}).work.chosen, ServerId{1});
  EXPECT_EQ(planned({}, {kOne, late}).work.chosen, ServerId{2}) << "by epoch before zxid";
}

// Nobody tells it what is not committed, and a voter may have been away for longer.
TEST(RecoveryPlan, AnObserverThatKnowsMoreCounts) {
  const auto observer = member(6, 5, 5, Zxid::of(5, 20));
  EXPECT_EQ(planned({}, {kTwo, observer}, test_servers(5, 1)).work.chosen, ServerId{6});
  EXPECT_THAT(refusal({}, {observer}, test_servers(5, 1)), HasSubstr("only observers are left"));
  const RecoveryWish promoted{.joining = "server.6=h6:2888:3888:participant;2181", .from = {}};
  const auto plan = planned(promoted, {observer}, test_servers(5, 1));
  EXPECT_EQ(plan.after.voters(), consensus::Servers{ServerId{6}});
}

TEST(RecoveryPlan, ADamagedLogIsBetterThanNone) {
  auto forgetful = kOne;
  forgetful.has_memory = false;
  EXPECT_EQ(planned({}, {forgetful, kTwo}).work.chosen, ServerId{2});
  const auto plan = planned({}, {forgetful});
  EXPECT_EQ(plan.work.chosen, ServerId{1});
  EXPECT_THAT(all_of(plan.losses), HasSubstr("damaged"));
  EXPECT_THAT(refusal({}, {empty(1), empty(2)}), HasSubstr("none of these directories"));
}

// ---- who belongs, and from where on -----------------------------------------------------------

TEST(RecoveryPlan, TheMembershipIsThoseGivenAboveEveryEpoch) {
  const auto plan = planned({}, {kOne, kTwo});
  EXPECT_EQ(plan.after.voters(), (consensus::Servers{{1}, {2}}));
  EXPECT_EQ(plan.gone, (consensus::Servers{{3}, {4}, {5}}));
  EXPECT_EQ(plan.work.epoch, 0x10000U) << "far above: those who are gone may have opened more";
  EXPECT_EQ(plan.after.version, Zxid::of(0x10000, 1).value);
  EXPECT_EQ(plan.work.from, plan.work.to);
  EXPECT_EQ(planned({}, {member(1, 0x10000, 5, Zxid::of(5, 1))}).work.epoch, 0x20000U);
  EXPECT_THAT(refusal({}, {member(1, 0x7eff0000, 5, Zxid::of(5, 1))}), HasSubstr("no room"));
}

TEST(RecoveryPlan, TheNewestMembershipThatALogKnowsWasTheEnsembles) {
  auto later = test_servers(4);
  later.version = Zxid::of(5, 8).value;
  auto one = kOne;
  one.config_version = Zxid::of(5, 8);
  one.config_text = later.to_text();
  const auto plan = planned({}, {one});
  EXPECT_EQ(plan.gone, (consensus::Servers{{2}, {3}, {4}}));
}

TEST(RecoveryPlan, NewcomersAreNamedAndFilled) {
  const RecoveryWish wish{.joining = kNewcomer, .from = {}};
  EXPECT_EQ(planned(wish, {kOne, kTwo, empty(6)}).after.voters(),
            (consensus::Servers{{1}, {2}, {6}}));
  EXPECT_EQ(planned(wish, {kOne, kTwo}).after.voter_count(), 3U) << "two of three have the tree";
  EXPECT_THAT(refusal(wish, {kOne}), AllOf(HasSubstr("could not start"), HasSubstr("server 6")));
  EXPECT_THAT(refusal({}, {kOne, empty(6)}), HasSubstr("--add 'server.6="));
  EXPECT_THAT(refusal({.joining = "server.6=h6:2888", .from = {}}, {kOne}), HasSubstr("--add"));
}

TEST(RecoveryPlan, NobodyTakesTheNumberOrTheAddressOfOneThatIsGone) {
  EXPECT_THAT(refusal({.joining = "server.3=h7:2888:3888;2181", .from = {}}, {kOne, kTwo}),
              HasSubstr("number of a member whose directory is not given"));
  EXPECT_THAT(refusal({.joining = "server.3=h3:2888:3888;2181", .from = {}}, {kOne, kTwo}),
              HasSubstr("number of a member whose directory is not given"))
      << "the same line, too";
  EXPECT_THAT(refusal({.joining = "server.6=h3:2888:3888;2181", .from = {}}, {kOne, kTwo}),
              HasSubstr("an address in common"));
  const auto moved = planned({.joining = "server.1=h9:2888:3888;2181", .from = {}}, {kOne, kTwo});
  EXPECT_EQ(moved.after.members.at({1}).quorum.front().host, "h9");
}

TEST(RecoveryPlan, GroupsAreGivenUp) {
  auto grouped = test_servers(5);
  for (const ServerId voter : grouped.voters()) grouped.groups[voter] = voter.value <= 3 ? 1 : 2;
  const auto plan = planned({}, {kOne}, grouped);
  EXPECT_TRUE(plan.after.groups.empty());
  EXPECT_THAT(all_of(plan.losses), HasSubstr("groups are given up"));
}

// ---- what is said, and what is refused --------------------------------------------------------

TEST(RecoveryPlan, ItSaysWhatMayBeLost) {
  const auto plan = planned({}, {kOne, member(2, 4, 4, Zxid::of(4, 900))});
  EXPECT_THAT(
      plan.losses,
      ElementsAre(
          AllOf(HasSubstr("up to zxid 0x500000009"), HasSubstr("of 2023-11-14 22:13:20 UTC")),
          AllOf(HasSubstr("Of 5 voters 1, 2 can be asked"), HasSubstr("servers 3, 4, 5")),
          AllOf(HasSubstr("quorum of their own"), HasSubstr("destroy"))));
  const auto dropped = planned({}, {kOne, member(2, 4, 4, Zxid::of(5, 10))});
  EXPECT_THAT(all_of(dropped.losses), HasSubstr("up to 0x50000000a, under an older epoch"));
  auto forgetful = kTwo;
  forgetful.has_memory = false;
  EXPECT_THAT(all_of(planned({}, {kOne, forgetful}, test_servers(2)).losses),
              Not(HasSubstr("quorum of their own")));
}

TEST(RecoveryPlan, NothingIsToBeDoneWhileAQuorumIsLeft) {
  EXPECT_THAT(refusal({}, {kOne, kTwo}, test_servers(3)),
              AllOf(HasSubstr("no acknowledged write is lost"), HasSubstr("synod replace")));
}

TEST(RecoveryPlan, WhatDoesNotFitIsRefused) {
  EXPECT_THAT(refusal({}, {kOne, kOne}), HasSubstr("given twice"));
  auto raft = kTwo;
  raft.record = EngineRecord{.engine = "raft"};
  EXPECT_THAT(refusal({}, {kOne, raft}), HasSubstr("left out of a conversion"));
  auto half_way = kTwo;
  half_way.record = EngineRecord{.engine = "zab", .becomes = "raft", .conversion = 7};
  EXPECT_THAT(refusal({}, {kOne, half_way}), HasSubstr("synod convert --to raft"));
  EXPECT_THAT(refusal({}, {kOne}, {}), HasSubstr("no quorum to lose"));
}

// ---- one that was interrupted -----------------------------------------------------------------

FoundMember marked(FoundMember member) {
  member.record = EngineRecord{.engine = "zab", .becomes = "zab", .conversion = 7};
  return member;
}
FoundMember installed(std::int64_t id, const RecoveryPlan& plan) {
  FoundMember member =
      ::synod::server::member(id, plan.work.epoch, plan.work.epoch, Zxid{plan.after.version});
  member.config_version = member.last;
  member.config_text = plan.after.to_text();
  return member;
}

TEST(RecoveryPlan, InterruptedEarlyItIsPlannedAnew) {
  const RecoveryWish wish{.joining = kNewcomer, .from = {}};
  const auto first = planned(wish, {kOne, kTwo, empty(6)});
  auto newcomer = marked(empty(6));
  EXPECT_EQ(planned(wish, {marked(kOne), kTwo, newcomer}).work.chosen, ServerId{1});
  const auto again = planned(wish, {marked(installed(1, first)), marked(kTwo), newcomer});
  EXPECT_EQ(again.work.chosen, ServerId{1});
  EXPECT_EQ(again.work.last, Zxid{first.after.version});
  EXPECT_EQ(again.gone, (consensus::Servers{{3}, {4}, {5}}))
      << "what it put at the end of a log counts for nothing yet";
  EXPECT_EQ(again.work.epoch, 0x20000U);
}

TEST(RecoveryPlan, WhereAllHaveTheTreeItGoesOnToTheSameMembership) {
  const auto first = planned({}, {kOne, kTwo});
  const auto both = std::vector{marked(installed(1, first)), marked(installed(2, first))};
  const auto again = planned({}, both);
  EXPECT_TRUE(again.is_resumed);
  EXPECT_EQ(again.after, first.after);
  EXPECT_EQ(again.work.epoch, first.work.epoch);
  EXPECT_THAT(refusal({}, {both[0]}), HasSubstr("could not start"));
}

TEST(RecoveryPlan, WhereOneIsReleasedTheOthersAre) {
  const auto first = planned({}, {kOne, kTwo});
  auto released = installed(1, first);
  released.record = EngineRecord{.engine = "zab", .becomes = {}, .conversion = 7};
  const auto again = planned({}, {released, marked(installed(2, first))}, first.after);
  EXPECT_EQ(again.work.kind, Kind::kFinish);
  EXPECT_EQ(again.work.finishes, 7U);
}

}  // namespace
}  // namespace synod::server
