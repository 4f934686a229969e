#include "state/tree.h"

#include <algorithm>

#include "base/assert.h"
#include "state/digest.h"
#include "state/paths.h"
#include "state/snapshot_walk.h"

namespace synod::state {
namespace {

std::vector<const Node*> sorted(const boost::unordered_flat_set<Node*>& nodes) {
  std::vector<const Node*> list(nodes.begin(), nodes.end());
  std::ranges::sort(list, {}, &Node::path);
  return list;
}

}  // namespace

Tree::Tree(OwnerRules rules) : rules_(rules) {
  root_ = Node::make("");
  root_->data = NodeData(BytesView());  // empty, not null, as Java makes it
  link(*root_, nullptr);
}

Tree::~Tree() {
  for (Node* node = oldest_; node != nullptr;) Node::destroy(std::exchange(node, node->newer));
}

void Tree::swap(Tree& other) noexcept {
  SYNOD_ASSERT(!has_walk() && !other.has_walk());
  std::swap(rules_, other.rules_);
  std::swap(acls_, other.acls_);
  std::swap(index_, other.index_);
  std::swap(root_, other.root_);
  std::swap(oldest_, other.oldest_);
  std::swap(newest_, other.newest_);
  std::swap(digest_, other.digest_);
  std::swap(data_size_, other.data_size_);
  ephemerals_.swap(other.ephemerals_);
  containers_.swap(other.containers_);
  ttl_nodes_.swap(other.ttl_nodes_);
  std::swap(snapshot_generation_, other.snapshot_generation_);
}

const Node* Tree::find(std::string_view path) const {
  return path == "/" ? root_ : index_.find(path);
}

const Node& Tree::create(std::string_view path, NullableView data, AclId acl,
                         const jute::StatPersisted& stat) {
  Node* parent = index_.find(parent_of(path));
  SYNOD_ASSERT(parent != nullptr);
  Node& node = *Node::make(path);
  node.stat = stat;
  node.data = NodeData(data);
  node.acl = acl;
  link(node, parent);
  return node;
}

void Tree::link(Node& node, Node* parent) {
  node.prefix_crc = digest_prefix(node.path(), node.data.view());
  node.snapshot_mark = snapshot_generation_;
  node.parent = parent;
  node.older = newest_;
  (newest_ != nullptr ? newest_->newer : oldest_) = &node;
  newest_ = &node;
  if (parent != nullptr) {
    if (!parent->children) parent->children = std::make_unique<Children>();
    node.index_in_parent = static_cast<std::uint32_t>(parent->children->size());
    parent->children->push_back(&node);
  }
  index_.insert(&node);
  track_owner(node, true);
  digest_ += digest_of(node);
  data_size_ += node.path_length + node.data.size();
}

void Tree::unlink(Node& node) {
  Children& siblings = *node.parent->children;
  Node* last = siblings.back();
  siblings[node.index_in_parent] = last;
  last->index_in_parent = node.index_in_parent;
  siblings.pop_back();
  if (siblings.empty()) node.parent->children.reset();
  (node.older != nullptr ? node.older->newer : oldest_) = node.newer;
  (node.newer != nullptr ? node.newer->older : newest_) = node.older;
}

void Tree::remove(const Node& node) {
  while (node.children) remove(*node.children->back());
  remove_leaf(mutable_node(node));
}

void Tree::remove_leaf(Node& node) {
  SYNOD_ASSERT(node.parent != nullptr);
  if (walk_ != nullptr) walk_->before_remove(node);
  digest_ -= digest_of(node);
  data_size_ -= node.path_length + node.data.size();
  track_owner(node, false);
  index_.erase(&node);
  unlink(node);
  acls_.release(node.acl);
  Node::destroy(&node);
}

void Tree::set_data(const Node& target, NullableView data, const jute::StatPersisted& stat) {
  Node& node = mutable_node(target);
  before_change(node);
  digest_ -= digest_of(node);
  data_size_ -= node.data.size();
  node.data = NodeData(data);
  node.prefix_crc = digest_prefix(node.path(), node.data.view());
  node.stat = stat;
  data_size_ += node.data.size();
  digest_ += digest_of(node);
}

void Tree::set_stat(const Node& target, const jute::StatPersisted& stat) {
  Node& node = mutable_node(target);
  before_change(node);
  replace_stat(node, stat);
}

void Tree::set_acl(const Node& target, AclId acl, const jute::StatPersisted& stat) {
  Node& node = mutable_node(target);
  before_change(node);
  acls_.release(node.acl);
  node.acl = acl;
  replace_stat(node, stat);
}

void Tree::replace_stat(Node& node, const jute::StatPersisted& stat) {
  digest_ -= digest_of(node);
  const bool is_new_owner = node.stat.ephemeral_owner != stat.ephemeral_owner;
  if (is_new_owner) track_owner(node, false);
  node.stat = stat;
  if (is_new_owner) track_owner(node, true);
  digest_ += digest_of(node);
}

void Tree::before_change(Node& node) {
  if (walk_ != nullptr) walk_->before_change(node);
}

std::uint64_t Tree::digest_of(const Node& node) const {
  return node_digest(node.path(), node.prefix_crc, node.stat);
}

void Tree::track_owner(Node& node, bool is_present) {
  const auto keep = [&](NodeSet& set) {
    if (is_present)
      set.insert(&node);
    else
      set.erase(&node);
  };
  switch (rules_.kind(node.stat.ephemeral_owner)) {
    case OwnerKind::kPersistent:
      return;
    case OwnerKind::kContainer:
      return keep(containers_);
    case OwnerKind::kTtl:
      return keep(ttl_nodes_);
    case OwnerKind::kEphemeral:
      break;
  }
  const auto owner = ephemerals_.try_emplace(SessionId{node.stat.ephemeral_owner}).first;
  keep(owner->second);
  if (owner->second.empty()) ephemerals_.erase(owner);
}

jute::Stat Tree::client_stat(const Node& node) const {
  const jute::StatPersisted& stat = node.stat;
  const bool is_ephemeral = rules_.kind(stat.ephemeral_owner) == OwnerKind::kEphemeral;
  const auto children = static_cast<std::uint32_t>(node.child_count());
  return {
      .czxid = stat.czxid,
      .mzxid = stat.mzxid,
      .ctime = stat.ctime,
      .mtime = stat.mtime,
      .version = stat.version,
      // The stored number counts creations; clients see creations and deletions
      // (DataNode.copyStat).
      .cversion =
          static_cast<std::int32_t>(static_cast<std::uint32_t>(stat.cversion) * 2 - children),
      .aversion = stat.aversion,
      .ephemeral_owner = is_ephemeral ? stat.ephemeral_owner : 0,
      .data_length = static_cast<std::int32_t>(node.data.size()),
      .num_children = static_cast<std::int32_t>(children),
      .pzxid = stat.pzxid,
  };
}

std::size_t Tree::descendant_count(const Node& node) const {
  if (&node == root_) return index_.size() - 1;
  std::size_t count = 0;
  std::vector<const Node*> open{&node};
  while (!open.empty()) {
    const Node* next = open.back();
    open.pop_back();
    if (!next->children) continue;
    count += next->children->size();
    open.insert(open.end(), next->children->begin(), next->children->end());
  }
  return count;
}

std::vector<std::string> Tree::ephemerals_of(SessionId session) const {
  std::vector<std::string> paths;
  if (const auto found = ephemerals_.find(session); found != ephemerals_.end()) {
    for (const Node* node : sorted(found->second)) paths.emplace_back(node->path());
  }
  return paths;
}

std::vector<SessionId> Tree::sessions_with_ephemerals() const {
  std::vector<SessionId> sessions;
  for (const auto& [session, nodes] : ephemerals_) sessions.push_back(session);
  std::ranges::sort(sessions);
  return sessions;
}

std::size_t Tree::ephemeral_count() const {
  std::size_t count = 0;
  for (const auto& [session, nodes] : ephemerals_) count += nodes.size();
  return count;
}

std::vector<const Node*> Tree::containers() const { return sorted(containers_); }

std::vector<const Node*> Tree::ttl_nodes() const { return sorted(ttl_nodes_); }

}  // namespace synod::state
