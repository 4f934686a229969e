// C9: the number in a sequential node's name is new, and higher than all before it below one
// parent.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "sim/check/rules.h"

namespace synod::sim::check {
namespace {

constexpr std::size_t kDigits = 10;

struct Name {
  Zxid zxid;
  std::size_t part = 0;
  std::int64_t number = 0;
  std::size_t operation = 0;
};

std::optional<std::int64_t> number_of(const Action& action, const std::string& node) {
  if (node.size() != action.path.size() + kDigits || !node.starts_with(action.path)) return {};
  const std::string digits = node.substr(action.path.size());
  if (!std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; })) return {};
  return std::stoll(digits);
}

}  // namespace

void check_sequences(const Facts& facts, Report& report) {
  std::map<std::string, std::vector<Name>> parents;
  std::set<std::string> deleted;  // a parent made anew counts from 0 again
  for (std::size_t i = 0; i < facts.history().operations.size(); ++i) {
    const Fate& fate = facts.fate(i);
    if (fate.kind == Fate::Kind::kNoTrace || fate.kind == Fate::Kind::kRefused) continue;
    std::size_t part = 0;
    for_each_action(facts.operation(i), [&](const Action& action) {
      if (action.kind == Kind::kDelete) deleted.insert(action.path);
      ++part;
      const std::string node = facts.node_of(action);
      if (action.kind != Kind::kCreate || !action.is_sequential || node.empty()) return;
      const auto number = number_of(action, node);
      if (!number) {
        complain(report, Rule::kSequentialNames,
                 fmt::format("{} is no sequential name of {}", node, action.path), {i});
      } else if (fate.kind == Fate::Kind::kHappened) {
        parents[parent_of(node)].push_back({fate.zxid, part, *number, i});
      }
    });
  }
  for (auto& [parent, names] : parents) {
    if (deleted.contains(parent)) continue;
    std::ranges::sort(names, {}, [](const Name& n) { return std::pair(n.zxid, n.part); });
    for (std::size_t at = 1; at < names.size(); ++at) {
      if (names[at].number > names[at - 1].number) continue;
      complain(report, Rule::kSequentialNames,
               fmt::format("below {}: number {} at {}, and {} at the later {}", parent,
                           names[at - 1].number, to_string(names[at - 1].zxid), names[at].number,
                           to_string(names[at].zxid)),
               {names[at - 1].operation, names[at].operation});
    }
  }
}

}  // namespace synod::sim::check
