// Who watches what (reference: WatchManager, DataTree; several modes on one path as in 3.9).
//
// A server has one table for each connection thread, so that a read can register its watch without
// touching what other threads use.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "jute/opcode.h"
#include "state/acl.h"
#include "state/change_list.h"

namespace synod::state {

// Whoever is told; a connection.
class Watcher {
 public:
  // `acl`: the list that decides whether this watcher may hear of it (READ on the node concerned).
  virtual void notify(jute::EventType type, std::string_view path, Zxid zxid, AclId acl) = 0;

 protected:
  ~Watcher() = default;
};

// The ways to watch a path; one watcher may use several on the same path.
enum class WatchMode : std::uint8_t {
  kData = 1,        // once: the node's creation, deletion, data
  kChildren = 2,    // once: its children, its deletion
  kPersistent = 4,  // all of these, again and again
  kRecursive = 8,   // creation, deletion and data of it and of all below it, again and again
};

class WatchTable {
 public:
  void add(std::string_view path, Watcher& watcher, WatchMode mode);
  // False: nothing of that type was there.
  bool remove(std::string_view path, Watcher& watcher, jute::WatcherType type);
  [[nodiscard]] bool contains(std::string_view path, Watcher& watcher,
                              jute::WatcherType type) const;
  void remove_all(Watcher& watcher);

  // Tells everyone concerned, in ZooKeeper's order: the node's data watches, its child watches,
  // then the parent's child watches. Watches that fire once are gone afterwards.
  void fire(const Change& change);

  [[nodiscard]] std::size_t path_count() const { return entries_.size(); }
  [[nodiscard]] std::size_t watcher_count() const { return by_watcher_.size(); }
  [[nodiscard]] std::size_t watch_count() const { return watch_count_; }

 private:
  using Modes = std::uint8_t;  // sum of WatchMode
  struct Watch {
    Watcher* watcher;
    Modes modes;
  };
  struct Entry {
    std::string path;
    std::vector<Watch> watches;
  };

  static Modes modes_of(jute::WatcherType type);
  Entry* find(std::string_view path) const;
  void fire_node(const Change& change);
  void fire_children_changed(const Change& change);
  void tell_recursive(const Change& change, std::string_view above);
  void clear_modes(Entry& entry, std::size_t index, Modes modes);
  void erase_if_empty(Entry& entry);
  void forget(Entry& entry, Watcher& watcher);

  boost::unordered_flat_map<std::string_view, std::unique_ptr<Entry>>
      entries_;  // keys live in the entries
  boost::unordered_flat_map<Watcher*, boost::unordered_flat_set<Entry*>> by_watcher_;
  std::size_t watch_count_ = 0;
  std::size_t recursive_count_ = 0;
  std::vector<Watcher*> told_;  // by the change at hand
};

}  // namespace synod::state
