// Every key this server knows, as a table. Parsing, error texts, `--explain` and
// docs/configuration.md all come from it: a key is described here and nowhere else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/config.h"
#include "server/config_values.h"

namespace synod::server {

// Where Java reads the key from. The table writes every key as zoo.cfg would.
enum class Origin {
  kFile,         // Reserved key of zoo.cfg; Java has no -D for it.
  kProperty,     // zookeeper.<key>; `<key>` in the file sets it.
  kPropertyToo,  // As kProperty, and -D<key> without the prefix counts where the prefixed is unset.
  kBare,         // -D<key> only; in the file Java does not see it.
  kSynod,        // Our own: file, or -D<key>.
};

enum class Status {
  kSupported,  // Does what it does in ZooKeeper.
  kIgnored,    // Read and checked; means nothing here; says why when set to anything unusual.
  kLater,      // As kIgnored, but a later version will have a use for it.
  kRefused,    // Starting without it would betray whoever wrote it.
};

// Where in Config the value goes; nothing for keys that are only read.
using Target =
    std::variant<std::monostate, bool Config::*, int Config::*, std::int64_t Config::*,
                 double Config::*, std::string Config::*, std::filesystem::path Config::*,
                 std::vector<std::string> Config::*, SnapshotCompression Config::*,
                 std::optional<int> Config::*, std::optional<std::string> Config::*>;

struct KeyRow {
  std::string_view name;  // `ssl.*` stands for every key that starts with `ssl.`.
  Origin origin = Origin::kProperty;
  Accepts accepts = {};
  Target target = {};
  std::string_view description = {};
  Status status = Status::kSupported;
  std::string_view remark = {};        // kIgnored: why. kLater: to what it belongs. kRefused: both.
  std::string_view default_text = {};  // Where Config's own default does not say it.
  std::string_view harmless = {};      // kIgnored, kLater: a value that needs no warning.
  bool is_raised_to_min = false;       // Smaller values become the least one, with a warning.

  [[nodiscard]] constexpr KeyRow with_default(std::string_view text) const {
    KeyRow row = *this;
    row.default_text = text;
    return row;
  }
  [[nodiscard]] constexpr KeyRow raised_to_min() const {
    KeyRow row = *this;
    row.is_raised_to_min = true;
    return row;
  }
  [[nodiscard]] constexpr KeyRow silent_at(std::string_view value) const {
    KeyRow row = *this;
    row.harmless = value;
    return row;
  }
};

struct KeySection {
  std::string_view title;
  std::span<const KeyRow> rows;
};

[[nodiscard]] std::span<const KeySection> key_sections();

// By exact name, or by the longest family (`ssl.quorum.*` before `ssl.*`). Null: unknown.
[[nodiscard]] const KeyRow* find_key(std::string_view name);

[[nodiscard]] bool is_family(const KeyRow& row);

void store(Config& config, const Target& target, const Value& value);

// As a user would write it; empty where there is none.
[[nodiscard]] std::string default_of(const KeyRow& row);

}  // namespace synod::server
