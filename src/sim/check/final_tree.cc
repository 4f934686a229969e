// Acknowledged and gone: what the tree at the end lacks although nothing can have removed it.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "sim/check/rules.h"

namespace synod::sim::check {
namespace {

struct Effect {
  Zxid zxid;
  Kind kind = Kind::kCreate;
  std::size_t operation = 0;
};

struct NodeFate {
  std::vector<Effect> acknowledged;
  bool may_be_deleted = false;  // by a write in doubt or a session's end
};

std::map<std::string, NodeFate> gather(const Facts& facts) {
  std::map<std::string, NodeFate> nodes;
  for (std::size_t i = 0; i < facts.history().operations.size(); ++i) {
    const Operation& operation = facts.operation(i);
    const Fate& fate = facts.fate(i);
    if (fate.kind == Fate::Kind::kNoTrace || operation.outcome == Outcome::kError) continue;
    for_each_action(operation, [&](const Action& action) {
      const std::string node = facts.node_of(action);
      const bool is_change = action.kind == Kind::kCreate || action.kind == Kind::kSetData ||
                             action.kind == Kind::kDelete;
      if (!is_change || node.empty()) return;
      NodeFate& of_node = nodes[node];
      of_node.may_be_deleted |= action.is_ephemeral;
      if (fate.kind == Fate::Kind::kHappened && operation.outcome == Outcome::kOk) {
        of_node.acknowledged.push_back({fate.zxid, action.kind, i});
      } else {
        of_node.may_be_deleted |= action.kind == Kind::kDelete;
      }
    });
  }
  return nodes;
}

std::vector<std::size_t> lost(NodeFate& fate, const Node* last) {
  std::vector<std::size_t> operations;
  std::ranges::stable_sort(fate.acknowledged, {}, &Effect::zxid);
  if (fate.acknowledged.empty()) return operations;
  if (last == nullptr) {
    const Effect& newest = fate.acknowledged.back();
    if (newest.kind != Kind::kDelete && !fate.may_be_deleted) {
      operations.push_back(newest.operation);
    }
    return operations;
  }
  for (const Effect& effect : fate.acknowledged) {
    const Zxid place = effect.kind == Kind::kSetData ? last->stat.mzxid : last->stat.czxid;
    if (effect.zxid > place) operations.push_back(effect.operation);
  }
  return operations;
}

}  // namespace

void check_final_tree(const Facts& facts, Report& report) {
  if (!facts.history().final_tree) return;
  const FinalTree& tree = *facts.history().final_tree;
  for (auto& [path, fate] : gather(facts)) {
    const auto last = tree.nodes.find(path);
    auto operations = lost(fate, last == tree.nodes.end() ? nullptr : &last->second);
    if (operations.empty()) continue;
    report.lost.insert(operations.begin(), operations.end());
    complain(
        report, Rule::kNothingLost,
        fmt::format("{}: acknowledged, and not in the tree at the end ({})", path,
                    last == tree.nodes.end() ? "no such node"
                                             : "there as of " + to_string(last->second.stat.mzxid)),
        std::move(operations));
  }
}

}  // namespace synod::sim::check
