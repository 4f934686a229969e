#include "server/config_values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>

#include "server/properties.h"

namespace synod::server {
namespace {

template <class Number, class... Base>
std::optional<Number> whole_text_as(std::string_view text, Base... base) {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number, base...);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

std::optional<std::int64_t> parse_integer(std::string_view text, NumberStyle style) {
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (style == NumberStyle::kProperty) {
    const bool is_hex = text.starts_with("0x") || text.starts_with("0X");
    if (is_hex || text.starts_with('#')) {
      base = 16;
      text.remove_prefix(is_hex ? 2 : 1);
    } else if (text.size() > 1 && text.front() == '0') {
      return std::nullopt;
    }
  }
  if (text.starts_with('-')) return std::nullopt;  // A second sign.
  const auto magnitude = whole_text_as<std::int64_t>(text, base);
  if (!magnitude) return std::nullopt;
  return is_negative ? -*magnitude : *magnitude;
}

std::optional<Value> parse_between(std::int64_t min, std::int64_t max, std::string_view text,
                                   NumberStyle style) {
  const auto number = parse_integer(text, style);
  if (!number || *number < min || *number > max) return std::nullopt;
  return *number;
}

std::optional<Value> parse_real(const Accepts& accepts, std::string_view text) {
  const auto number = whole_text_as<double>(text);
  if (!number || !std::isfinite(*number)) return std::nullopt;
  const bool is_in_range =
      *number >= static_cast<double>(accepts.min) && *number <= static_cast<double>(accepts.max);
  if (!is_in_range) return std::nullopt;
  return *number;
}

std::optional<Value> parse_either(std::string_view text, std::string_view yes,
                                  std::string_view no) {
  if (text == yes) return true;
  if (text == no) return false;
  return std::nullopt;
}

std::optional<Value> parse_word(const Accepts& accepts, std::string_view text) {
  for (const std::string_view word : accepts.words) {
    if (equal_ignoring_case(word, text)) return std::string(word);
  }
  return std::nullopt;
}

std::string with_note(std::string text, std::string_view note) {
  return note.empty() ? text : fmt::format("{} ({})", text, note);
}

std::string describe_words(std::span<const std::string_view> words) {
  std::vector<std::string_view> shown;
  for (const std::string_view word : words) shown.push_back(word.empty() ? "nothing" : word);
  return fmt::format("one of {}", fmt::join(shown, ", "));
}

}  // namespace

std::optional<Value> parse_value(const Accepts& accepts, std::string_view text, NumberStyle style) {
  switch (accepts.kind) {
    case Kind::kBoolean:
      return parse_either(lower_case(text), "true", "false");
    case Kind::kYesNo:
      return parse_either(text, "yes", "no");
    case Kind::kInteger:
      return parse_between(accepts.min, accepts.max, text, style);
    case Kind::kPort:
      return parse_between(0, 65535, text, style);
    case Kind::kReal:
      return parse_real(accepts, text);
    case Kind::kWord:
      return parse_word(accepts, text);
    case Kind::kText:
      return std::string(text);
    case Kind::kPath:
      if (text.empty() || text.find('\0') != std::string_view::npos) return std::nullopt;
      return std::string(text);
    case Kind::kList:
      return split_list(text);
  }
  return std::nullopt;
}

std::string describe(const Accepts& accepts) {
  switch (accepts.kind) {
    case Kind::kBoolean:
      return "true or false";
    case Kind::kYesNo:
      return "yes or no";
    case Kind::kInteger:
      if (accepts.min == accepts.max) return fmt::format("{}", accepts.min);
      return with_note(
          fmt::format("a whole number {}{}from {} to {}", accepts.unit.empty() ? "" : "of ",
                      accepts.unit.empty() ? "" : fmt::format("{} ", accepts.unit), accepts.min,
                      accepts.max),
          accepts.note);
    case Kind::kPort:
      return with_note("a port from 0 to 65535", accepts.note);
    case Kind::kReal:
      return with_note(fmt::format("a number from {} to {}", accepts.min, accepts.max),
                       accepts.note);
    case Kind::kWord:
      return with_note(describe_words(accepts.words), accepts.note);
    case Kind::kText:
      return std::string(accepts.note);
    case Kind::kPath:
      return "a path";
    case Kind::kList:
      return fmt::format("{}, separated by commas", accepts.note);
  }
  return {};
}

char lower_case(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_ignoring_case(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right,
                            [](char a, char b) { return lower_case(a) == lower_case(b); });
}

std::string lower_case(std::string_view text) {
  std::string lowered(text);
  for (char& c : lowered) c = lower_case(c);
  return lowered;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view part = trim(text.substr(0, comma));
    if (!part.empty()) parts.emplace_back(part);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

}  // namespace synod::server
