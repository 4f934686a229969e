#include "sim/check/history_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <set>
#include <stdexcept>
#include <utility>

namespace synod::sim::check {
namespace {

namespace json = boost::json;

constexpr std::array<std::pair<std::string_view, Kind>, 10> kKinds{{
    {"create", Kind::kCreate},
    {"delete", Kind::kDelete},
    {"setData", Kind::kSetData},
    {"check", Kind::kCheck},
    {"multi", Kind::kMulti},
    {"getData", Kind::kGetData},
    {"exists", Kind::kExists},
    {"getChildren", Kind::kGetChildren},
    {"sync", Kind::kSync},
    {"closeSession", Kind::kCloseSession},
}};
constexpr std::array<std::pair<std::string_view, Outcome>, 3> kOutcomes{{
    {"ok", Outcome::kOk},
    {"error", Outcome::kError},
    {"unknown", Outcome::kUnknown},
}};
constexpr std::array<std::pair<std::string_view, SessionEvent::Kind>, 5> kSessionEvents{{
    {"opened", SessionEvent::Kind::kOpened},
    {"lost", SessionEvent::Kind::kLost},
    {"reconnected", SessionEvent::Kind::kReconnected},
    {"expired", SessionEvent::Kind::kExpired},
    {"closed", SessionEvent::Kind::kClosed},
}};

template <class Table>
auto find_in(const Table& table, std::string_view word, const char* what) {
  for (const auto& [name, value] : table) {
    if (name == word) return value;
  }
  throw std::runtime_error(fmt::format("{} is no {}", word, what));
}

template <class Table, class Value>
std::string_view name_in(const Table& table, Value value) {
  return std::ranges::find(table, value, [](const auto& entry) { return entry.second; })->first;
}

// One object's fields, each taken once; what is left over nobody knows.
class Fields {
 public:
  explicit Fields(const json::value& value) : object_(value.as_object()) {}

  const json::value* find(std::string_view key) {
    const json::value* found = object_.if_contains(key);
    if (found != nullptr) taken_.insert(std::string(key));
    return found;
  }
  const json::value& get(std::string_view key) {
    const json::value* found = find(key);
    if (found == nullptr) throw std::runtime_error(fmt::format("no field {}", key));
    return *found;
  }
  std::string text(std::string_view key) { return std::string(get(key).as_string()); }
  template <class Number>
  Number number(std::string_view key) {
    return get(key).to_number<Number>();
  }
  template <class Number>
  Number number(std::string_view key, Number otherwise) {
    const json::value* found = find(key);
    return found == nullptr ? otherwise : found->to_number<Number>();
  }
  std::string text(std::string_view key, std::string otherwise) {
    const json::value* found = find(key);
    return found == nullptr ? otherwise : std::string(found->as_string());
  }
  bool flag(std::string_view key) {
    const json::value* found = find(key);
    return found != nullptr && found->as_bool();
  }
  void end() const {
    for (const auto& [key, value] : object_) {
      if (!taken_.contains(std::string(key))) {
        throw std::runtime_error(fmt::format("a field {} that nothing reads", std::string(key)));
      }
    }
  }

