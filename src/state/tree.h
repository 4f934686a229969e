// The tree of znodes: structure, stats, digest. It knows nothing of requests, watches or quotas.
//
// One writer changes it; others may read while the writer does not run (see replica/). Every change
// keeps the digest, the creation order and a running snapshot's view right.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "jute/records.h"
#include "state/acl.h"
#include "state/node.h"
#include "state/node_index.h"
#include "state/owner.h"

namespace synod::state {

class SnapshotWalk;

class Tree {
 public:
  explicit Tree(OwnerRules rules);
  ~Tree();
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  void swap(Tree& other) noexcept;  // neither with a walk under way

  // "/" and "" both name the root. Null: no such node.
  [[nodiscard]] const Node* find(std::string_view path) const;

  // The new node's stat is all the caller's; the parent must exist and have no such child. Takes
  // over one use of the list.
  const Node& create(std::string_view path, NullableView data, AclId acl,
                     const jute::StatPersisted& stat);
  // With all that is below it (nothing, but for directories that another server left damaged).
  void remove(const Node& node);
  void set_data(const Node& node, NullableView data, const jute::StatPersisted& stat);
  void set_stat(const Node& node, const jute::StatPersisted& stat);
  // Takes over one use of the new list, gives up the old one.
  void set_acl(const Node& node, AclId acl, const jute::StatPersisted& stat);

  [[nodiscard]] jute::Stat client_stat(const Node& node) const;
  [[nodiscard]] std::uint64_t digest() const { return digest_; }
  [[nodiscard]] std::size_t node_count() const { return index_.size(); }
  // Paths and data, in bytes (ZooKeeper's approximate_data_size).
  [[nodiscard]] std::uint64_t data_size() const { return data_size_; }
  [[nodiscard]] std::size_t descendant_count(const Node& node) const;
  [[nodiscard]] OwnerRules rules() const { return rules_; }
  [[nodiscard]] bool has_walk() const { return walk_ != nullptr; }
  [[nodiscard]] AclTable& acls() { return acls_; }
  [[nodiscard]] const AclTable& acls() const { return acls_; }

  // Sorted, so that every server lists them alike.
  [[nodiscard]] std::vector<std::string> ephemerals_of(SessionId session) const;
  [[nodiscard]] std::vector<SessionId> sessions_with_ephemerals() const;
  [[nodiscard]] std::size_t ephemeral_count() const;
  [[nodiscard]] std::vector<const Node*> containers() const;
  [[nodiscard]] std::vector<const Node*> ttl_nodes() const;

 private:
  friend class SnapshotWalk;
  using NodeSet = boost::unordered_flat_set<Node*>;

  static Node& mutable_node(const Node& node) { return const_cast<Node&>(node); }
  void before_change(Node& node);
  void link(Node& node, Node* parent);
  void unlink(Node& node);
  void remove_leaf(Node& node);
  void track_owner(Node& node, bool is_present);
  void replace_stat(Node& node, const jute::StatPersisted& stat);
  [[nodiscard]] std::uint64_t digest_of(const Node& node) const;

  OwnerRules rules_;
  AclTable acls_;
  NodeIndex index_;
  Node* root_ = nullptr;
  Node* oldest_ = nullptr;
  Node* newest_ = nullptr;
  std::uint64_t digest_ = 0;
  std::uint64_t data_size_ = 0;
  boost::unordered_flat_map<SessionId, NodeSet> ephemerals_;
  NodeSet containers_;
  NodeSet ttl_nodes_;
  SnapshotWalk* walk_ = nullptr;  // a snapshot being taken
  std::uint32_t snapshot_generation_ = 0;
};

}  // namespace synod::state
