// A point-in-time walk over the tree, in slices, while the tree goes on changing.
//
// Nodes are visited in creation order. A node that is changed before its turn has its old image
// saved first; a node deleted before its turn leaves its image behind, to be given at the end in
// reverse order of deletion (a parent dies after its children, so it comes first again). Nodes
// created meanwhile are not of that point in time and are left out. What comes out is therefore
// exactly the tree as it was at the start, parents before children, each path once.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "jute/records.h"
#include "state/node.h"

namespace synod::state {

class Tree;

class SnapshotWalk {
 public:
  // Views are good during the call only.
  using Visit = std::function<void(std::string_view path, NullableView data, std::int64_t acl_id,
                                   const jute::StatPersisted& stat)>;

  // The tree must outlive the walk, and take no second one meanwhile.
  explicit SnapshotWalk(Tree& tree);
  ~SnapshotWalk();
  SnapshotWalk(const SnapshotWalk&) = delete;
  SnapshotWalk& operator=(const SnapshotWalk&) = delete;

  // Visits nodes until about `budget_bytes` of paths and data have passed. True: nothing is left.
  bool step(std::size_t budget_bytes, const Visit& visit);

 private:
  friend class Tree;
  struct Image {
    std::string path;
    std::optional<std::string> data;
    std::int64_t acl_id = 0;
    jute::StatPersisted stat;
  };
  static Image image_of(const Node& node);
  static void give(const Image& image, const Visit& visit);
  void before_change(Node& node);
  void before_remove(Node& node);
  std::size_t visit_node(Node& node, const Visit& visit);

  Tree& tree_;
  Node* next_;  // null: all live nodes are done
  boost::unordered_flat_map<const Node*, Image> saved_;
  std::vector<Image> removed_;
};

}  // namespace synod::state
