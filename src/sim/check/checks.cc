#include "sim/check/checks.h"

#include <fmt/format.h>

#include "sim/check/facts.h"
#include "sim/check/rules.h"

namespace synod::sim::check {
namespace {

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::kCreate:
      return "create";
    case Kind::kDelete:
      return "delete";
    case Kind::kSetData:
      return "setData";
    case Kind::kCheck:
      return "check";
    case Kind::kMulti:
      return "multi";
    case Kind::kGetData:
      return "getData";
    case Kind::kExists:
      return "exists";
    case Kind::kGetChildren:
      return "getChildren";
    case Kind::kSync:
      return "sync";
    case Kind::kCloseSession:
      return "closeSession";
  }
  return "?";
}

std::string describe_action(const Action& action) {
  std::string text = fmt::format("{} {}", name_of(action.kind), action.path);
  if (!action.value.empty()) text += fmt::format(" \"{}\"", action.value);
  if (action.version != -1) text += fmt::format(" version {}", action.version);
  if (action.is_ephemeral) text += " ephemeral";
  if (action.is_sequential) text += " sequential";
  if (!action.created_path.empty()) text += " -> " + action.created_path;
  if (action.data) text += fmt::format(" -> \"{}\"", *action.data);
  if (action.stat) {
    text +=
        fmt::format(" -> version {} mzxid {}", action.stat->version, to_string(action.stat->mzxid));
  }
  if (action.children) text += fmt::format(" -> {} children", action.children->size());
  return text;
}

}  // namespace

std::string_view to_string(Rule rule) {
  switch (rule) {
    case Rule::kLinearizableWrites:
      return "C1 linearizable writes";
    case Rule::kSyncedReads:
      return "C2 synced reads";
    case Rule::kPrefixReads:
      return "C3 prefix-consistent reads";
    case Rule::kSessionOrder:
      return "C4 session order";
    case Rule::kExactlyOnce:
      return "C5 exactly once";
    case Rule::kWatchOrder:
      return "C6 watch order";
    case Rule::kEphemerals:
      return "C7 ephemerals";
    case Rule::kSequentialNames:
      return "C9 sequential names";
    case Rule::kNothingLost:
      return "acknowledged and lost";
  }
  return "?";
}

Report check(const History& history, const Options& options) {
  Report report;
  const Facts facts(history, report);
  check_write_order(facts, report);
  if (options.sync_is_barrier) check_syncs(facts, report);
  check_session_order(facts, report);
  check_sequences(facts, report);
  check_ephemerals(facts, report);
  check_watches(facts, report);
  check_final_tree(facts, report);
  check_nodes(facts, options, report);
  return report;
}

std::string describe(const Operation& operation) {
  std::string text = fmt::format("session {:#x} xid {} ", operation.session.value, operation.xid);
  text += describe_action(operation);
  for (const Action& part : operation.parts) text += "; " + describe_action(part);
  text += fmt::format(" | invoked {}", operation.invoked_at);
  switch (operation.outcome) {
    case Outcome::kOk:
      return text + fmt::format(", ok {} at {}", to_string(operation.zxid), operation.completed_at);
    case Outcome::kError:
      return text + fmt::format(", error {} {} at {}", static_cast<int>(operation.error),
                                to_string(operation.zxid), operation.completed_at);
    case Outcome::kUnknown:
      return text + ", reply lost";
  }
  return text;
}

std::string explain(const History& history, const Violation& violation) {
  std::string text = fmt::format("{}: {}", to_string(violation.rule), violation.text);
  for (const std::size_t index : violation.operations) {
    if (index < history.operations.size()) {
      text += "\n  " + describe(history.operations[index]);
    }
  }
  return text;
}

}  // namespace synod::sim::check
