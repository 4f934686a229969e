// The key table in words: explanations, the nearest key, the tables of docs/configuration.md.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <utility>

#include "server/config.h"
#include "server/config_keys.h"

namespace synod::server {
namespace {

constexpr std::string_view kPrefix = "zookeeper.";
constexpr std::size_t kLongestComparedKey = 64;  // The distance costs the product of two lengths.

std::string_view without_prefix(std::string_view key) {
  const bool has_prefix = equal_ignoring_case(key.substr(0, kPrefix.size()), kPrefix);
  return has_prefix ? key.substr(kPrefix.size()) : key;
}

const KeyRow* find_key_in_any_case(std::string_view key) {
  for (const KeySection& section : key_sections()) {
    for (const KeyRow& row : section.rows) {
      if (equal_ignoring_case(row.name, key)) return &row;
    }
  }
  return find_key(key);
}

std::string how_to_set(const KeyRow& row) {
  switch (row.origin) {
    case Origin::kFile:
      return fmt::format("{}=... in the file", row.name);
    case Origin::kProperty:
      return fmt::format("{0}=... in the file, or -Dzookeeper.{0}=...", row.name);
    case Origin::kPropertyToo:
      return fmt::format("{0}=... in the file, or -Dzookeeper.{0}=..., or -D{0}=...", row.name);
    case Origin::kBare:
      return fmt::format("-D{0}=..., or {0}=... in the file, where Java ignores it", row.name);
    case Origin::kSynod:
      return fmt::format("{0}=... in the file, or -D{0}=...", row.name);
  }
  return {};
}

std::string status_of(const KeyRow& row) {
  switch (row.status) {
    case Status::kSupported:
      return "supported";
    case Status::kIgnored:
      return fmt::format("accepted and ignored: {}", row.remark);
    case Status::kLater:
      return fmt::format("accepted and ignored: this version does not have {}", row.remark);
    case Status::kRefused:
      return fmt::format("refused: {}", row.remark);
  }
  return {};
}

std::string_view short_origin(Origin origin) {
  switch (origin) {
    case Origin::kFile:
      return "file";
    case Origin::kProperty:
      return "file, -Dzookeeper.";
    case Origin::kPropertyToo:
      return "file, -Dzookeeper., -D";
    case Origin::kBare:
      return "-D";
    case Origin::kSynod:
      return "file, -D";
  }
  return {};
}

// Inside a Markdown table a bar ends the cell.
std::string cell(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped.push_back('\\');
    escaped.push_back(c);
  }
  return escaped;
}

std::string table_row(const KeyRow& row) {
  const std::string status =
      row.status == Status::kSupported ? "" : fmt::format(" *{}.*", status_of(row));
  return fmt::format("| `{}` | {} | {} | {} | {}{} |\n", row.name, short_origin(row.origin),
                     cell(default_of(row)), cell(describe(row.accepts)), cell(row.description),
                     cell(status));
}

// The letters of the longer text that find no equal in the other: never more than their edit
// distance, and much cheaper.
std::size_t letters_apart(std::string_view from, std::string_view to) {
  std::array<std::uint8_t, 256> unmatched{};  // Both texts are short.
  for (const char c : from) ++unmatched[static_cast<unsigned char>(c)];
  std::size_t common = 0;
  for (const char c : to) {
    std::uint8_t& left = unmatched[static_cast<unsigned char>(lower_case(c))];
    if (left == 0) continue;
    --left;
    ++common;
  }
  return std::max(from.size(), to.size()) - common;
}

// Levenshtein's distance between a text in lower case and one in any: letters to insert, delete or
// replace. Gives up, with some number that is at least `enough`, once it can only be that far.
std::size_t edit_distance(std::string_view from, std::string_view to, std::size_t enough) {
  const std::size_t surplus = std::max(from.size(), to.size()) - std::min(from.size(), to.size());
  if (surplus >= enough || letters_apart(from, to) >= enough) return enough;
  std::array<std::size_t, kLongestComparedKey + 1> row{};
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    std::size_t least = row[0];
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t replaced = diagonal + (from[i] == lower_case(to[j]) ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
      least = std::min(least, row[j + 1]);
    }
    if (least >= enough) return enough;
  }
  return row[to.size()];
}

// The key is in lower case. A key without its first parts (snapRetainCount) is as near as one
// letter.
std::size_t distance_to(std::string_view key, std::string_view known, std::size_t enough) {
  const bool is_tail = known.size() > key.size() && known[known.size() - key.size() - 1] == '.' &&
                       equal_ignoring_case(known.substr(known.size() - key.size()), key);
  if (is_tail) return 1;
  return edit_distance(key, known.substr(0, kLongestComparedKey), enough);
}

}  // namespace

std::optional<Explanation> explain(std::string_view key) {
  const KeyRow* row = find_key_in_any_case(key);
  if (row == nullptr) row = find_key_in_any_case(without_prefix(key));
  if (row == nullptr) return std::nullopt;
  return Explanation{.key = std::string(row->name),
                     .how_to_set = how_to_set(*row),
                     .accepted = describe(row->accepts),
                     .default_value = default_of(*row),
                     .status = status_of(*row),
                     .description = std::string(row->description)};
}

std::string to_string(const Explanation& explanation) {
  return fmt::format("{}\n  {}\n  set by:   {}\n  accepts:  {}\n  default:  {}\n  status:   {}\n",
                     explanation.key, explanation.description, explanation.how_to_set,
                     explanation.accepted, explanation.default_value, explanation.status);
}

std::string nearest_key(std::string_view key) {
  const std::string wanted = lower_case(without_prefix(key).substr(0, kLongestComparedKey));
  std::string_view nearest;
  std::size_t least = std::string_view::npos;
  for (const KeySection& section : key_sections()) {
    for (const KeyRow& row : section.rows) {
      if (is_family(row)) continue;
      const std::size_t distance = distance_to(wanted, row.name, least);
      if (distance >= least) continue;
      least = distance;
      nearest = row.name;
    }
  }
  return std::string(nearest);
}

std::string render_key_tables() {
  std::string tables;
  for (const KeySection& section : key_sections()) {
    tables += fmt::format(
        "### {}\n\n| Key | Set by | Default | Accepts | What it does |\n"
        "| --- | --- | --- | --- | --- |\n",
        section.title);
    for (const KeyRow& row : section.rows) tables += table_row(row);
    tables += "\n";
  }
  return tables;
}

}  // namespace synod::server
