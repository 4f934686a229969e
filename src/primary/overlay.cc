#include "primary/overlay.h"

#include <set>

#include "state/digest.h"
#include "state/paths.h"

namespace synod::primary {
namespace {

// "/" and "" name the root; staged changes know it by one name only.
std::string_view canonical(std::string_view path) {
  return path == "/" ? std::string_view() : path;
}

}  // namespace

std::optional<NodeView> Overlay::find(std::string_view path) const {
  if (!pending_.empty()) {
    const auto found = pending_.find(canonical(path));
    if (found != pending_.end()) return found->second.node;
  }
  const state::Node* node = state_.tree().find(path);
  if (node == nullptr) return std::nullopt;
  return NodeView{.stat = node->stat,
                  .child_count = static_cast<std::int64_t>(node->child_count()),
                  .data_size = node->data.size(),
                  .prefix_crc = node->prefix_crc,
                  .acl_id = node->acl,
                  .acl = nullptr};
}

const jute::AclList& Overlay::acl_of(const NodeView& node) const {
  return node.acl ? *node.acl : state_.tree().acls().list(node.acl_id);
}

std::vector<std::string> Overlay::ephemerals_of(SessionId session) const {
  const std::vector<std::string> known = state_.tree().ephemerals_of(session);
  std::set<std::string> paths(known.begin(), known.end());
  const state::OwnerRules rules = state_.tree().rules();
  for (const auto& [path, change] : pending_) {
    if (change.node && change.node->stat.ephemeral_owner == session.value &&
        rules.kind(session.value) == state::OwnerKind::kEphemeral)
      paths.insert(path);
    else
      paths.erase(path);  // gone, or there again as another's or nobody's
  }
  return {paths.begin(), paths.end()};
}

std::uint64_t Overlay::digest() const {
  return pending_.empty() ? state_.tree().digest() : digest_;
}

std::uint64_t Overlay::digest_of(std::string_view path, const std::optional<NodeView>& node) const {
  return node ? state::node_digest(path, node->prefix_crc, node->stat) : 0;
}

void Overlay::stage(Zxid zxid, std::string_view given_path, std::optional<NodeView> node) {
  const std::string_view path = canonical(given_path);
  digest_ = digest() - digest_of(path, find(path)) + digest_of(path, node);
  std::string key(path);
  const auto [entry, is_new] = pending_.try_emplace(key);
  if (is_recording_) {
    undo_.push_back({key, is_new ? std::nullopt : std::optional(entry->second)});
  }
  entry->second = {zxid, std::move(node)};
  order_.emplace_back(zxid, std::move(key));
}

void Overlay::begin() {
  is_recording_ = true;
  undo_.clear();
  digest_before_ = digest();
}

void Overlay::keep() { is_recording_ = false; }

void Overlay::take_back() {
  if (!is_recording_) return;
  for (auto undo = undo_.rbegin(); undo != undo_.rend(); ++undo) {
    if (undo->before)
      pending_[undo->path] = *undo->before;
    else
      pending_.erase(undo->path);
    order_.pop_back();
  }
  digest_ = digest_before_;
  is_recording_ = false;
}

void Overlay::applied(Zxid up_to) {
  while (!order_.empty() && order_.front().first <= up_to) {
    const auto found = pending_.find(order_.front().second);
    if (found != pending_.end() && found->second.zxid <= up_to) pending_.erase(found);
    order_.pop_front();
  }
}

}  // namespace synod::primary
