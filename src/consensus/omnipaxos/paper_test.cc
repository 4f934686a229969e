// Claims of the paper that no story shows by itself: sequence consensus (SC1 to SC3) and leader
// election (LE1 to LE3), looked at from outside while random schedules run; and pipelining.
// docs/claims.md lists all claims with their tests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <ranges>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "consensus/cluster/schedule.h"
#include "consensus/omnipaxos/test_cluster.h"

namespace synod::consensus::omnipaxos {
namespace {

using testing::IsEmpty;

// Hears every message of an ensemble, and reads every server's state when one leaves.
class Onlooker {
 public:
  explicit Onlooker(TestCluster& cluster) : cluster_(cluster) {
    cluster_.on_message = [this](NodeId from, NodeId, const Message& message) {
      if (const auto* prepare = std::get_if<Prepare>(&message)) elected(from, prepare->ballot);
      if (const auto* promise = std::get_if<Promise>(&message)) promised(from, promise->ballot);
      if (cluster_.is_up(from) && cluster_.status(from).is_serving) decided(from);
    };
  }

  struct Seen {
    std::map<std::string, std::vector<std::string>> broken;  // by property
    std::size_t ballots = 0;
    std::size_t commits = 0;
  };
  static Seen run(std::uint64_t seeds) {
    Seen seen;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      std::unique_ptr<Onlooker> onlooker;
      cluster::Schedule schedule(seed, [&](const cluster::Options& options) {
        auto cluster = std::make_unique<TestCluster>(options);
        onlooker = std::make_unique<Onlooker>(*cluster);
        return cluster;
      });
      EXPECT_EQ(schedule.run(), "") << "seed " << seed;
      for (const auto& [property, what] : onlooker->broken_)
        seen.broken[property].push_back("seed " + std::to_string(seed) + ": " + what);
      seen.ballots += onlooker->leader_of_.size();
      seen.commits += schedule.cluster().committed_count();
    }
    return seen;
  }

 private:
  void breaks(const std::string& property, NodeId node) {
    broken_.emplace(property, "server " + std::to_string(node));
  }
  // LE3: what a server is elected with names it alone, and only ever rises, whatever happens to it.
  void elected(NodeId node, Ballot ballot) {
    if (leader_of_.emplace(ballot, node).first->second != node) breaks("LE3", node);
    if (ballot < std::exchange(elected_[node], ballot)) breaks("LE3", node);
    if (ballot.server() != ServerId{node}) breaks("LE3", node);
  }
  void promised(NodeId node, Ballot ballot) {
    if (ballot < std::exchange(promised_[node], ballot)) breaks("promise", node);
  }
  // SC2: a prefix of what is decided anywhere. SC3: an extension of what was decided here before.
  void decided(NodeId node) {
    const std::vector<Zxid> now = cluster_.applied(node);
    // An engine knows that it serves before the commits ahead of that are carried out.
    if (now.empty() || now.size() != cluster_.committed_count(node)) return;
    const auto& all = cluster_.committed();
    if (now.size() > all.size() ||
        !std::ranges::equal(now, all | std::views::take(now.size()), {}, {}, &Entry::zxid))
      breaks("SC2", node);
    const std::vector<Zxid> before = std::exchange(decided_[node], now);
    if (before.size() > now.size() ||
        !std::ranges::equal(before, now | std::views::take(before.size())))
      breaks("SC3", node);
  }

