// Any bytes as transactions of a log: they are refused or applied, and the tree stays a tree, its
// running figures those one gets by looking at all of it, its snapshot the same tree again.
#include <zlib.h>

#include "fuzz_input.h"
#include "jute/txn.h"
#include "state/digest.h"
#include "state/snapshot_walk.h"
#include "state/state.h"

namespace {

using synod::fuzz::require;
using synod::state::Node;

void check_tree(const synod::state::Tree& tree) {
  std::uint64_t digest = 0;
  std::size_t count = 0;
  std::vector<const Node*> open{tree.find("/")};
  while (!open.empty()) {
    const Node& node = *open.back();
    open.pop_back();
    ++count;
    digest += synod::state::node_digest(
        node.path(), synod::state::digest_prefix(node.path(), node.data.view()), node.stat);
    require(tree.find(node.path()) == &node);
    (void)tree.acls().list(node.acl);
    if (!node.children) continue;
    require(!node.children->empty());
    for (const Node* child : *node.children) {
      require(child->parent == &node);
      open.push_back(child);
    }
  }
  require(count == tree.node_count());
  require(digest == tree.digest());
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  synod::fuzz::Input input(data, size);
  const synod::state::OwnerRules rules{.extended_types = (input.byte() & 1) != 0};
  synod::state::State state(rules);
  while (!input.empty()) {
    const auto txn = synod::jute::decode_txn(input.piece());
    if (txn) (void)state.apply(*txn);
  }
  check_tree(state.tree());

  synod::state::Loader loader(rules);
  for (const auto& [id, list] : state.tree().acls().entries()) loader.acl(id, list);
  for (const auto& [id, timeout_ms] : state.sessions()) loader.session(id, timeout_ms);
  synod::state::SnapshotWalk walk(state.tree());
  while (!walk.step(100, [&](auto&&... node) { require(loader.node(node...)); })) {
  }
  loader.finish_snapshot(state.applied());
  require(loader.state().tree().digest() == state.tree().digest());
  check_tree(loader.finish()->tree());
  return 0;
}
