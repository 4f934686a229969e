// Leaders that live just long enough to do harm: the weather in which figure 8 of the paper
// happens. Five servers with what leaders before them left behind, one entry a message, and whoever
// leads is soon gone.
#include <gtest/gtest.h>

#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "consensus/cluster/schedule.h"
#include "consensus/raft/test_cluster.h"

namespace synod::consensus::raft {
namespace {

class Churn {
 public:
  explicit Churn(std::uint64_t seed) : random_(seed), cluster_(world(seed), engines()) {}

  [[nodiscard]] std::string run() {
    leave_tails();
    cluster_.start_all();
    cluster_.on_message = [this](NodeId from, NodeId, const Message& message) {
      const auto* append = std::get_if<message::AppendEntries>(&message);
      if (append != nullptr && append->term > term_ && !doomed_) doom(from, append->term);
    };
    for (int step = 0; step < 80 && cluster_.violations().empty(); ++step) {
      cluster_.run_for(1 + static_cast<std::int64_t>(random_.below(20)));
      cluster_.write();
      strike();
      if (random_.below(6) == 0) revive();
    }
    if (!cluster_.violations().empty()) return cluster_.violations().front();
    return settle();
  }
  [[nodiscard]] TestCluster& cluster() { return cluster_; }

 private:
  static TestOptions world(std::uint64_t seed) {
    return {.voters = 5, .seed = seed, .max_delay_ms = 20, .max_flush_ms = 15};
  }
  static TestCluster::Adjust engines() {
    return [](Options& options) {
      options.max_message_bytes = 1;
      options.pre_vote = options.check_quorum = false;
      options.election_timeout_ms = 100;
    };
  }

  // Of leaders of terms 2, 3 and 4 that reached themselves and at most one more; the fifth has what
  // all have.
  void leave_tails() {
    std::vector<NodeId> nodes{1, 2, 3, 4, 5};
    for (std::size_t i = nodes.size(); i > 1; --i) std::swap(nodes[i - 1], nodes[random_.below(i)]);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const bool is_in_pair = i < 2;
      const auto term = static_cast<std::uint32_t>(is_in_pair ? 2 : i + 1);
      std::vector<Zxid> log{Zxid::of(1, 1)};
      if (term < 5) log.push_back(Zxid::of(term, 1));
      cluster_.set_log(nodes[i], log);
      cluster_.set_accepted_epoch(nodes[i], 4);
    }
  }

  // It has begun to replicate.
  void doom(NodeId leader, std::uint32_t term) {
    term_ = term;
    doomed_ = leader;
    strike_at_ = cluster_.now() + static_cast<std::int64_t>(random_.below(40));
  }
  void strike() {
    if (!doomed_ || cluster_.now() < strike_at_) return;
    int up = 0;
    for (NodeId node = 1; node <= 5; ++node) up += cluster_.is_up(node) ? 1 : 0;
    if (random_.below(3) != 0)
      cluster_.isolate(*doomed_);
    else if (up > 3)
      cluster_.crash(*doomed_);
    // What it sent last is perhaps not on anybody's disk yet.
    const NodeId other = 1 + static_cast<NodeId>(random_.below(5));
    if (other == *doomed_ || random_.below(2) == 0) return doomed_.reset();
    cluster_.crash(other);
    cluster_.start(other);
    doomed_.reset();
  }
  void revive() {
    cluster_.heal_all();
    const NodeId node = 1 + static_cast<NodeId>(random_.below(5));
    if (!cluster_.is_up(node)) cluster_.start(node);
  }
  std::string settle() {
    doomed_.reset();
    term_ = 0xffffffff;
    cluster_.heal_all();
    cluster_.start_all();
    if (!cluster_.run_until([&] { return cluster_.are_all_serving_and_equal(); }, 60'000))
      return "they do not come to serve the same";
    return cluster_.violations().empty() ? "" : cluster_.violations().front();
  }

  Random random_;
  TestCluster cluster_;
  std::uint32_t term_ = 0;
  std::optional<NodeId> doomed_;
  std::int64_t strike_at_ = 0;
};

TEST(RaftChurn, ShortLivedLeadersLoseNothing) {
  cluster::set_mutation_from_environment();
  const cluster::Seeds seeds = cluster::seeds_from_environment();
  std::size_t terms = 0;
  for (std::uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Churn churn(seed);
    ASSERT_EQ(churn.run(), "") << churn.cluster().describe();
    terms += churn.cluster().status(*churn.cluster().serving_leader()).epoch;
  }
  std::printf("%zu seeds, %zu terms\n", static_cast<std::size_t>(seeds.count), terms);
}

}  // namespace
}  // namespace synod::consensus::raft
