#include "state/snapshot_walk.h"

#include <utility>

#include "base/assert.h"
#include "state/tree.h"

namespace synod::state {
namespace {

std::int64_t acl_on_disk(AclId id) { return id == kOpenAcl ? kOpenAclOnDisk : id.value; }

}  // namespace

SnapshotWalk::SnapshotWalk(Tree& tree) : tree_(tree), next_(tree.oldest_) {
  SYNOD_ASSERT(tree.walk_ == nullptr);
  tree.walk_ = this;
  ++tree.snapshot_generation_;
}

SnapshotWalk::~SnapshotWalk() { tree_.walk_ = nullptr; }

bool SnapshotWalk::step(std::size_t budget_bytes, const Visit& visit) {
  std::size_t done = 0;
  while (next_ != nullptr && done < budget_bytes) {
    Node& node = *std::exchange(next_, next_->newer);
    done += visit_node(node, visit);
  }
  while (next_ == nullptr && !removed_.empty() && done < budget_bytes) {
    give(removed_.back(), visit);
    done += removed_.back().path.size() + removed_.back().data.value_or("").size();
    removed_.pop_back();
  }
  return next_ == nullptr && removed_.empty();
}

// Returns the bytes that passed. A marked node was either saved when it changed, or made after the
// start.
std::size_t SnapshotWalk::visit_node(Node& node, const Visit& visit) {
  const std::size_t size = sizeof(Node) + node.path_length + node.data.size();
  if (node.snapshot_mark != tree_.snapshot_generation_) {
    node.snapshot_mark = tree_.snapshot_generation_;
    visit(node.path(), node.data.view(), acl_on_disk(node.acl), node.stat);
  } else if (const auto found = saved_.find(&node); found != saved_.end()) {
    give(found->second, visit);
    saved_.erase(found);
  }
  return size;
}

void SnapshotWalk::before_change(Node& node) {
  if (node.snapshot_mark == tree_.snapshot_generation_) return;
  node.snapshot_mark = tree_.snapshot_generation_;
  saved_.emplace(&node, image_of(node));
}

void SnapshotWalk::before_remove(Node& node) {
  before_change(node);
  if (const auto found = saved_.find(&node); found != saved_.end()) {
    removed_.push_back(std::move(found->second));
    saved_.erase(found);
  }
  if (next_ == &node) next_ = node.newer;
}

SnapshotWalk::Image SnapshotWalk::image_of(const Node& node) {
  Image image{.path = std::string(node.path()),
              .data = {},
              .acl_id = acl_on_disk(node.acl),
              .stat = node.stat};
  if (const NullableView data = node.data.view()) image.data.emplace(*data);
  return image;
}

void SnapshotWalk::give(const Image& image, const Visit& visit) {
  visit(image.path, image.data ? NullableView(*image.data) : NullableView(), image.acl_id,
        image.stat);
}

}  // namespace synod::state
