// Bytes captured between ZooKeeper's own servers, and what is known of them.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace synod::consensus::zab::test {

namespace json = boost::json;

inline Bytes wire_file(const std::string& name) {
  const char* fixtures = std::getenv("SYNOD_FIXTURES");
  const std::string path =
      std::string(fixtures != nullptr ? fixtures : "tests/fixtures") + "/zab-wire/" + name;
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline json::value wire_json(const std::string& name) { return json::parse(wire_file(name)); }

// The index's entries whose file name begins so.
inline std::vector<json::object> wire_entries(const std::string& prefix) {
  static const json::value index = wire_json("index.json");
  std::vector<json::object> entries;
  for (const json::value& entry : index.at("files").as_array()) {
    if (entry.at("file").as_string().starts_with(prefix)) entries.push_back(entry.as_object());
  }
  if (entries.empty()) throw std::runtime_error("no fixture begins with " + prefix);
  return entries;
}

inline std::string text(const json::object& entry, const char* key) {
  return std::string(entry.at(key).as_string());
}

// Numbers stand there as such, or as text in hexadecimal.
inline std::int64_t number(const json::value& value) {
  if (value.is_int64()) return value.as_int64();
  return static_cast<std::int64_t>(std::stoull(std::string(value.as_string()), nullptr, 16));
}

}  // namespace synod::consensus::zab::test
