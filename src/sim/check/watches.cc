// C6: what one session must hear of the nodes it watches, and when.
//
// A session's replies and events are gone through in the order it saw them. A watch stands from the
// reply that left it until its event; each change of the node committed behind that reply must be
// heard before any reply from that change on. Reconnecting does not alter this: setWatches tells
// of what was missed before anything else is answered.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <variant>

#include "sim/check/rules.h"

namespace synod::sim::check {
namespace {

enum class WatchKind { kData, kChild };  // the server's two; exists leaves a data watch

struct Change {
  Zxid zxid;
  jute::EventType type = jute::EventType::kNodeDataChanged;
  std::size_t operation = 0;
  bool may_pass = false;  // a deletion, or a node that goes with its session
};

// The changes that are known to have been made, by node and kind of watch, in order.
class Changes {
 public:
  explicit Changes(const Facts& facts) {
    for (std::size_t i = 0; i < facts.history().operations.size(); ++i) {
      const Operation& operation = facts.operation(i);
      if (facts.fate(i).kind != Fate::Kind::kHappened || !is_write(operation.kind)) continue;
      for_each_action(operation, [&](const Action& action) { add(facts, i, action); });
    }
    for (auto& [watched, changes] : changes_) std::ranges::stable_sort(changes, {}, &Change::zxid);
  }

  const std::vector<Change>& of(const std::string& node, WatchKind kind) const {
    static const std::vector<Change> kNone;
    const auto found = changes_.find({node, kind});
    return found == changes_.end() ? kNone : found->second;
  }

 private:
  void add(const Facts& facts, std::size_t index, const Action& action) {
    const std::string node = facts.node_of(action);
    const Zxid zxid = facts.fate(index).zxid;
    const auto change = [&](const std::string& where, WatchKind kind, jute::EventType type) {
      const bool may_pass = type == jute::EventType::kNodeDeleted || action.is_ephemeral;
      changes_[{where, kind}].push_back({zxid, type, index, may_pass});
    };
    if (action.kind == Kind::kSetData) {
      change(node, WatchKind::kData, jute::EventType::kNodeDataChanged);
    } else if (action.kind == Kind::kCreate) {
      change(node, WatchKind::kData, jute::EventType::kNodeCreated);
      change(parent_of(node), WatchKind::kChild, jute::EventType::kNodeChildrenChanged);
    } else if (action.kind == Kind::kDelete) {
      change(node, WatchKind::kData, jute::EventType::kNodeDeleted);
      change(node, WatchKind::kChild, jute::EventType::kNodeDeleted);
      change(parent_of(node), WatchKind::kChild, jute::EventType::kNodeChildrenChanged);
    }
  }

  std::map<std::pair<std::string, WatchKind>, std::vector<Change>> changes_;
};

struct Watch {
  Zxid since;
  std::size_t left_by = 0;
  bool is_for_absent = false;      // left by an exists that found nothing
  bool has_survived_loss = false;  // of the connection
};

class Session {
 public:
  Session(const Facts& facts, const Changes& changes, Report& report)
      : facts_(facts), changes_(changes), report_(report) {}

  void see(const WatchEvent& event) {
    bool is_expected = false;
    for (const WatchKind kind : fired_by(event.type)) {
      is_expected |= watches_.erase({event.path, kind}) > 0;
    }
    if (is_expected) return;
    complain(report_, Rule::kWatchOrder,
             fmt::format("session {:#x} got event {} of {} without a watch there, or twice",
                         event.session.value, static_cast<int>(event.type), event.path),
             {});
  }

