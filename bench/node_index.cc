// What it costs to find a node by its path, and to add one, by the number of nodes.
#include "state/node_index.h"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace {

using synod::state::Node;
using synod::state::NodeIndex;

struct Destroy {
  void operator()(Node* node) const { Node::destroy(node); }
};
using OwnedNodes = std::vector<std::unique_ptr<Node, Destroy>>;

// A thousand nodes to a parent, as most trees are.
OwnedNodes make_nodes(std::int64_t count) {
  OwnedNodes nodes;
  for (std::int64_t i = 0; i < count; ++i) {
    nodes.emplace_back(
        Node::make("/parent/" + std::to_string(i / 1000) + "/node-" + std::to_string(i)));
  }
  return nodes;
}

void find(benchmark::State& state) {
  const OwnedNodes nodes = make_nodes(state.range(0));
  NodeIndex index;
  for (const auto& node : nodes) index.insert(node.get());
  std::uint64_t random = 88172645463325252ULL;
  for (auto _ : state) {
    random = random * 6364136223846793005ULL + 1442695040888963407ULL;
    const auto& node = nodes[(random >> 20) % nodes.size()];
    benchmark::DoNotOptimize(index.find(node->path()));
  }
}

void insert_all(benchmark::State& state) {
  const OwnedNodes nodes = make_nodes(state.range(0));
  for (auto _ : state) {
    NodeIndex index;
    for (const auto& node : nodes) index.insert(node.get());
    benchmark::DoNotOptimize(index.size());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

BENCHMARK(find)->Arg(1000)->Arg(1'000'000);
BENCHMARK(insert_all)->Arg(1000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

}  // namespace
