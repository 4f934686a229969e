#include "server/properties.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

namespace synod::server {
namespace {

bool is_line_end(char c) { return c == '\n' || c == '\r'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\f'; }

// A logical line: continuation lines joined, escapes still in place.
struct LogicalLine {
  std::string text;
  std::size_t line = 0;
};

// Cuts the text into logical lines. Comments and blank lines vanish here; a comment sign on a
// continuation line is plain text.
class LineReader {
 public:
  explicit LineReader(std::string_view text) : rest_(text) {}

  std::optional<LogicalLine> next() {
    while (!rest_.empty()) {
      LogicalLine logical{.text = {}, .line = line_};
      std::string_view natural = skip_blanks(take_natural_line());
      if (natural.empty() || natural.front() == '#' || natural.front() == '!') continue;
      while (ends_in_open_backslash(natural)) {
        logical.text += natural.substr(0, natural.size() - 1);
        natural = skip_blanks(take_natural_line());
      }
      logical.text += natural;
      if (!logical.text.empty()) return logical;  // Empty: nothing but a continuation sign.
    }
    return std::nullopt;
  }

 private:
  std::string_view take_natural_line() {
    std::size_t length = 0;
    while (length < rest_.size() && !is_line_end(rest_[length])) ++length;
    const std::string_view natural = rest_.substr(0, length);
    rest_.remove_prefix(length);
    if (rest_.starts_with("\r\n")) rest_.remove_prefix(1);
    if (!rest_.empty()) rest_.remove_prefix(1);
    ++line_;
    return natural;
  }

  static std::string_view skip_blanks(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    return text;
  }

  static bool ends_in_open_backslash(std::string_view text) {
    std::size_t count = 0;
    while (count < text.size() && text[text.size() - 1 - count] == '\\') ++count;
    return count % 2 == 1;
  }

  std::string_view rest_;
  std::size_t line_ = 1;
};

void append_utf8(std::string& out, std::uint32_t code_point) {
  const auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xc0U | (code_point >> 6));
    put(0x80U | (code_point & 0x3fU));
  } else if (code_point < 0x10000) {
    put(0xe0U | (code_point >> 12));
    put(0x80U | ((code_point >> 6) & 0x3fU));
    put(0x80U | (code_point & 0x3fU));
  } else {
    put(0xf0U | (code_point >> 18));
    put(0x80U | ((code_point >> 12) & 0x3fU));
    put(0x80U | ((code_point >> 6) & 0x3fU));
    put(0x80U | (code_point & 0x3fU));
  }
}

// Java strings are UTF-16. A surrogate half without its partner becomes '?', which is what Java
// makes of it when the string leaves the JVM.
std::string utf16_to_utf8(std::u16string_view units) {
  std::string out;
  out.reserve(units.size());
  for (std::size_t i = 0; i < units.size(); ++i) {
    const std::uint32_t unit = units[i];
    const bool is_high = unit >= 0xd800 && unit <= 0xdbff;
    const bool has_low =
        is_high && i + 1 < units.size() && units[i + 1] >= 0xdc00 && units[i + 1] <= 0xdfff;
    if (has_low) {
      append_utf8(out, 0x10000U + ((unit - 0xd800U) << 10) + (units[i + 1] - 0xdc00U));
      ++i;
    } else if (unit >= 0xd800 && unit <= 0xdfff) {
      out.push_back('?');
    } else {
      append_utf8(out, unit);
    }
  }
  return out;
}

std::optional<char16_t> hex_unit(std::string_view digits) {
  if (digits.size() < 4) return std::nullopt;
  std::uint32_t unit = 0;
  for (const char c : digits.substr(0, 4)) {
    const bool is_digit = c >= '0' && c <= '9';
    const bool is_lower = c >= 'a' && c <= 'f';
    const bool is_upper = c >= 'A' && c <= 'F';
    if (!is_digit && !is_lower && !is_upper) return std::nullopt;
    unit = unit * 16 +
           static_cast<std::uint32_t>(is_digit ? c - '0' : (is_lower ? c - 'a' : c - 'A') + 10);
  }
  return static_cast<char16_t>(unit);
}

// Resolves the escapes of a key or a value; the error is the escape that is not one.
std::expected<std::string, std::string> unescape(std::string_view raw) {
  std::u16string units;
  units.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\') {
      units.push_back(static_cast<unsigned char>(raw[i]));
      continue;
    }
    if (++i == raw.size()) break;
    switch (raw[i]) {
      case 't':
        units.push_back(u'\t');
        break;
      case 'n':
        units.push_back(u'\n');
        break;
      case 'r':
        units.push_back(u'\r');
        break;
      case 'f':
        units.push_back(u'\f');
        break;
      case 'u': {
        const auto unit = hex_unit(raw.substr(i + 1));
        if (!unit) return std::unexpected(std::string(raw.substr(i - 1, 6)));
        units.push_back(*unit);
        i += 4;
        break;
      }
      default:
        units.push_back(static_cast<unsigned char>(raw[i]));
    }
  }
  return utf16_to_utf8(units);
}

// The key ends at the first unescaped '=', ':' or blank; blanks and at most one '=' or ':' part it
// from the value.
std::pair<std::string_view, std::string_view> split(std::string_view line) {
  std::size_t key_end = 0;
  while (key_end < line.size()) {
    const char c = line[key_end];
    if (c == '=' || c == ':' || is_blank(c)) break;
    key_end += c == '\\' ? 2 : 1;
  }
  key_end = std::min(key_end, line.size());
  std::size_t value_start = key_end;
  const auto skip_blanks = [&] {
    while (value_start < line.size() && is_blank(line[value_start])) ++value_start;
  };
  skip_blanks();
  if (value_start < line.size() && (line[value_start] == '=' || line[value_start] == ':')) {
    ++value_start;
    skip_blanks();
  }
  return {line.substr(0, key_end), line.substr(value_start)};
}

bool has_byte_above_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) > 0x7f) return true;
  }
  return false;
}

}  // namespace

std::string_view trim(std::string_view text) {
  const auto is_trimmed = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
  while (!text.empty() && is_trimmed(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_trimmed(text.back())) text.remove_suffix(1);
  return text;
}

std::expected<std::vector<PropertyEntry>, PropertiesError> parse_properties(std::string_view text) {
  std::vector<PropertyEntry> entries;
  LineReader reader(text);
  while (const auto logical = reader.next()) {
    const auto [raw_key, raw_value] = split(logical->text);
    const auto key = unescape(raw_key);
    if (!key) return std::unexpected(PropertiesError{logical->line, key.error()});
    const auto value = unescape(raw_value);
    if (!value) return std::unexpected(PropertiesError{logical->line, value.error()});
    entries.push_back({.key = std::string(trim(*key)),
                       .value = std::string(trim(*value)),
                       .line = logical->line,
                       .has_raw_bytes = has_byte_above_ascii(logical->text)});
  }
  return entries;
}

}  // namespace synod::server