 private:
  const json::object& object_;
  std::set<std::string> taken_;
};

jute::Stat read_stat(const json::value& value) {
  const json::array& numbers = value.as_array();
  if (numbers.size() != 11) throw std::runtime_error("a stat has eleven numbers");
  std::size_t at = 0;
  jute::Stat stat;
  const auto read = [&](auto& field) {
    if constexpr (std::is_same_v<std::decay_t<decltype(field)>, Zxid>) {
      field.value = numbers[at++].to_number<std::int64_t>();
    } else {
      field = numbers[at++].to_number<std::decay_t<decltype(field)>>();
    }
  };
  jute::Stat::fields(stat, [&](auto&... fields) { (read(fields), ...); });
  return stat;
}

void read_action(Fields& fields, Action& action) {
  action.kind = find_in(kKinds, fields.text("op"), "operation");
  action.path = fields.text("path", "");
  action.value = fields.text("value", "");
  action.version = fields.number<std::int32_t>("version", -1);
  action.is_ephemeral = fields.flag("ephemeral");
  action.is_sequential = fields.flag("sequential");
  action.created_path = fields.text("created", "");
  if (const json::value* stat = fields.find("stat")) action.stat = read_stat(*stat);
  if (const json::value* data = fields.find("data")) action.data = std::string(data->as_string());
  if (const json::value* children = fields.find("children")) {
    action.children.emplace();
    for (const json::value& child : children->as_array()) {
      action.children->emplace_back(child.as_string());
    }
  }
}

Operation read_operation(Fields& fields) {
  Operation operation;
  read_action(fields, operation);
  operation.client = fields.number<std::int32_t>("client");
  operation.session.value = fields.number<std::int64_t>("session");
  operation.xid = fields.number<std::int32_t>("xid");
  operation.leaves_watch = fields.flag("watch");
  operation.is_linearizable = fields.flag("linearizable");
  operation.invoked_at = fields.number<Moment>("invoked");
  operation.outcome = find_in(kOutcomes, fields.text("outcome"), "outcome");
  if (operation.outcome != Outcome::kUnknown) {
    operation.completed_at = fields.number<Moment>("completed");
    operation.zxid.value = fields.number<std::int64_t>("zxid", 0);
  }
  if (operation.outcome == Outcome::kError) {
    operation.error = static_cast<jute::ErrorCode>(fields.number<std::int32_t>("error"));
  }
  if (operation.kind == Kind::kMulti) {
    for (const json::value& value : fields.get("parts").as_array()) {
      Fields part(value);
      read_action(part, operation.parts.emplace_back());
      part.end();
    }
    operation.failed_part = fields.number<std::size_t>("failed_part", 0);
  }
  return operation;
}

void read_event(Fields& fields, History& history) {
  const std::string kind = fields.text("event");
  if (kind == "final" || kind == "end") {
    if (!history.final_tree) history.final_tree.emplace();
    if (kind == "end") {
      history.final_tree->zxid.value = fields.number<std::int64_t>("zxid");
    } else {
      Node node{.data = fields.text("data"), .stat = read_stat(fields.get("stat"))};
      history.final_tree->nodes[fields.text("path")] = std::move(node);
    }
    return;
  }
  const auto client = fields.number<std::int32_t>("client");
  const SessionId session{fields.number<std::int64_t>("session")};
  const auto at = fields.number<Moment>("at");
  if (kind == "watch") {
    history.watch_events.push_back(
        {client, session, jute::EventType{fields.number<std::int32_t>("type")}, fields.text("path"),
         Zxid{fields.number<std::int64_t>("zxid", 0)}, at});
  } else {
    history.session_events.push_back({client, session, find_in(kSessionEvents, kind, "event"), at});
  }
}

void read_line(std::string_view line, History& history) {
  const json::value value = json::parse({line.data(), line.size()});
  Fields fields(value);
  if (value.as_object().contains("op")) {
    history.operations.push_back(read_operation(fields));
  } else {
    read_event(fields, history);
  }
  fields.end();
}

json::array json_of(const jute::Stat& stat) {
  json::array numbers;
  const auto add = [&](const auto& field) {
    if constexpr (std::is_same_v<std::decay_t<decltype(field)>, Zxid>) {
      numbers.emplace_back(field.value);
    } else {
      numbers.emplace_back(field);
    }
  };
  jute::Stat::fields(stat, [&](const auto&... fields) { (add(fields), ...); });
  return numbers;
}

json::object json_of(const Action& action) {
  json::object object{{"op", name_in(kKinds, action.kind)}};
  if (!action.path.empty()) object["path"] = action.path;
  if (!action.value.empty()) object["value"] = action.value;
  if (action.version != -1) object["version"] = action.version;
  if (action.is_ephemeral) object["ephemeral"] = true;
  if (action.is_sequential) object["sequential"] = true;
  if (!action.created_path.empty()) object["created"] = action.created_path;
  if (action.stat) object["stat"] = json_of(*action.stat);
  if (action.data) object["data"] = *action.data;
  if (action.children) {
    object["children"] = json::array(action.children->begin(), action.children->end());
  }
  return object;
}

json::object json_of(const Operation& operation) {
  json::object object = json_of(static_cast<const Action&>(operation));
  object["client"] = operation.client;
  object["session"] = operation.session.value;
  object["xid"] = operation.xid;
  if (operation.leaves_watch) object["watch"] = true;
  if (operation.is_linearizable) object["linearizable"] = true;
  object["invoked"] = operation.invoked_at;
  object["outcome"] = name_in(kOutcomes, operation.outcome);
  if (operation.outcome != Outcome::kUnknown) {
    object["completed"] = operation.completed_at;
    object["zxid"] = operation.zxid.value;
  }
  if (operation.outcome == Outcome::kError) object["error"] = static_cast<int>(operation.error);
  if (operation.kind == Kind::kMulti) {
    json::array parts;
    for (const Action& part : operation.parts) parts.emplace_back(json_of(part));
    object["parts"] = std::move(parts);
    object["failed_part"] = operation.failed_part;
  }
  return object;
}

}  // namespace

Result<void> read_history(std::string_view name, std::string_view lines, History& history) {
  for (std::size_t number = 1; !lines.empty(); ++number) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.empty()) continue;
    try {
      read_line(line, history);
    } catch (const std::exception& error) {  // the library's, and those above
      return fail(ErrorKind::kMalformed, fmt::format("{}:{}: {}", name, number, error.what()));
    }
  }
  return {};
}

std::string write_history(const History& history) {
  std::string lines;
  const auto add = [&](const json::object& object) { lines += json::serialize(object) + '\n'; };
  for (const Operation& operation : history.operations) add(json_of(operation));
  for (const WatchEvent& event : history.watch_events) {
    add({{"event", "watch"},
         {"client", event.client},
         {"session", event.session.value},
         {"type", static_cast<int>(event.type)},
         {"path", event.path},
         {"zxid", event.zxid.value},
         {"at", event.seen_at}});
  }
  for (const SessionEvent& event : history.session_events) {
    add({{"event", name_in(kSessionEvents, event.kind)},
         {"client", event.client},
         {"session", event.session.value},
         {"at", event.at}});
  }
  if (history.final_tree) {
    for (const auto& [path, node] : history.final_tree->nodes) {
      add({{"event", "final"}, {"path", path}, {"data", node.data}, {"stat", json_of(node.stat)}});
    }
    add({{"event", "end"}, {"zxid", history.final_tree->zxid.value}});
  }
  return lines;
}

}  // namespace synod::sim::check
