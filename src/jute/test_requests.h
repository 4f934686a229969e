// Requests and what comes back, as tests write and read them.
#pragma once

#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/test_transcript.h"
#include "jute/codec.h"
#include "jute/opcode.h"
#include "jute/records.h"

namespace synod::test {

inline std::string name_of(jute::ErrorCode code) {
  static const std::map<int, std::string> names{{0, "ok"},
                                                {-2, "RuntimeInconsistency"},
                                                {-5, "MarshallingError"},
                                                {-6, "Unimplemented"},
                                                {-8, "BadArguments"},
                                                {-12, "UnknownSession"},
                                                {-13, "NewConfigNoQuorum"},
                                                {-14, "ReconfigInProgress"},
                                                {-101, "NoNode"},
                                                {-102, "NoAuth"},
                                                {-103, "BadVersion"},
                                                {-108, "NoChildrenForEphemerals"},
                                                {-110, "NodeExists"},
                                                {-111, "NotEmpty"},
                                                {-112, "SessionExpired"},
                                                {-114, "InvalidAcl"},
                                                {-115, "AuthFailed"},
                                                {-121, "NoWatcher"},
                                                {-123, "ReconfigDisabled"},
                                                {-124, "SessionClosedRequireAuth"},
                                                {-125, "QuotaExceeded"}};
  const auto found = names.find(static_cast<int>(code));
  return found == names.end() ? std::to_string(static_cast<int>(code)) : found->second;
}

inline std::string name_of(jute::EventType type) {
  constexpr const char* kNames[] = {"", "NodeCreated", "NodeDeleted", "NodeDataChanged",
                                    "NodeChildrenChanged"};
  return kNames[static_cast<int>(type)];
}

inline std::int32_t perms_of(const std::string& text) {
  if (!text.empty() && std::isdigit(text[0]) != 0) return std::stoi(text);
  std::int32_t perms = 0;
  for (const char letter : text) {
    perms |= 1 << std::string("rwcda").find(letter);
  }
  return perms;
}

inline std::string text_of(const jute::AclView& entry) {
  std::string perms;
  for (int bit = 0; bit < 5; ++bit) {
    if ((entry.perms & (1 << bit)) != 0) perms += "rwcda"[bit];
  }
  if (entry.perms > 31) perms = std::to_string(entry.perms);
  return std::string(entry.scheme.value_or("null")) + ':' + std::string(entry.id.value_or("null")) +
         ':' + perms;
}

inline std::string text_of(const std::vector<jute::AclView>& list) {
  std::string text;
  for (const jute::AclView& entry : list) text += (text.empty() ? "" : ",") + text_of(entry);
  return text;
}

inline std::string text_of(const jute::Stat& stat) {
  const auto number = [](std::int64_t value) { return std::to_string(value); };
  return "czxid=" + hex_of(stat.czxid.value) + " mzxid=" + hex_of(stat.mzxid.value) +
         " pzxid=" + hex_of(stat.pzxid.value) + " ctime=" + number(stat.ctime) +
         " mtime=" + number(stat.mtime) + " version=" + number(stat.version) +
         " cversion=" + number(stat.cversion) + " aversion=" + number(stat.aversion) +
         " owner=" + hex_of(stat.ephemeral_owner) + " length=" + number(stat.data_length) +
         " children=" + number(stat.num_children);
}

// acl=scheme:id:perms,… ; acl=null and acl=none are the null and the empty list.
inline jute::NullableAclViews acl_of(const Command& command) {
  static const std::string open = "world:anyone:rwcda";
  const auto given = command.options.find("acl");
  const std::string& text = given == command.options.end() ? open : given->second;
  if (text == "null") return std::nullopt;
  std::vector<jute::AclView> list;
  if (text == "none") return list;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view entry = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
    const std::size_t first = entry.find(':');
    const std::size_t last = entry.rfind(':');
    jute::AclView view{.perms = perms_of(std::string(entry.substr(last + 1))),
                       .scheme = entry.substr(0, first),
                       .id = entry.substr(first + 1, last - first - 1)};
    if (view.scheme == "null") view.scheme = std::nullopt;
    if (view.id == "null") view.id = std::nullopt;
    list.push_back(view);
  }
  return list;
}

