// The tree as it will be once all outstanding proposals are applied. The leader checks requests
// against this, so that they can be pipelined (ZooKeeper's outstandingChanges).
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "jute/records.h"
#include "state/state.h"

namespace synod::primary {

// A node as a request's checks need it.
struct NodeView {
  jute::StatPersisted stat;
  std::int64_t child_count = 0;
  std::uint32_t data_size = 0;               // bytes
  std::uint32_t prefix_crc = 0;              // see state/digest.h
  state::AclId acl_id;                       // in the tree's table; counts only while `acl` is null
  std::shared_ptr<const jute::AclList> acl;  // a list that is not applied yet
};

class Overlay {
 public:
  explicit Overlay(const state::State& state) : state_(state) {}

  // Empty: there is no such node, or it is about to be deleted.
  [[nodiscard]] std::optional<NodeView> find(std::string_view path) const;
  [[nodiscard]] const jute::AclList& acl_of(const NodeView& node) const;
  // Sorted: the session's ephemerals, pending ones included, deleted ones left out.
  [[nodiscard]] std::vector<std::string> ephemerals_of(SessionId session) const;
  // Of the whole tree, all staged changes included.
  [[nodiscard]] std::uint64_t digest() const;

  // What the transaction `zxid` will do. An empty view: the node goes.
  void stage(Zxid zxid, std::string_view path, std::optional<NodeView> node);

  // Between begin() and keep() what was staged can be taken back: a multi stages its parts one by
  // one, and the last of them may be refused. Both end the recording; without one both do nothing.
  void begin();
  void keep();
  void take_back();

  // Forgets what has been applied.
  void applied(Zxid up_to);

 private:
  struct Pending {
    Zxid zxid;
    std::optional<NodeView> node;
  };
  struct Undo {
    std::string path;
    std::optional<Pending> before;
  };

  [[nodiscard]] std::uint64_t digest_of(std::string_view path,
                                        const std::optional<NodeView>& node) const;

  struct PathHash {
    using is_transparent = void;
    using is_avalanching = void;
    std::size_t operator()(std::string_view path) const {
      return std::hash<std::string_view>{}(path);
    }
  };

  const state::State& state_;
  boost::unordered_flat_map<std::string, Pending, PathHash, std::equal_to<>> pending_;
  std::deque<std::pair<Zxid, std::string>> order_;
  std::uint64_t digest_ = 0;  // valid while something is pending
  bool is_recording_ = false;
  std::vector<Undo> undo_;
  std::uint64_t digest_before_ = 0;
};

}  // namespace synod::primary