  void see(std::size_t index) {
    const Operation& operation = facts_.operation(index);
    if (operation.zxid > seen_) check_missed(index);
    seen_ = std::max(seen_, operation.zxid);
    const bool is_refused = operation.outcome == Outcome::kError;
    const bool is_absent = is_refused && operation.error == jute::ErrorCode::kNoNode;
    if (!operation.leaves_watch || operation.zxid == Zxid{}) return;
    if (is_refused && !(is_absent && operation.kind == Kind::kExists)) return;
    const bool is_child = operation.kind == Kind::kGetChildren;
    watches_.insert({{operation.path, is_child ? WatchKind::kChild : WatchKind::kData},
                     {operation.zxid, index, is_absent}});
  }

  void see_connection_lost() {
    for (auto& [watched, watch] : watches_) watch.has_survived_loss = true;
  }

 private:
  static std::vector<WatchKind> fired_by(jute::EventType type) {
    switch (type) {
      case jute::EventType::kNodeCreated:
      case jute::EventType::kNodeDataChanged:
        return {WatchKind::kData};
      case jute::EventType::kNodeDeleted:
        return {WatchKind::kData, WatchKind::kChild};
      case jute::EventType::kNodeChildrenChanged:
        return {WatchKind::kChild};
    }
    return {};
  }

  void check_missed(std::size_t reply) {
    std::erase_if(watches_, [&](const auto& entry) {
      const auto& [watched, watch] = entry;
      const Change* change = missed(watched.first, watched.second, watch, reply);
      if (change == nullptr) return false;
      complain(report_, Rule::kWatchOrder,
               fmt::format("session {:#x} saw {} without the event of {} for its watch of {}",
                           facts_.operation(reply).session.value,
                           to_string(facts_.operation(reply).zxid), to_string(change->zxid),
                           watched.first),
               {watch.left_by, change->operation, reply});
      return true;
    });
  }

  // The change that a reply shows and no event told of.
  const Change* missed(const std::string& node, WatchKind kind, const Watch& watch,
                       std::size_t reply) const {
    const std::vector<Change>& changes = changes_.of(node, kind);
    const auto first = std::ranges::upper_bound(changes, watch.since, {}, &Change::zxid);
    if (first == changes.end() || first->zxid > facts_.operation(reply).zxid) return nullptr;
    // setWatches cannot know that a node it does not find was there for a while.
    if (watch.is_for_absent && watch.has_survived_loss) {
      if (std::any_of(first, changes.end(), [](const Change& c) { return c.may_pass; }))
        return nullptr;
    }
    return &*first;
  }

  const Facts& facts_;
  const Changes& changes_;
  Report& report_;
  std::map<std::pair<std::string, WatchKind>, Watch> watches_;
  Zxid seen_;
};

struct ConnectionLost {};
using Seen = std::variant<ConnectionLost, const WatchEvent*, std::size_t>;

}  // namespace

void check_watches(const Facts& facts, Report& report) {
  const History& history = facts.history();
  std::map<SessionId, std::vector<std::pair<Moment, Seen>>> sessions;
  for (const WatchEvent& event : history.watch_events) {
    sessions[event.session].emplace_back(event.seen_at, &event);
  }
  for (const SessionEvent& event : history.session_events) {
    if (event.kind != SessionEvent::Kind::kLost) continue;
    sessions[event.session].emplace_back(event.at, ConnectionLost{});
  }
  for (std::size_t i = 0; i < history.operations.size(); ++i) {
    const Operation& operation = history.operations[i];
    if (operation.outcome == Outcome::kUnknown) continue;
    sessions[operation.session].emplace_back(operation.completed_at, i);
  }
  const Changes changes(facts);
  for (auto& [id, seen] : sessions) {
    std::ranges::stable_sort(seen, {}, [](const auto& entry) { return entry.first; });
    Session session(facts, changes, report);
    for (const auto& [moment, what] : seen) {
      if (std::holds_alternative<ConnectionLost>(what)) session.see_connection_lost();
      if (const auto* event = std::get_if<const WatchEvent*>(&what)) session.see(**event);
      if (const auto* reply = std::get_if<std::size_t>(&what)) session.see(*reply);
    }
  }
}

}  // namespace synod::sim::check