inline std::int32_t flags_of(const Command& command) {
  static const std::map<std::string, int> modes{{"e", 1}, {"s", 2}, {"es", 3},
                                                {"c", 4}, {"t", 5}, {"ts", 6}};
  const std::string text = command.option("flags", "0");
  const auto found = modes.find(text);
  return found == modes.end() ? std::stoi(text) : found->second;
}

inline Bytes bytes_of_hex(std::string_view text) {
  Bytes bytes;
  std::string digits;
  for (const char c : text) {
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0) continue;
    digits.push_back(c);
    if (digits.size() < 2) continue;
    bytes.push_back(static_cast<char>(std::stoi(digits, nullptr, 16)));
    digits.clear();
  }
  return bytes;
}

struct TestRequest {
  jute::OpCode type{};
  Bytes record;
};

inline const std::map<std::string, jute::OpCode>& op_codes() {
  using jute::OpCode;
  static const std::map<std::string, OpCode> codes{{"create", OpCode::kCreate},
                                                   {"create2", OpCode::kCreate2},
                                                   {"container", OpCode::kCreateContainer},
                                                   {"ttl", OpCode::kCreateTtl},
                                                   {"delete", OpCode::kDelete},
                                                   {"set", OpCode::kSetData},
                                                   {"setacl", OpCode::kSetAcl},
                                                   {"check", OpCode::kCheck},
                                                   {"multi", OpCode::kMulti},
                                                   {"multiread", OpCode::kMultiRead},
                                                   {"exists", OpCode::kExists},
                                                   {"get", OpCode::kGetData},
                                                   {"children", OpCode::kGetChildren},
                                                   {"children2", OpCode::kGetChildren2},
                                                   {"getacl", OpCode::kGetAcl},
                                                   {"sync", OpCode::kSync},
                                                   {"ping", OpCode::kPing},
                                                   {"checkwatches", OpCode::kCheckWatches},
                                                   {"removewatches", OpCode::kRemoveWatches},
                                                   {"addwatch", OpCode::kAddWatch},
                                                   {"setwatches", OpCode::kSetWatches},
                                                   {"setwatches2", OpCode::kSetWatches2},
                                                   {"ephemerals", OpCode::kGetEphemerals},
                                                   {"descendants", OpCode::kGetAllChildrenNumber},
                                                   {"whoami", OpCode::kWhoAmI},
                                                   {"auth", OpCode::kAuth},
                                                   {"sasl", OpCode::kSasl},
                                                   {"reconfig", OpCode::kReconfig},
                                                   {"close", OpCode::kCloseSession}};
  return codes;
}

inline jute::NullablePaths paths_of(const Command& command, const std::string& key) {
  const std::string text = command.option(key);
  if (text == "null") return std::nullopt;
  std::vector<NullableView> paths;
  std::string_view rest = command.has(key) ? std::string_view(command.options.at(key)) : "";
  while (!rest.empty()) {
    const std::string_view path = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), path.size() + 1));
    paths.push_back(path);
  }
  return paths;
}

// `reconfig <joining> leaving=<numbers> members=<lines> version=<n>`, in whole.
inline Bytes reconfig_of(const Command& command, NullableView joining) {
  const auto leaving = text_of(command.option("leaving", "null"));
  const auto members = text_of(command.option("members", "null"));
  const auto view = [](const std::optional<std::string>& bytes) {
    return bytes ? NullableView(*bytes) : NullableView();
  };
  return jute::encode(
      jute::ReconfigRequest{joining, view(leaving), view(members), command.number("version", -1)});
}

