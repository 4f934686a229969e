// What a transaction changed, in the order in which watches must hear of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "jute/opcode.h"
#include "state/acl.h"

namespace synod::state {

// kNodeChildrenChanged never stands here: it follows from a creation or deletion at the parent.
struct Change {
  jute::EventType type{};
  std::string_view path;
  Zxid zxid;
  AclId acl;  // of the node (at its deletion, for one that is gone)
  AclId parent_acl;
};

// Paths are kept in one arena, since most lists live for one transaction and then are reused.
class ChangeList {
 public:
  void clear() {
    paths_.clear();
    items_.clear();
  }
  void add(jute::EventType type, std::string_view path, Zxid zxid, AclId acl, AclId parent_acl) {
    items_.push_back({type, paths_.size(), path.size(), zxid, acl, parent_acl});
    paths_.append(path);
  }
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  // The view is good until the next add() or clear().
  [[nodiscard]] Change operator[](std::size_t i) const {
    const Item& item = items_[i];
    return {item.type, std::string_view(paths_).substr(item.offset, item.length), item.zxid,
            item.acl, item.parent_acl};
  }

 private:
  struct Item {
    jute::EventType type;
    std::size_t offset;
    std::size_t length;
    Zxid zxid;
    AclId acl;
    AclId parent_acl;
  };
  std::string paths_;
  std::vector<Item> items_;
};

}  // namespace synod::state
