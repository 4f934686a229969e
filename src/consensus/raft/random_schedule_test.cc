// Random schedules (consensus/cluster/schedule.h) for Raft.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "consensus/cluster/schedule.h"
#include "consensus/raft/test_cluster.h"

namespace synod::consensus::raft {
namespace {

// With all rules, with those of the paper alone, and with one-step repair and windows of two.
// Changes of the membership with joint consensus alone, with single steps, and with both at once.
void adjust(std::uint64_t seed, bool reconfigures, Options& options) {
  if (seed % 4 == 1) options.pre_vote = options.check_quorum = false;
  if (seed % 4 == 2) options.fast_repair = false;
  if (seed % 4 == 3) {
    options.max_in_flight = 2;
    options.max_message_bytes = 4;
  }
  if (!reconfigures) return;
  options.single_steps = seed % 3 == 1 || (seed % 3 == 2 && options.self.value % 2 == 0);
  if (options.check_quorum && seed % 5 < 2) options.lease_drift_percent = 10;
}

struct Totals {
  int trees = 0;
  int refusals = 0;
  std::size_t commits = 0;
  std::size_t terms = 0;
  std::size_t reads = 0;
  std::size_t configurations = 0;
};

// Whoever leads and serves is asked now and then; what it answers is no less than was committed
// when it was asked (R7).
class Reader {
 public:
  explicit Reader(TestCluster& cluster) : cluster_(cluster) {
    cluster.on_message = [this](NodeId, NodeId, const Message&) {
      if (++messages_ % 16 == 0) ask();
      if (messages_ % 4 == 0) check();
    };
  }
  [[nodiscard]] std::size_t answered() const { return answered_; }

 private:
  void ask() {
    const TestOptions& options = cluster_.options();
    const NodeId servers = options.voters + options.observers + options.spares;
    for (NodeId node = 1; node <= servers; ++node) {
      if (!cluster_.is_up(node) || cluster_.committed().empty()) continue;
      const Status& status = cluster_.status(node);
      if (status.role != Role::kLeading || !status.is_serving) continue;
      asked_[{node, ++token_}] = cluster_.committed().back().zxid;
      cluster_.read_index(node, token_);
    }
  }
  void check() {
    for (auto ask = asked_.begin(); ask != asked_.end();) {
      const auto& [node, token] = ask->first;
      const auto& reads = cluster_.reads(node);
      const auto read = reads.find(token);
      if (read == reads.end()) {
        ++ask;
        continue;
      }
      if (read->second < ask->second)
        cluster_.violated("server " + std::to_string(node) + " answers a read with what was");
      ++answered_;
      ask = asked_.erase(ask);
    }
  }

  TestCluster& cluster_;
  std::uint64_t messages_ = 0;
  std::uint64_t token_ = 0;
  std::size_t answered_ = 0;
  std::map<std::pair<NodeId, std::uint64_t>, Zxid> asked_;
};

Totals run_all(bool reconfigures) {
  cluster::set_mutation_from_environment();
  const cluster::Seeds seeds = cluster::seeds_from_environment();
  Totals totals;
  for (std::uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TestCluster* cluster = nullptr;
    const auto make = [&](const TestOptions& options) {
      auto made = std::make_unique<TestCluster>(
          options, [seed, reconfigures](Options& engine) { adjust(seed, reconfigures, engine); });
      cluster = made.get();
      return made;
    };
    cluster::Schedule schedule(seed, make, reconfigures);
    Reader reader(*cluster);
    EXPECT_EQ(schedule.run(), "");
    if (testing::Test::HasFailure()) break;
    totals.trees += cluster->count_sent("SnapshotHead") > 0;
    totals.refusals += cluster->count_sent("Refused") > 0;
    totals.commits += cluster->committed_count();
    totals.terms += cluster->leaders().rbegin()->first;
    totals.reads += reader.answered();
    totals.configurations += cluster->configurations().size() - 1;
  }
  std::printf(
      "%zu seeds: %d with trees, %d with refusals; %zu commits, %zu terms, %zu reads, %zu "
      "changes\n",
      static_cast<std::size_t>(seeds.count), totals.trees, totals.refusals, totals.commits,
      totals.terms, totals.reads, totals.configurations);
  return totals;
}

TEST(RaftRandomSchedule, LogsMatchAndNothingCommittedIsLost) {
  const Totals totals = run_all(false);
  if (cluster::seeds_from_environment().count < 100) return;
  EXPECT_GT(totals.trees, 0);
  EXPECT_GT(totals.refusals, 0);
}

TEST(RaftRandomSchedule, Section6_NothingIsLostWhileTheMembershipChanges) {
  const Totals totals = run_all(true);
  const std::uint64_t seeds = cluster::seeds_from_environment().count;
  if (seeds < 100) return;
  EXPECT_GT(totals.trees, 0);
  EXPECT_GT(totals.configurations, seeds) << "more than one a run";
}

}  // namespace
}  // namespace synod::consensus::raft
