// Gathers what concerns each node, and asks the search for an order that explains it.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "sim/check/node_search.h"
#include "sim/check/rules.h"

namespace synod::sim::check {
namespace {

using Act = Touch::Act;

class Gatherer {
 public:
  explicit Gatherer(const Facts& facts) : facts_(facts) {
    for (std::size_t i = 0; i < operations().size(); ++i) note_creates(i);
    for (std::size_t i = 0; i < operations().size(); ++i) gather(i);
    for (const auto& [node, sessions] : owners_) {
      for (const SessionId session : sessions) add_ending(node, session);
    }
    add_final_tree();
  }

  std::map<std::string, NodeHistory> take() {
    for (auto& [node, history] : nodes_) {
      std::ranges::stable_sort(history.chain, [](const Step& a, const Step& b) {
        return std::pair(a.zxid, a.is_read) < std::pair(b.zxid, b.is_read);
      });
      std::ranges::stable_sort(history.floating, {}, &Step::invoked_at);
    }
    return std::move(nodes_);
  }

 private:
  const std::vector<Operation>& operations() const { return facts_.history().operations; }

  void note_creates(std::size_t index) {
    const Operation& operation = operations()[index];
    const Fate& fate = facts_.fate(index);
    if (fate.kind == Fate::Kind::kHappened && is_write(operation.kind)) {
      Zxid& last = last_write_[operation.session];
      last = std::max(last, fate.zxid);
    }
    if (fate.kind == Fate::Kind::kNoTrace || operation.outcome == Outcome::kError) return;
    for_each_action(operation, [&](const Action& action) {
      if (action.kind != Kind::kCreate) return;
      const std::string node = facts_.node_of(action);
      if (node.empty()) return;
      children_[parent_of(node)].insert(node);
      if (action.is_ephemeral) owners_[node].insert(operation.session);
    });
  }

  void gather(std::size_t index) {
    const Operation& operation = operations()[index];
    const Fate& fate = facts_.fate(index);
    if (fate.kind == Fate::Kind::kNoTrace) return;
    std::map<std::string, std::vector<Touch>> touches;
    if (operation.outcome == Outcome::kError) {
      touches = touches_of_refusal(operation);
    } else {
      for_each_action(operation, [&](const Action& action) {
        add_touches(operation, action, fate.kind == Fate::Kind::kInDoubt, touches);
      });
    }
    for (auto& [node, of_node] : touches) add_step(node, index, std::move(of_node));
  }

  void add_touches(const Operation& operation, const Action& action, bool is_in_doubt,
                   std::map<std::string, std::vector<Touch>>& touches) const {
    const std::string node = facts_.node_of(action);
    if (node.empty()) return;
    const auto touch = [&](const std::string& where, Act act) {
      touches[where].push_back({act, &action, operation.session});
    };
    switch (action.kind) {
      case Kind::kCreate:
        if (!is_in_doubt) touch(parent_of(node), Act::kExpectExists);
        return touch(node, Act::kCreate);
      case Kind::kDelete:
        return touch(node, Act::kDelete);
      case Kind::kSetData:
        return touch(node, Act::kSetData);
      case Kind::kCheck:
        return touch(node, Act::kExpectVersion);
      case Kind::kGetData:
      case Kind::kExists:
        return touch(node, Act::kExpectAsRead);
      case Kind::kGetChildren:
        return add_children(operation, action, touches);
      case Kind::kSync:
      case Kind::kCloseSession:
      case Kind::kMulti:
        return;
    }
  }

  void add_children(const Operation& operation, const Action& action,
                    std::map<std::string, std::vector<Touch>>& touches) const {
    touches[action.path].push_back({Act::kExpectExists, &action, operation.session});
    const auto known = children_.find(action.path);
    if (!action.children || known == children_.end()) return;
    const std::string prefix = action.path == "/" ? "/" : action.path + '/';
    std::set<std::string> listed;
    for (const std::string& name : *action.children) listed.insert(prefix + name);
    for (const std::string& child : known->second) {
      const Act act = listed.contains(child) ? Act::kExpectExists : Act::kExpectAbsent;
      touches[child].push_back({act, &action, operation.session});
    }
  }

  // A refusal tells what the tree was like where it was decided.
  std::map<std::string, std::vector<Touch>> touches_of_refusal(const Operation& operation) const {
    if (operation.kind != Kind::kMulti) return touches_of_refusal(operation, operation);
    if (operation.failed_part >= operation.parts.size()) return {};
    auto touches = touches_of_refusal(operation, operation.parts[operation.failed_part]);
    for (std::size_t i = 0; i < operation.failed_part; ++i) {  // which it saw with these before it
      touches.erase(operation.parts[i].path);
      touches.erase(parent_of(operation.parts[i].path));
      std::erase_if(touches, [&](const auto& touch) {
        return operation.parts[i].is_sequential &&
               parent_of(touch.first) == parent_of(operation.parts[i].path);
      });
    }
    return touches;
  }

