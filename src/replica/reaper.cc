#include "replica/reaper.h"

#include <algorithm>
#include <utility>

namespace synod::replica {
namespace {

// A path may wait for its turn for a minute, and be another node by then, or in use.
bool is_reapable(const state::Tree& tree, const std::string& path) {
  const state::Node* node = tree.find(path);
  if (node == nullptr || node->children) return false;
  const state::OwnerKind kind = tree.rules().kind(node->stat.ephemeral_owner);
  return kind == state::OwnerKind::kContainer || kind == state::OwnerKind::kTtl;
}

}  // namespace

std::optional<std::string> Reaper::next(const state::Tree& tree, SteadyTimeMs now,
                                        WallTimeMs wall) {
  if (!last_look_) last_look_ = now;
  if (due_.empty() && now.value - last_look_->value >= options_.check_interval_ms) {
    last_look_ = now;
    look(tree, wall);
  }
  const std::int64_t spacing_ms =
      options_.max_per_minute > 0 ? 60'000 / options_.max_per_minute : 60'000;
  if (due_.empty() || now.value - last_given_.value < spacing_ms) return std::nullopt;
  // Ticks are coarser than the spacing: what could have gone since the last one may go now.
  last_given_.value = std::max(last_given_.value + spacing_ms, now.value - 1000);
  while (!due_.empty()) {
    std::string path = std::move(due_.front());
    due_.pop_front();
    if (is_reapable(tree, path)) return path;
  }
  return std::nullopt;
}

void Reaper::look(const state::Tree& tree, WallTimeMs wall) {
  for (const state::Node* node : tree.containers()) {
    if (node->children) continue;
    const bool was_used = node->stat.cversion > 0;
    const bool is_unused_for_long = options_.max_never_used_ms != 0 &&
                                    wall.value - node->stat.mtime > options_.max_never_used_ms;
    if (was_used || is_unused_for_long) due_.emplace_back(node->path());
  }
  for (const state::Node* node : tree.ttl_nodes()) {
    if (node->children) continue;
    if (wall.value - node->stat.mtime > state::ttl_of_owner(node->stat.ephemeral_owner)) {
      due_.emplace_back(node->path());
    }
  }
}

}  // namespace synod::replica