// `create /a "x" acl=… flags=es`, `set /a "x" version=1`, … as the record that a client would send.
inline TestRequest request_of(const Command& command) {
  using jute::OpCode;
  if (command.name == "op") {  // op <number> <hex>
    TestRequest request{static_cast<OpCode>(std::stoi(command.words.at(0))), {}};
    for (std::size_t i = 1; i < command.words.size(); ++i)
      request.record += bytes_of_hex(command.words[i]);
    return request;
  }
  const auto code = op_codes().find(command.name);
  if (code == op_codes().end()) throw std::runtime_error("no such command: " + command.name);
  const auto text = [&](std::size_t i) {
    return i < command.words.size() ? text_of(command.words[i]) : std::optional<std::string>("");
  };
  const auto view = [](const std::optional<std::string>& bytes) {
    return bytes ? NullableView(*bytes) : NullableView();
  };
  const auto first = text(0);
  const auto second = text(1);
  const NullableView path = view(first);
  const auto version = static_cast<std::int32_t>(command.number("version", -1));
  const auto flags = command.has("flags") ? flags_of(command) : 0;
  const bool watches = command.has("watch");
  const Zxid since{command.number("since", 0)};
  const auto record = [&]() -> Bytes {
    switch (code->second) {
      case OpCode::kCreate:
      case OpCode::kCreate2:
      case OpCode::kCreateContainer:
        return jute::encode(jute::CreateRequest{path, view(second), acl_of(command), flags});
      case OpCode::kCreateTtl:
        return jute::encode(jute::CreateTtlRequest{path, view(second), acl_of(command),
                                                   command.has("flags") ? flags : 5,
                                                   command.number("ttl", 1000)});
      case OpCode::kDelete:
      case OpCode::kCheck:
        return jute::encode(jute::PathVersionRequest{path, version});
      case OpCode::kSetData:
        return jute::encode(jute::SetDataRequest{path, view(second), version});
      case OpCode::kSetAcl:
        return jute::encode(jute::SetAclRequest{path, acl_of(command), version});
      case OpCode::kExists:
      case OpCode::kGetData:
      case OpCode::kGetChildren:
      case OpCode::kGetChildren2:
        return jute::encode(jute::PathWatchRequest{path, watches});
      case OpCode::kGetAcl:
      case OpCode::kSync:
      case OpCode::kGetEphemerals:
      case OpCode::kGetAllChildrenNumber:
        return jute::encode(jute::PathRecord{path});
      case OpCode::kCheckWatches:
      case OpCode::kRemoveWatches:
        return jute::encode(
            jute::PathNumberRequest{path, static_cast<std::int32_t>(command.number("type", 3))});
      case OpCode::kAddWatch:
        return jute::encode(
            jute::PathNumberRequest{path, static_cast<std::int32_t>(command.number("mode", 0))});
      case OpCode::kSetWatches:
        return jute::encode(jute::SetWatchesRequest{since, paths_of(command, "data"),
                                                    paths_of(command, "exist"),
                                                    paths_of(command, "child")});
      case OpCode::kSetWatches2:
        return jute::encode(
            jute::SetWatches2Request{since, paths_of(command, "data"), paths_of(command, "exist"),
                                     paths_of(command, "child"), paths_of(command, "persistent"),
                                     paths_of(command, "recursive")});
      case OpCode::kAuth:
        return jute::encode(jute::AuthPacket{0, path, view(second)});
      case OpCode::kSasl:
        return jute::encode(path);
      case OpCode::kReconfig:
        return reconfig_of(command, path);
      case OpCode::kMulti:
      case OpCode::kMultiRead: {
        Bytes parts;
        for (const Command& part : command.parts) {
          const TestRequest request = request_of(part);
          jute::append(parts,
                       jute::MultiHeader{static_cast<std::int32_t>(request.type), false, -1});
          parts += request.record;
        }
        jute::append(parts, jute::kMultiEnd);
        return parts;
      }
      default:
        return {};
    }
  };
  TestRequest request{code->second, record()};
  if (command.has("cut"))
    request.record.resize(request.record.size() -
                          static_cast<std::size_t>(command.number("cut", 0)));
  return request;
}

}  // namespace synod::test
