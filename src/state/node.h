// One znode in memory: a fixed part and its path in a single allocation.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "jute/records.h"
#include "state/acl.h"

namespace synod::state {

// A node's data: null, or a length and that many bytes in one allocation.
class NodeData {
 public:
  NodeData() = default;
  explicit NodeData(NullableView bytes) {
    if (!bytes) return;
    const auto length = static_cast<std::uint32_t>(bytes->size());
    block_.reset(static_cast<char*>(::operator new(sizeof length + length)));
    std::memcpy(block_.get(), &length, sizeof length);
    if (length != 0) std::memcpy(block_.get() + sizeof length, bytes->data(), length);
  }
  [[nodiscard]] NullableView view() const {
    if (!block_) return std::nullopt;
    return BytesView(block_.get() + sizeof(std::uint32_t), size());
  }
  // Bytes; 0 for null.
  [[nodiscard]] std::uint32_t size() const {
    std::uint32_t length = 0;
    if (block_) std::memcpy(&length, block_.get(), sizeof length);
    return length;
  }

 private:
  struct Free {
    void operator()(char* block) const { ::operator delete(block); }
  };
  std::unique_ptr<char, Free> block_;
};

struct Node;
using Children = std::vector<Node*>;

// Owned and changed by Tree alone. The root's path is "", as on disk and in digests.
struct Node {
  jute::StatPersisted stat;
  Node* parent = nullptr;  // null for the root only
  // All nodes in the order of their creation, so that a parent always precedes its children: the
  // order in which a snapshot writes them.
  Node* older = nullptr;
  Node* newer = nullptr;
  std::unique_ptr<Children> children;  // null while there are none
  NodeData data;
  AclId acl;
  std::uint32_t index_in_parent = 0;
  std::uint32_t prefix_crc =
      0;  // CRC-32 of path and data: the digest's part that stats leave alone
  std::uint32_t snapshot_mark = 0;  // the last snapshot that has, or needs not have, this node
  std::uint32_t path_length = 0;

  [[nodiscard]] std::string_view path() const {
    return {reinterpret_cast<const char*>(this + 1), path_length};
  }
  [[nodiscard]] std::string_view client_path() const { return path_length == 0 ? "/" : path(); }
  [[nodiscard]] std::size_t child_count() const { return children ? children->size() : 0; }

  [[nodiscard]] static Node* make(std::string_view path) {
    void* memory = ::operator new(sizeof(Node) + path.size());
    Node* node = new (memory) Node;
    node->path_length = static_cast<std::uint32_t>(path.size());
    if (!path.empty()) std::memcpy(static_cast<void*>(node + 1), path.data(), path.size());
    return node;
  }
  static void destroy(Node* node) {
    node->~Node();
    ::operator delete(node);
  }
};

}  // namespace synod::state
