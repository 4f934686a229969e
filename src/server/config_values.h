// What a configuration value may look like: one description that both reads a value and says, in
// words, what would have been accepted.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace synod::server {

inline constexpr std::int64_t kIntMax = std::numeric_limits<std::int32_t>::max();
inline constexpr std::int64_t kLongMax = std::numeric_limits<std::int64_t>::max();

enum class Kind { kBoolean, kYesNo, kInteger, kReal, kPort, kWord, kText, kPath, kList };

struct Accepts {
  Kind kind = Kind::kText;
  std::int64_t min = 0;        // kInteger, kReal
  std::int64_t max = 0;        // kInteger, kReal
  std::string_view unit = {};  // kInteger: plural, "milliseconds"
  std::string_view note = {};  // "-1 = off"; for kText: what is wanted
  std::span<const std::string_view> words =
      {};  // kWord: any case; the value is the word as listed here.
};

constexpr Accepts boolean() { return {.kind = Kind::kBoolean}; }
constexpr Accepts yes_no() { return {.kind = Kind::kYesNo}; }
constexpr Accepts port() { return {.kind = Kind::kPort, .note = "0 = any free one"}; }
constexpr Accepts text(std::string_view what = "any text") {
  return {.kind = Kind::kText, .note = what};
}
constexpr Accepts path() { return {.kind = Kind::kPath}; }
constexpr Accepts list(std::string_view of) { return {.kind = Kind::kList, .note = of}; }
constexpr Accepts word(std::span<const std::string_view> words, std::string_view note = {}) {
  return {.kind = Kind::kWord, .note = note, .words = words};
}
constexpr Accepts whole(std::int64_t min, std::int64_t max, std::string_view unit = {},
                        std::string_view note = {}) {
  return {.kind = Kind::kInteger, .min = min, .max = max, .unit = unit, .note = note};
}
constexpr Accepts real(std::int64_t min, std::int64_t max) {
  return {.kind = Kind::kReal, .min = min, .max = max};
}

// Keys of the file are read by Integer.parseInt: decimal, whatever the leading zeros. Properties
// mostly by Integer.decode: 0x10 is 16 and 010 is 8. As not all are, a leading zero there is
// refused.
enum class NumberStyle { kDecimal, kProperty };

using Value = std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>>;

// Nothing: not accepted.
[[nodiscard]] std::optional<Value> parse_value(const Accepts& accepts, std::string_view text,
                                               NumberStyle style);

// "a whole number of milliseconds from 1 to 2147483647"
[[nodiscard]] std::string describe(const Accepts& accepts);

[[nodiscard]] bool equal_ignoring_case(std::string_view left, std::string_view right);
[[nodiscard]] char lower_case(char c);  // ASCII only, here and below.
[[nodiscard]] std::string lower_case(std::string_view text);
// Cut at commas, trimmed, without empty parts.
[[nodiscard]] std::vector<std::string> split_list(std::string_view text);

}  // namespace synod::server
