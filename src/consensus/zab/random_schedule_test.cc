// Random schedules: crashes, partitions, slow disks and purged logs under load. What must always
// hold is checked by the cluster as it goes; in the end, with the faults gone, everybody serves the
// same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/mutation.h"
#include "consensus/zab/test_cluster.h"

namespace synod::consensus::zab {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class Schedule {
 public:
  explicit Schedule(std::uint64_t seed) : random_(seed), cluster_(options(seed)) {}

  void run() {
    cluster_.start_all();
    for (int step = 0; step < 400; ++step) {
      if (is_one_of(3)) cluster_.write();
      if (is_one_of(25)) fault();
      if (is_one_of(15)) repair();
      cluster_.run_for(static_cast<std::int64_t>(random_.below(40)));
      if (!cluster_.violations().empty()) return;
    }
    for (NodeId node = 1; node <= servers_; ++node) cluster_.stall_disk(node, false);
    cluster_.heal_all();
    cluster_.start_all();
  }

  TestCluster& cluster() { return cluster_; }

 private:
  TestOptions options(std::uint64_t seed) {
    TestOptions options{.seed = seed};
    options.voters = is_one_of(3) ? 5 : 3;
    options.observers = is_one_of(4) ? 1 : 0;
    options.commit_log_count = is_one_of(2) ? 3 : 500;
    options.max_delay_ms = is_one_of(2) ? 1 : 15;
    options.max_flush_ms = is_one_of(2) ? 1 : 20;
    options.is_log_kept = !is_one_of(3);
    servers_ = options.voters + options.observers;
    return options;
  }

  bool is_one_of(std::uint64_t count) { return random_.below(count) == 0; }
  NodeId any() {
    return 1 + static_cast<NodeId>(random_.below(static_cast<std::uint64_t>(servers_)));
  }

  void fault() {
    const NodeId node = any();
    switch (random_.below(7)) {
      case 0:
      case 1:
        return cluster_.crash(node);
      case 2:  // all at once
        for (NodeId each = 1; each <= servers_; ++each) cluster_.crash(each);
        return;
      case 3:
        return cluster_.isolate(node);
      case 4:
        if (const NodeId other = any(); other != node) cluster_.cut_off(node, other);
        return;
      case 5:
        return cluster_.stall_disk(node, true);
      default:
        return cluster_.purge_log(node);
    }
  }

  void repair() {
    const NodeId node = any();
    if (is_one_of(3)) cluster_.heal_all();
    cluster_.stall_disk(node, false);
    if (!cluster_.is_up(node)) cluster_.start(node);
  }

  Random random_;
  NodeId servers_ = 0;
  TestCluster cluster_;
};

// SYNOD_ZAB_SEEDS=<how many>, SYNOD_ZAB_SEED=<the first>.
std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

#ifdef SYNOD_MUTANTS
// SYNOD_MUTATION=<its name>: a bug to be found.
const bool is_mutation_set = [] {
  const char* wanted = std::getenv("SYNOD_MUTATION");
  for (const MutationName& known : kMutationNames)
    if (wanted != nullptr && known.name == wanted) active_mutation = known.mutation;
  return true;
}();
#endif

TEST(ZabRandomSchedule, LogsMatchAndNothingCommittedIsLost) {
  const std::uint64_t first = number_from("SYNOD_ZAB_SEED", 1);
  const std::uint64_t count = number_from("SYNOD_ZAB_SEEDS", 300);
  int snap = 0;
  int trunc = 0;
  int diff = 0;
  std::size_t commits = 0;
  std::size_t epochs = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Schedule schedule(seed);
    schedule.run();
    TestCluster& cluster = schedule.cluster();
    ASSERT_THAT(cluster.violations(), IsEmpty()) << cluster.describe();
    ASSERT_TRUE(cluster.run_until([&] { return cluster.are_all_serving_and_equal(); }, 60'000))
        << cluster.describe();
    // The leader may have been one that nobody follows any more: then another takes over.
    ASSERT_TRUE(cluster.run_until([&] { return cluster.write_and_wait(2'000); }, 60'000))
        << cluster.describe();
    ASSERT_TRUE(cluster.run_until([&] { return cluster.are_all_serving_and_equal(); }));
    ASSERT_THAT(cluster.violations(), IsEmpty()) << cluster.describe();
    ASSERT_THAT(cluster.warnings(), Not(Contains(HasSubstr("jumps"))));
    snap += cluster.count_sent("SNAP") > 0;
    trunc += cluster.count_sent("TRUNC") > 0;
    diff += cluster.count_sent("DIFF") > 0;
    commits += cluster.committed_count();
    epochs += cluster.status(*cluster.serving_leader()).epoch;
  }
  if (count < 100) return;
  EXPECT_GT(snap, 0);
  EXPECT_GT(trunc, 0);
  EXPECT_GT(diff, 0);
  std::printf("%zu seeds: %d with SNAP, %d with TRUNC, %d with DIFF; %zu commits, %zu epochs\n",
              static_cast<std::size_t>(count), snap, trunc, diff, commits, epochs);
}

}  // namespace
}  // namespace synod::consensus::zab
