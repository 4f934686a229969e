#include "consensus/configurations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>

namespace synod::consensus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// An entry says what it is with its first letter; anything but these is a client's.
class LetterForms final : public EntryForms {
 public:
  [[nodiscard]] SharedBytes write(EntryKind /*kind*/, Zxid /*zxid*/,
                                  BytesView /*payload*/) const override {
    return nullptr;
  }
  [[nodiscard]] Form read(BytesView entry) const override {
    if (entry.starts_with('r')) return {EntryKind::kReconfiguration, entry.substr(1)};
    if (entry.starts_with('c')) return {EntryKind::kConfiguration, entry.substr(1)};
    return {};
  }
};
const LetterForms kForms;

constexpr std::string_view kOne = "server.1=a:1:2\nserver.2=b:1:2\n";
constexpr std::string_view kTwo = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\n";

std::string text(std::string_view servers, std::int64_t version) {
  Membership membership = *Membership::parse(servers);
  membership.version = version;
  return membership.to_text();
}

Entry entry(Zxid zxid, const std::string& bytes) {
  return {zxid, std::make_shared<const Bytes>(bytes)};
}
Entry reconfiguration(std::int64_t zxid, std::string_view servers = kTwo) {
  return entry(Zxid{zxid}, 'r' + text(servers, zxid));
}

std::vector<std::int64_t> undecided(const Configurations& configurations) {
  std::vector<std::int64_t> zxids;
  for (const auto& logged : configurations.undecided()) zxids.push_back(logged.zxid.value);
  return zxids;
}

Configurations started(std::int64_t version, std::vector<Configuration> logged = {}) {
  Configurations configurations;
  configurations.start(*Membership::parse(text(kOne, version)),
                       {.configurations = std::move(logged), .forms = &kForms});
  return configurations;
}

TEST(Configurations, WhatIsLoggedCountsAsUndecidedUntilItIsCommitted) {
  Configurations all = started(0);
  EXPECT_EQ(all.newest().voter_count(), 2U);
  all.append(entry(Zxid{4}, "anything"));
  const auto before = all.revision();
  all.append(reconfiguration(5));
  EXPECT_GT(all.revision(), before);
  EXPECT_THAT(undecided(all), ElementsAre(5));
  EXPECT_EQ(all.decided().voter_count(), 2U);
  EXPECT_EQ(all.newest().voter_count(), 3U);
  EXPECT_FALSE(all.commit(Zxid{4}));
  EXPECT_TRUE(all.commit(Zxid{9}));
  EXPECT_THAT(undecided(all), IsEmpty());
  EXPECT_EQ(all.decided().version, 5);
  EXPECT_FALSE(all.commit(Zxid{10}));
}

TEST(Configurations, AnEnginesOwnEntryEndsItWithoutAnotherVersion) {
  Configurations all = started(0);
  all.append(reconfiguration(5));
  all.append(entry(Zxid{6}, 'c' + text(kTwo, 5)));
  EXPECT_THAT(undecided(all), ElementsAre(5, 6));
  EXPECT_EQ(all.undecided()[1].kind, EntryKind::kConfiguration);
  EXPECT_TRUE(all.commit(Zxid{5}));
  const auto joint = all.revision();
  EXPECT_FALSE(all.commit(Zxid{6})) << "the same membership is decided";
  EXPECT_GT(all.revision(), joint) << "and yet what counts has changed";
}

TEST(Configurations, ACutFallsBack) {
  Configurations all = started(0);
  all.append(reconfiguration(5));
  all.append(reconfiguration(8, kOne));
  all.cut(Zxid{7});
  EXPECT_THAT(undecided(all), ElementsAre(5));
  EXPECT_EQ(all.newest().version, 5);
  const auto revision = all.revision();
  all.cut(Zxid{5});
  EXPECT_EQ(all.revision(), revision) << "nothing was cut";
  all.cut(Zxid{4});
  EXPECT_EQ(all.newest().version, 0);
}

TEST(Configurations, AStartKnowsItsFilesAndItsLog) {
  const Configurations all =
      started(5, {{Zxid{3}, EntryKind::kReconfiguration, text(kTwo, 3)},
                  {Zxid{5}, EntryKind::kReconfiguration, text(kOne, 5)},
                  {Zxid{7}, EntryKind::kReconfiguration, text(kTwo, 7)},
                  {Zxid{6}, EntryKind::kReconfiguration, text(kOne, 6)}});  // behind a fuzzy tree
  EXPECT_EQ(all.decided().version, 5);
  EXPECT_THAT(undecided(all), ElementsAre(7));
}

TEST(Configurations, WhatNobodyOfOursProposedChangesNothing) {
  Configurations all = started(0);
  all.append(entry(Zxid{5}, "rserver.1=a"));
  all.append(entry(Zxid{6}, 'r' + text(kTwo, 4)));
  all.append(entry(Zxid{7}, "r"));
  EXPECT_THAT(undecided(all), IsEmpty());
}

TEST(Configurations, ATreeBringsItsOwn) {
  Configurations all = started(2);
  all.append(reconfiguration(5));
  all.installed(text(kTwo, 9));
  EXPECT_THAT(undecided(all), ElementsAre(9));
  EXPECT_EQ(all.decided().version, 2);
  EXPECT_TRUE(all.commit(Zxid{12}));
  EXPECT_EQ(all.decided().version, 9);
  all.append(reconfiguration(15));
  all.installed(text(kTwo, 9));
  EXPECT_THAT(undecided(all), IsEmpty()) << "the log is gone, and with it what stood in it";
  EXPECT_EQ(all.decided().version, 9);
  all.installed("");
  EXPECT_EQ(all.newest().version, 9);
}

TEST(Configurations, WhoKnowsMoreIsBelieved) {
  Configurations all = started(2);
  all.append(reconfiguration(5));
  all.append(reconfiguration(8));
  EXPECT_FALSE(all.adopt(*Membership::parse(text(kTwo, 2))));
  EXPECT_TRUE(all.adopt(*Membership::parse(text(kTwo, 6))));
  EXPECT_EQ(all.decided().version, 6);
  EXPECT_THAT(undecided(all), ElementsAre(8));
}

}  // namespace
}  // namespace synod::consensus