  TestCluster& cluster_;
  std::map<Ballot, NodeId> leader_of_;
  std::map<NodeId, Ballot> elected_;
  std::map<NodeId, Ballot> promised_;
  std::map<NodeId, std::vector<Zxid>> decided_;
  std::map<std::string, std::string> broken_;
};

class OmniPaxosProperties : public testing::Test {
 protected:
  static void SetUpTestSuite() { seen_ = Onlooker::run(60); }
  static std::vector<std::string> broken(const std::string& property) {
    const auto found = seen_.broken.find(property);
    return found == seen_.broken.end() ? std::vector<std::string>{} : found->second;
  }
  static Onlooker::Seen seen_;
};
Onlooker::Seen OmniPaxosProperties::seen_;

TEST_F(OmniPaxosProperties, SC2_DecidedSequencesArePrefixesOfOneAnother) {
  EXPECT_GT(seen_.commits, 1000U);
  EXPECT_THAT(broken("SC2"), IsEmpty());
}
TEST_F(OmniPaxosProperties, SC3_WhatIsDecidedOnlyGrows) { EXPECT_THAT(broken("SC3"), IsEmpty()); }
TEST_F(OmniPaxosProperties, LE3_BallotsAreUniqueAndRise) {
  EXPECT_GT(seen_.ballots, 100U) << "the schedules have to have many";
  EXPECT_THAT(broken("LE3"), IsEmpty());
}
TEST_F(OmniPaxosProperties, PromisesOnlyRise) { EXPECT_THAT(broken("promise"), IsEmpty()); }

// ---- one at a time ----------------------------------------------------------------------------

class OmniPaxosPaper : public testing::Test {
 protected:
  void begin(int voters, std::uint64_t seed = 1) {
    cluster_ = std::make_unique<TestCluster>(cluster::Options{.voters = voters, .seed = seed});
    cluster_->start_all();
    ASSERT_TRUE(settles()) << cluster_->describe();
  }
  bool settles() {
    return cluster_->run_until([&] { return cluster_->are_all_serving_and_equal(); });
  }
  void TearDown() override {
    EXPECT_THAT(cluster_->violations(), IsEmpty()) << cluster_->describe();
  }
  std::unique_ptr<TestCluster> cluster_;
};

// Leaders die and come back with what nobody else has; no command is made up, and none comes twice.
TEST_F(OmniPaxosPaper, SC1_OnlyWhatWasProposedIsDecided) {
  begin(3);
  std::set<std::string> proposed;
  const auto propose = [&](NodeId node) {
    if (const auto bytes = cluster_->write_at(node)) proposed.insert(*bytes);
  };
  for (int round = 0; round < 20; ++round) {
    const NodeId leader = *cluster_->serving_leader();
    for (int i = 0; i < 3; ++i) propose(leader);
    cluster_->run_for(round % 7);
    cluster_->crash(leader);
    ASSERT_TRUE(cluster_->run_until([&] { return cluster_->serving_leader().has_value(); }));
    propose(*cluster_->serving_leader());
    cluster_->start(leader);
    ASSERT_TRUE(settles()) << cluster_->describe();
  }
  std::set<std::string> decided;
  for (const Entry& entry : cluster_->committed()) {
    EXPECT_TRUE(proposed.contains(*entry.bytes)) << *entry.bytes;
    EXPECT_TRUE(decided.insert(*entry.bytes).second) << *entry.bytes << " is decided twice";
  }
  EXPECT_GT(decided.size(), 20U);
  EXPECT_LT(decided.size(), proposed.size()) << "some have to be lost, or this shows little";
}

// Five servers, links at random: if one of them reaches a majority, one of those leads.
TEST_F(OmniPaxosPaper, LE1_InAnyGraphWithAQuorumConnectedServerOneIsElected) {
  int with = 0;
  int without = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    begin(5, seed);
    std::map<NodeId, int> reached;
    for (NodeId a = 1; a <= 5; ++a)
      for (NodeId b = a + 1; b <= 5; ++b) {
        if (random.below(3) == 0) {
          ++reached[a], ++reached[b];
        } else {
          cluster_->cut_off(a, b);
        }
      }
    const bool is_possible = std::ranges::any_of(reached, [](auto& it) { return it.second >= 2; });
    ++(is_possible ? with : without);
    cluster_->run_for(10 * kTimeoutMs);
    const std::size_t before = cluster_->committed_count();
    for (int i = 0; i < 100 && cluster_->committed_count() == before; ++i) {
      cluster_->write();
      cluster_->run_for(kTimeoutMs / 10);
    }
    EXPECT_EQ(cluster_->committed_count() > before, is_possible) << cluster_->describe();
    if (is_possible) {
      EXPECT_GE(reached[*cluster_->serving_leader()], 2);
    }
    cluster_->heal_all();
    ASSERT_TRUE(settles()) << cluster_->describe();
    ASSERT_THAT(cluster_->violations(), IsEmpty()) << cluster_->describe();
  }
  EXPECT_GT(with, 20);
  EXPECT_GT(without, 3);
}

// A leader sends the next entry before it hears of the last.
TEST_F(OmniPaxosPaper, EntriesArePipelined) {
  begin(3);
  int sent = 0;
  int accepted = 0;
  cluster_->on_message = [&](NodeId, NodeId, const Message& message) {
    if (const auto* accept = std::get_if<AcceptDecide>(&message))
      sent += static_cast<int>(accept->entries.size());
    accepted += std::holds_alternative<Accepted>(message) ? 1 : 0;
  };
  for (NodeId node = 1; node <= 3; ++node) cluster_->stall_disk(node, true);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(cluster_->write());
    cluster_->run_for(2);
  }
  EXPECT_EQ(sent, 20) << "ten to each of two";
  EXPECT_EQ(accepted, 0);
  EXPECT_EQ(cluster_->committed_count(), 0U);
  for (NodeId node = 1; node <= 3; ++node) cluster_->stall_disk(node, false);
  ASSERT_TRUE(cluster_->run_until([&] { return cluster_->committed_count() == 10; }));
}

// Every message may be the last of its session: what follows begins with Prepare and leaves no gap.
TEST_F(OmniPaxosPaper, ASessionThatIsDroppedBeginsWithPrepare) {
  begin(3);
  for (int i = 0; i < 10; ++i) {
    const NodeId leader = *cluster_->serving_leader();
    const NodeId other = leader % 3 + 1;
    for (int entry = 0; entry < 3; ++entry) cluster_->write();
    cluster_->run_for(i % 3);
    const int prepares = cluster_->count_sent<Prepare>();
    cluster_->cut_off(leader, other);
    cluster_->write();
    cluster_->run_for(5);
    cluster_->heal_all();
    ASSERT_TRUE(settles()) << cluster_->describe();
    EXPECT_GT(cluster_->count_sent<Prepare>(), prepares);
  }
  EXPECT_EQ(cluster_->committed_count(), 40U);
}

}  // namespace
}  // namespace synod::consensus::omnipaxos
