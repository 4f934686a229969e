// A random schedule: crashes, partitions, silences, slow disks and purged logs under load, drawn
// from a seed. What must always hold is checked by the cluster as it goes; in the end, with the
// faults gone, everybody must serve the same, and go on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/random.h"
#include "consensus/cluster/cluster.h"

namespace synod::consensus::cluster {

class Schedule {
 public:
  using MakeCluster = std::function<std::unique_ptr<Cluster>(const Options&)>;

  // With reconfigurations: two spare servers, and now and then another membership of any of all.
  Schedule(std::uint64_t seed, const MakeCluster& make_cluster, bool reconfigures = false);

  // What went wrong; empty: nothing.
  [[nodiscard]] std::string run();

  [[nodiscard]] Cluster& cluster() { return *cluster_; }

 private:
  Options draw_options(std::uint64_t seed);
  bool is_one_of(std::uint64_t count) { return random_.below(count) == 0; }
  NodeId any();
  void storm();
  void fault();
  void part(NodeId a, NodeId b);
  void repair();
  void reconfigure();
  std::string settle();

  bool reconfigures_;
  Random random_;
  NodeId servers_ = 0;
  std::unique_ptr<Cluster> cluster_;
};

// SYNOD_SEEDS=<how many>, SYNOD_SEED=<the first>: other seeds than a test's own.
struct Seeds {
  std::uint64_t first = 1;
  std::uint64_t count = 300;
};
[[nodiscard]] Seeds seeds_from_environment();

// In a build with SYNOD_MUTANTS, SYNOD_MUTATION=<its name>: a bug to be found.
void set_mutation_from_environment();

}  // namespace synod::consensus::cluster
