#include "server/config_keys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <type_traits>

namespace synod::server {
namespace {

SnapshotCompression compression_of(std::string_view word) {
  if (word == "gz") return SnapshotCompression::kGzip;
  if (word == "snappy") return SnapshotCompression::kSnappy;
  return SnapshotCompression::kNone;
}

std::string_view word_of(SnapshotCompression compression) {
  switch (compression) {
    case SnapshotCompression::kNone:
      return "none";
    case SnapshotCompression::kGzip:
      return "gz";
    case SnapshotCompression::kSnappy:
      return "snappy";
  }
  return {};
}

template <class T>
constexpr bool kIsOptional = false;
template <class T>
constexpr bool kIsOptional<std::optional<T>> = true;

// The kind of value that a member of type T is given.
template <class T>
void assign(T& member, const Value& value) {
  if constexpr (kIsOptional<T>) {
    assign(member.emplace(), value);
  } else if constexpr (std::is_same_v<T, SnapshotCompression>) {
    member = compression_of(std::get<std::string>(value));
  } else if constexpr (std::is_same_v<T, int>) {
    member = static_cast<int>(std::get<std::int64_t>(value));
  } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
    member = std::get<std::string>(value);
  } else {
    member = std::get<T>(value);
  }
}

template <class T>
std::string written(const T& member, Kind kind) {
  if constexpr (kIsOptional<T>) {
    return member ? written(*member, kind) : std::string{};
  } else if constexpr (std::is_same_v<T, bool>) {
    const bool is_yes_no = kind == Kind::kYesNo;
    return member ? (is_yes_no ? "yes" : "true") : (is_yes_no ? "no" : "false");
  } else if constexpr (std::is_same_v<T, SnapshotCompression>) {
    return std::string(word_of(member));
  } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
    return member.string();
  } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    return fmt::format("{}", fmt::join(member, ","));
  } else {
    return fmt::format("{}", member);
  }
}

std::string_view family_prefix(const KeyRow& row) {
  return row.name.substr(0, row.name.size() - 1);
}

}  // namespace

bool is_family(const KeyRow& row) { return row.name.ends_with(".*"); }

const KeyRow* find_key(std::string_view name) {
  const KeyRow* family = nullptr;
  for (const KeySection& section : key_sections()) {
    for (const KeyRow& row : section.rows) {
      if (!is_family(row)) {
        if (row.name == name) return &row;
        continue;
      }
      const std::string_view prefix = family_prefix(row);
      const bool is_member = name.starts_with(prefix) && name.size() > prefix.size();
      if (is_member && (family == nullptr || family->name.size() < row.name.size())) family = &row;
    }
  }
  return family;
}

void store(Config& config, const Target& target, const Value& value) {
  std::visit(
      [&](auto member) {
        if constexpr (!std::is_same_v<decltype(member), std::monostate>) {
          assign(config.*member, value);
        }
      },
      target);
}

std::string default_of(const KeyRow& row) {
  const Config defaults;
  if (!row.default_text.empty()) return std::string(row.default_text);
  return std::visit(
      [&](auto member) -> std::string {
        if constexpr (std::is_same_v<decltype(member), std::monostate>) {
          return "none";
        } else {
          return written(defaults.*member, row.accepts.kind);
        }
      },
      row.target);
}

}  // namespace synod::server
