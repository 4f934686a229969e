#include "consensus/cluster/schedule.h"

#include <cstdlib>

#include "base/mutation.h"

namespace synod::consensus::cluster {

Schedule::Schedule(std::uint64_t seed, const MakeCluster& make_cluster, bool reconfigures)
    : reconfigures_(reconfigures), random_(seed), cluster_(make_cluster(draw_options(seed))) {}

Options Schedule::draw_options(std::uint64_t seed) {
  Options options{.seed = seed};
  options.voters = is_one_of(3) ? 5 : 3;
  options.observers = is_one_of(4) ? 1 : 0;
  options.memory_entries = is_one_of(2) ? 3 : 500;
  options.max_delay_ms = is_one_of(2) ? 1 : 15;
  options.max_flush_ms = is_one_of(2) ? 1 : 20;
  options.is_log_kept = !is_one_of(3);
  options.spares = reconfigures_ ? 2 : 0;
  servers_ = options.voters + options.observers + options.spares;
  return options;
}

NodeId Schedule::any() {
  return 1 + static_cast<NodeId>(random_.below(static_cast<std::uint64_t>(servers_)));
}

std::string Schedule::run() {
  storm();
  if (cluster_->violations().empty()) {
    const std::string problem = settle();
    if (!problem.empty()) return problem + "\n" + cluster_->describe();
  }
  if (cluster_->violations().empty()) return {};
  return cluster_->violations().front() + "\n" + cluster_->describe();
}

void Schedule::storm() {
  cluster_->start_all();
  for (int step = 0; step < 400; ++step) {
    if (is_one_of(3)) cluster_->write();
    if (is_one_of(25)) fault();
    if (is_one_of(15)) repair();
    if (reconfigures_ && is_one_of(10)) reconfigure();
    cluster_->run_for(static_cast<std::int64_t>(random_.below(40)));
    if (!cluster_->violations().empty()) return;
  }
  for (NodeId node = 1; node <= servers_; ++node) cluster_->stall_disk(node, false);
  cluster_->heal_all();
  cluster_->start_all();
}

void Schedule::fault() {
  const NodeId node = any();
  switch (random_.below(8)) {
    case 0:
    case 1:
      return cluster_->crash(node);
    case 2:  // all at once
      for (NodeId each = 1; each <= servers_; ++each) cluster_->crash(each);
      return;
    case 3:
      return cluster_->isolate(node);
    case 4:
    case 5:
      return part(node, any());
    case 6:
      return cluster_->stall_disk(node, true);
    default:
      return cluster_->purge_log(node);
  }
}

void Schedule::part(NodeId a, NodeId b) {
  if (a == b) return;
  if (is_one_of(2)) return cluster_->cut_off(a, b);
  cluster_->silence(a, b);
  if (is_one_of(2)) cluster_->silence(b, a);
}

void Schedule::repair() {
  const NodeId node = any();
  if (is_one_of(3)) cluster_->heal_all();
  cluster_->stall_disk(node, false);
  if (!cluster_->is_up(node)) cluster_->start(node);
}

// Refused more often than not: who was just started is not in step yet.
void Schedule::reconfigure() {
  Servers voters;
  Servers observers;
  for (NodeId node = 1; node <= servers_; ++node) {
    const std::uint64_t share = random_.below(8);
    if (share < 5) add_to(voters, ServerId{node});
    if (share == 5) add_to(observers, ServerId{node});
  }
  if (!voters.empty()) (void)cluster_->reconfigure(cluster_->with_members(voters, observers));
}

std::string Schedule::settle() {
  const auto is_settled = [&] { return cluster_->are_all_serving_and_equal(); };
  if (!cluster_->run_until(is_settled, 60'000)) return "they do not come to serve the same";
  // The leader may have been one that nobody follows any more: then another takes over.
  if (!cluster_->run_until([&] { return cluster_->write_and_wait(2'000); }, 60'000))
    return "nothing can be written";
  if (!cluster_->run_until(is_settled)) return "they do not serve the same after a write";
  return {};
}

// ---- the environment --------------------------------------------------------------------------

Seeds seeds_from_environment() {
  const auto number = [](const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
  };
  const Seeds standard;
  return {number("SYNOD_SEED", standard.first), number("SYNOD_SEEDS", standard.count)};
}

void set_mutation_from_environment() {
#ifdef SYNOD_MUTANTS
  const char* wanted = std::getenv("SYNOD_MUTATION");
  for (const MutationName& known : kMutationNames)
    if (wanted != nullptr && known.name == wanted) active_mutation = known.mutation;
#endif
}

}  // namespace synod::consensus::cluster
