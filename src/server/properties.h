// Java's .properties syntax, as zoo.cfg uses it.
//
// A file is bytes in ISO-8859-1, because java.util.Properties reads zoo.cfg that way: each byte is
// one character, and anything else is written \uXXXX. A dataDir that holds raw UTF-8 therefore
// names the same (odd) directory here as it does under Java; PropertyEntry::has_raw_bytes lets the
// caller say so. What comes out is UTF-8.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace synod::server {

// One logical line: `key = value`, unescaped and trimmed.
struct PropertyEntry {
  std::string key;
  std::string value;
  std::size_t line = 0;        // Where the key starts, from 1.
  bool has_raw_bytes = false;  // A byte above 0x7f stood in the file (in key or value).
  friend bool operator==(const PropertyEntry&, const PropertyEntry&) = default;
};

// The only thing that can be wrong with a properties text: a \u without four hexadecimal digits.
struct PropertiesError {
  std::size_t line = 0;
  std::string escape;  // As it stands in the file, cut short.
};

// All entries in file order, duplicates included: the last one of a key counts.
[[nodiscard]] std::expected<std::vector<PropertyEntry>, PropertiesError> parse_properties(
    std::string_view text);

// Without the blanks and control characters at both ends, as Java's String.trim has it.
[[nodiscard]] std::string_view trim(std::string_view text);

}  // namespace synod::server
