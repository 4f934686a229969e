// The models in the shared ensemble (consensus/cluster): what it checks of every engine holds for
// them, whatever is cut; and they get stuck, or do not, where the papers say so (consensus.md 7.2).
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "consensus/cluster/cluster.h"
#include "sim/models/messages.h"
#include "sim/models/multi_paxos.h"
#include "sim/models/viewstamped.h"

namespace synod::sim::models {
namespace {

using consensus::cluster::Cluster;
using consensus::cluster::NodeId;

constexpr std::int64_t kTimeoutMs = 200;

template <class Model>
std::unique_ptr<Cluster> ensemble(int voters, std::uint64_t seed = 1) {
  consensus::cluster::Options options{.voters = voters, .seed = seed};
  options.max_delay_ms = seed % 2 == 0 ? 1 : 15;
  options.max_flush_ms = seed % 3 == 0 ? 1 : 20;
  auto made = std::make_unique<Cluster>(
      options, [](ServerId self, const consensus::Membership& membership) {
        return std::make_unique<Model>(Options{.self = self,
                                               .membership = membership,
                                               .tick_ms = 100,
                                               .election_timeout_ms = kTimeoutMs,
                                               .heartbeat_ms = kTimeoutMs / 5});
      });
  made->start_all();
  return made;
}

template <class Model>
class ModelTest : public testing::Test {};
using Models = testing::Types<MultiPaxos, Viewstamped>;
TYPED_TEST_SUITE(ModelTest, Models);

TYPED_TEST(ModelTest, AnotherLeadsWithoutTheLeaderWhichFollowsWhenItIsBack) {
  const auto ensemble = models::ensemble<TypeParam>(3);
  ASSERT_TRUE(ensemble->run_until([&] { return ensemble->are_all_serving_and_equal(); }));
  ASSERT_TRUE(ensemble->write_and_wait());
  const NodeId first = *ensemble->serving_leader();
  ensemble->isolate(first);
  ensemble->write_at(first);  // nobody else has it
  ASSERT_TRUE(ensemble->run_until(
      [&] { return ensemble->serving_leader().value_or(first) != first; }, 10 * kTimeoutMs));
  ASSERT_TRUE(ensemble->write_and_wait());
  ensemble->heal_all();
  EXPECT_TRUE(ensemble->run_until([&] { return ensemble->are_all_serving_and_equal(); }))
      << ensemble->describe();
  EXPECT_EQ(ensemble->violations(), std::vector<std::string>{});
}

TYPED_TEST(ModelTest, WhateverIsCutTheLogsMatchAndAllIsWellAfterwards) {
  std::size_t committed = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const int servers = seed % 2 == 0 ? 3 : 5;
    const auto any = [&] {
      return 1 + static_cast<NodeId>(random.below(static_cast<std::uint64_t>(servers)));
    };
    const auto ensemble = models::ensemble<TypeParam>(servers, seed);
    for (int step = 0; step < 200 && ensemble->violations().empty(); ++step) {
      const NodeId a = any();
      const NodeId b = any();
      switch (random.below(40)) {
        case 0:
          ensemble->isolate(a);
          break;
        case 1:
          ensemble->stall_disk(a, true);
          break;
        case 2:
          if (a != b) ensemble->cut_off(a, b);
          break;
        case 3:
          if (a != b) ensemble->silence(a, b);
          break;
        case 4:
          ensemble->heal_all();
          break;
        case 5:
          ensemble->stall_disk(a, false);
          break;
        default:
          ensemble->write();
          break;
      }
      ensemble->run_for(static_cast<std::int64_t>(random.below(30)));
    }
    for (NodeId node = 1; node <= servers; ++node) ensemble->stall_disk(node, false);
    ensemble->heal_all();
    EXPECT_TRUE(ensemble->run_until([&] { return ensemble->write_and_wait(1000); }));
    EXPECT_TRUE(ensemble->run_until([&] { return ensemble->are_all_serving_and_equal(); }))
        << ensemble->describe();
    ASSERT_EQ(ensemble->violations(), std::vector<std::string>{});
    committed += ensemble->committed_count();
  }
  EXPECT_GT(committed, 3000U) << "or nothing is shown";
}

TYPED_TEST(ModelTest, InAStarWhoseCentreHearsTheLeaderNobodyLeads) {
  const auto ensemble = models::ensemble<TypeParam>(5);
  ASSERT_TRUE(ensemble->run_until([&] { return ensemble->are_all_serving_and_equal(); }));
  const NodeId centre = *ensemble->serving_leader() % 5 + 1;
  for (NodeId a = 1; a <= 5; ++a)
    for (NodeId b = a + 1; b <= 5; ++b)
      if (a != centre && b != centre) ensemble->cut_off(a, b);
  ensemble->run_for(kTimeoutMs);
  const std::size_t committed = ensemble->committed_count();
  for (int i = 0; i < 20; ++i) {
    ensemble->write();
    ensemble->run_for(kTimeoutMs);
  }
  EXPECT_EQ(ensemble->committed_count(), committed);
  ensemble->heal_all();
  EXPECT_TRUE(ensemble->run_until([&] { return ensemble->write_and_wait(1000); }));
  EXPECT_EQ(ensemble->violations(), std::vector<std::string>{});
}

// Two ends of a chain, of which one leads.
template <class Model>
std::size_t leaders_in_a_chain() {
  const auto ensemble = models::ensemble<Model>(3);
  EXPECT_TRUE(ensemble->run_until([&] { return ensemble->are_all_serving_and_equal(); }));
  const std::size_t before = ensemble->leaders().size();
  const NodeId leader = *ensemble->serving_leader();
  ensemble->cut_off(leader, leader % 3 + 1);
  for (int i = 0; i < 20; ++i) {
    ensemble->write();
    ensemble->run_for(kTimeoutMs);
  }
  EXPECT_EQ(ensemble->violations(), std::vector<std::string>{});
  return ensemble->leaders().size() - before;
}

TEST(MultiPaxos, TheEndsOfAChainDeposeEachOther) {
  EXPECT_GT(leaders_in_a_chain<MultiPaxos>(), 5U);
}

TEST(Viewstamped, OfAChainTheMiddleComesToLead) {
  EXPECT_LE(leaders_in_a_chain<Viewstamped>(), 3U);
}

TEST(ModelMessages, AreReadAsTheyWereWritten) {
  Message message{.kind = Message::Kind::kSync,
                  .epoch = 5,
                  .accepted = 4,
                  .position = Zxid::of(3, 2),
                  .committed = Zxid::of(3, 1),
                  .round = 7};
  message.entries.push_back({Zxid::of(5, 1), std::make_shared<const Bytes>("x")});
  const Bytes bytes = encode(message);
  const auto read = decode(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(encode(*read), bytes);
  EXPECT_EQ(read->entries.at(0).zxid, Zxid::of(5, 1));
  EXPECT_EQ(*read->entries.at(0).bytes, "x");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const bool is_whole = size == bytes.size() - 13;  // up to the entry
    EXPECT_EQ(decode(BytesView(bytes).substr(0, size)).has_value(), is_whole) << size;
  }
  EXPECT_FALSE(decode("\xff" + bytes.substr(1)));
}

}  // namespace
}  // namespace synod::sim::models
