#include "state/watch_table.h"

#include <algorithm>
#include <bit>

#include "state/paths.h"

namespace synod::state {
namespace {

using jute::EventType;

constexpr std::uint8_t bits(WatchMode mode) { return static_cast<std::uint8_t>(mode); }
constexpr std::uint8_t kOnce = bits(WatchMode::kData) | bits(WatchMode::kChildren);
constexpr std::uint8_t kAll = 15;

}  // namespace

void WatchTable::add(std::string_view path, Watcher& watcher, WatchMode mode) {
  Entry* entry = find(path);
  if (entry == nullptr) {
    auto made = std::make_unique<Entry>(Entry{std::string(path), {}});
    entry = made.get();
    entries_.emplace(std::string_view(entry->path), std::move(made));
  }
  auto watch = std::ranges::find(entry->watches, &watcher, &Watch::watcher);
  if (watch == entry->watches.end()) {
    watch = entry->watches.insert(watch, {&watcher, 0});
    by_watcher_[&watcher].insert(entry);
  }
  if ((watch->modes & bits(mode)) != 0) return;
  watch->modes = static_cast<Modes>(watch->modes | bits(mode));
  ++watch_count_;
  if (mode == WatchMode::kRecursive) ++recursive_count_;
}

WatchTable::Modes WatchTable::modes_of(jute::WatcherType type) {
  switch (type) {
    case jute::WatcherType::kChildren:
      return bits(WatchMode::kChildren);
    case jute::WatcherType::kData:
      return bits(WatchMode::kData);
    case jute::WatcherType::kAny:
      return kAll;
    case jute::WatcherType::kPersistent:
      return bits(WatchMode::kPersistent);
    case jute::WatcherType::kPersistentRecursive:
      return bits(WatchMode::kRecursive);
  }
  return 0;
}

bool WatchTable::contains(std::string_view path, Watcher& watcher, jute::WatcherType type) const {
  const Entry* entry = find(path);
  if (entry == nullptr) return false;
  const auto watch = std::ranges::find(entry->watches, &watcher, &Watch::watcher);
  return watch != entry->watches.end() && (watch->modes & modes_of(type)) != 0;
}

bool WatchTable::remove(std::string_view path, Watcher& watcher, jute::WatcherType type) {
  if (!contains(path, watcher, type)) return false;
  Entry& entry = *find(path);
  const auto watch = std::ranges::find(entry.watches, &watcher, &Watch::watcher);
  clear_modes(entry, static_cast<std::size_t>(watch - entry.watches.begin()), modes_of(type));
  erase_if_empty(entry);
  return true;
}

void WatchTable::remove_all(Watcher& watcher) {
  const auto found = by_watcher_.find(&watcher);
  if (found == by_watcher_.end()) return;
  const auto entries = std::move(found->second);
  by_watcher_.erase(found);
  for (Entry* entry : entries) {
    const auto watch = std::ranges::find(entry->watches, &watcher, &Watch::watcher);
    clear_modes(*entry, static_cast<std::size_t>(watch - entry->watches.begin()), kAll);
    erase_if_empty(*entry);
  }
}

WatchTable::Entry* WatchTable::find(std::string_view path) const {
  const auto found = entries_.find(path);
  return found == entries_.end() ? nullptr : found->second.get();
}

// Takes modes from one watch; a watch without any goes, its place is taken by the last one.
void WatchTable::clear_modes(Entry& entry, std::size_t index, Modes modes) {
  Watch& watch = entry.watches[index];
  const auto gone = static_cast<Modes>(watch.modes & modes);
  watch_count_ -= static_cast<std::size_t>(std::popcount(gone));
  if ((gone & bits(WatchMode::kRecursive)) != 0) --recursive_count_;
  watch.modes = static_cast<Modes>(watch.modes & ~modes);
  if (watch.modes != 0) return;
  forget(entry, *watch.watcher);
  watch = entry.watches.back();
  entry.watches.pop_back();
}

void WatchTable::forget(Entry& entry, Watcher& watcher) {
  const auto found = by_watcher_.find(&watcher);
  if (found == by_watcher_.end()) return;
  found->second.erase(&entry);
  if (found->second.empty()) by_watcher_.erase(found);
}

void WatchTable::erase_if_empty(Entry& entry) {
  if (entry.watches.empty()) entries_.erase(std::string_view(entry.path));
}

void WatchTable::fire(const Change& change) {
  if (entries_.empty()) return;
  fire_node(change);
  if (change.type != EventType::kNodeDataChanged) fire_children_changed(change);
}

void WatchTable::fire_node(const Change& change) {
  told_.clear();
  const bool is_deleted = change.type == EventType::kNodeDeleted;
  const auto hears = static_cast<Modes>(is_deleted ? kAll : kAll & ~bits(WatchMode::kChildren));
  if (Entry* entry = find(change.path)) {
    for (std::size_t i = 0; i < entry->watches.size();) {
      const Watch watch = entry->watches[i];
      if ((watch.modes & hears) != 0) {
        watch.watcher->notify(change.type, change.path, change.zxid, change.acl);
        told_.push_back(watch.watcher);
      }
      const std::size_t before = entry->watches.size();
      clear_modes(*entry, i, static_cast<Modes>(hears & kOnce));
      if (entry->watches.size() == before) ++i;
    }
    erase_if_empty(*entry);
  }
  if (recursive_count_ == 0 || change.path == "/") return;
  for (std::string_view above = parent_of(change.path); !above.empty(); above = parent_of(above)) {
    tell_recursive(change, above);
  }
  tell_recursive(change, "/");
}

// One change is one event for a watcher, whatever the number of its watches that match.
void WatchTable::tell_recursive(const Change& change, std::string_view above) {
  const Entry* entry = find(above);
  if (entry == nullptr) return;
  for (const Watch& watch : entry->watches) {
    if ((watch.modes & bits(WatchMode::kRecursive)) == 0) continue;
    if (std::ranges::find(told_, watch.watcher) != told_.end()) continue;
    watch.watcher->notify(change.type, change.path, change.zxid, change.acl);
    told_.push_back(watch.watcher);
  }
}

void WatchTable::fire_children_changed(const Change& change) {
  std::string_view parent = parent_of(change.path);
  if (parent.empty()) parent = "/";
  Entry* entry = find(parent);
  if (entry == nullptr) return;
  for (std::size_t i = 0; i < entry->watches.size();) {
    const Watch watch = entry->watches[i];
    if ((watch.modes & (bits(WatchMode::kChildren) | bits(WatchMode::kPersistent))) != 0) {
      watch.watcher->notify(EventType::kNodeChildrenChanged, parent, change.zxid,
                            change.parent_acl);
    }
    const std::size_t before = entry->watches.size();
    clear_modes(*entry, i, bits(WatchMode::kChildren));
    if (entry->watches.size() == before) ++i;
  }
  erase_if_empty(*entry);
}

}  // namespace synod::state