  static std::map<std::string, std::vector<Touch>> touches_of_refusal(const Operation& operation,
                                                                      const Action& action) {
    const auto one = [&](const std::string& node, Act act) {
      return std::map<std::string, std::vector<Touch>>{{node, {{act, &action, operation.session}}}};
    };
    const bool is_create = action.kind == Kind::kCreate;
    switch (operation.error) {
      case jute::ErrorCode::kNoNode:
        return one(is_create ? parent_of(action.path) : action.path, Act::kExpectAbsent);
      case jute::ErrorCode::kNodeExists:
        return one(action.path, Act::kExpectExists);
      case jute::ErrorCode::kBadVersion:
        return one(action.path, Act::kExpectOtherVersion);
      case jute::ErrorCode::kNotEmpty:
        return one(action.path, Act::kExpectExists);
      case jute::ErrorCode::kNoChildrenForEphemerals:
        return one(parent_of(action.path), Act::kExpectExists);
      default:
        return {};
    }
  }

  void add_step(const std::string& node, std::size_t index, std::vector<Touch> touches) {
    if (node == "/" || node == "/zookeeper" || node.starts_with("/zookeeper/")) return;
    const Operation& operation = operations()[index];
    const Fate& fate = facts_.fate(index);
    Step step{.operation = index,
              .rule = is_write(operation.kind) ? Rule::kLinearizableWrites : Rule::kPrefixReads,
              .is_read = !is_write(operation.kind),
              .zxid = fate.zxid,
              .touches = std::move(touches)};
    if (fate.kind == Fate::Kind::kHappened || fate.kind == Fate::Kind::kRefused) {
      nodes_[node].chain.push_back(std::move(step));
      return;
    }
    const auto began =
        fate.kind == Fate::Kind::kOpaque ? began_at(operation) : operation.invoked_at;
    if (!began) return;  // a read that may be as old as it likes
    step.is_required = fate.kind == Fate::Kind::kOpaque;
    step.invoked_at = *began;
    step.after = facts_.visible_before(*began);
    if (step.is_required) {
      step.completed_at = operation.completed_at;
      step.before = facts_.first_begun_after(operation.completed_at);
    }
    nodes_[node].floating.push_back(std::move(step));
  }

  // A read shows nothing older than the last sync before it; without one there is no bound.
  std::optional<Moment> began_at(const Operation& operation) const {
    if (is_write(operation.kind)) return operation.invoked_at;
    return facts_.last_sync_before(operation);
  }

  void add_ending(const std::string& node, SessionId session) {
    const Ending ending = facts_.ending(session);
    Step step{.rule = Rule::kEphemerals,
              .zxid = ending.zxid,
              .touches = {{Act::kEndSession, nullptr, session}}};
    if (ending.is_known) {
      nodes_[node].chain.push_back(std::move(step));
    } else {
      const auto last = last_write_.find(session);
      if (last != last_write_.end()) step.after = last->second;
      nodes_[node].floating.push_back(std::move(step));
    }
  }

  void add_final_tree() {
    const auto& tree = facts_.history().final_tree;
    if (!tree) return;
    for (auto& [node, history] : nodes_) {
      const auto found = tree->nodes.find(node);
      Step step{.rule = Rule::kNothingLost, .is_read = true, .zxid = tree->zxid};
      if (found == tree->nodes.end()) {
        step.touches = {{Act::kExpectAbsent, nullptr, {}}};
      } else {
        Action& read = final_reads_.emplace_back();
        read.data = found->second.data;
        read.stat = found->second.stat;
        step.touches = {{Act::kExpectAsRead, &read, {}}};
      }
      history.chain.push_back(std::move(step));
    }
  }

  const Facts& facts_;
  std::map<std::string, NodeHistory> nodes_;
  std::map<std::string, std::set<std::string>> children_;  // that were ever made, by parent
  std::map<std::string, std::set<SessionId>> owners_;      // that may have owned the node
  std::map<SessionId, Zxid> last_write_;
  std::deque<Action> final_reads_;
};

void report_contradiction(const std::string& node, const NodeHistory& history,
                          const SearchResult& result, Report& report) {
  if (result.chain_at == history.chain.size()) {
    complain(report, Rule::kLinearizableWrites,
             fmt::format("{}: no place for an acknowledged operation", node), {});
    return;
  }
  const Step& step = history.chain[result.chain_at];
  std::vector<std::size_t> concerned;
  for (std::size_t i = result.chain_at; i-- > 0 && concerned.empty();) {
    if (!history.chain[i].is_read && history.chain[i].operation != kNoOperation) {
      concerned.push_back(history.chain[i].operation);
    }
  }
  if (step.operation != kNoOperation) concerned.push_back(step.operation);
  complain(report, step.rule,
           fmt::format("{}: before {} it was {}; nothing explains what was seen then{}", node,
                       to_string(step.zxid), to_string(result.before),
                       step.operation == kNoOperation ? ", in the final tree" : ""),
           std::move(concerned));
}

}  // namespace

void check_nodes(const Facts& facts, const Options& options, Report& report) {
  Gatherer gatherer(facts);
  for (const auto& [node, history] : gatherer.take()) {
    const SearchResult result = search(history, options.search_budget);
    if (result.kind == SearchResult::Kind::kContradiction) {
      report_contradiction(node, history, result, report);
    } else if (result.kind == SearchResult::Kind::kGaveUp) {
      report.undecided.push_back(
          fmt::format("{}: {} operations, {} of them in doubt: no order found within {} states",
                      node, history.chain.size() + history.floating.size(), history.floating.size(),
                      options.search_budget));
    }
  }
}

}  // namespace synod::sim::check
