// Finds a node by its full path.
//
// The table is cut into shards by the path's hash, so that no growth ever rehashes more than a
// small part of it at once: a step of the core stays short even with tens of millions of nodes.
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <functional>
#include <string_view>

#include "state/node.h"

namespace synod::state {

class NodeIndex {
 public:
  [[nodiscard]] Node* find(std::string_view path) const {
    const std::size_t hash = std::hash<std::string_view>{}(path);
    const auto& shard = shards_[shard_of(hash)];
    const auto found = shard.find(Key{path, hash});
    return found == shard.end() ? nullptr : *found;
  }
  void insert(Node* node) {
    shards_[shard_of(std::hash<std::string_view>{}(node->path()))].insert(node);
    ++size_;
  }
  void erase(Node* node) {
    const std::size_t hash = std::hash<std::string_view>{}(node->path());
    size_ -= shards_[shard_of(hash)].erase(Key{node->path(), hash});
  }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kShards = 1024;
  // Not the top bits: within a shard the table goes by those, and would find them all alike.
  static std::size_t shard_of(std::size_t hash) { return hash >> 8 & (kShards - 1); }

  struct Key {
    std::string_view path;
    std::size_t hash;
  };
  struct Hash {
    using is_transparent = void;
    using is_avalanching = void;
    std::size_t operator()(const Node* node) const {
      return std::hash<std::string_view>{}(node->path());
    }
    std::size_t operator()(const Key& key) const { return key.hash; }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Node* a, const Node* b) const { return a == b || a->path() == b->path(); }
    bool operator()(const Key& key, const Node* node) const { return key.path == node->path(); }
    bool operator()(const Node* node, const Key& key) const { return key.path == node->path(); }
  };

  std::array<boost::unordered_flat_set<Node*, Hash, Equal>, kShards> shards_;
  std::size_t size_ = 0;
};

}  // namespace synod::state
