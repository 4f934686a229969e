// Paths of znodes: what is legal, and how they fall apart.
#pragma once

#include <string_view>

namespace synod::state {

inline constexpr std::string_view kZookeeperPath = "/zookeeper";
inline constexpr std::string_view kQuotaPath = "/zookeeper/quota";
inline constexpr std::string_view kConfigPath = "/zookeeper/config";

// Absolute, no empty, "." or ".." component, no trailing slash, none of the characters that
// ZooKeeper's PathUtils refuses (which include everything above U+FFEF and bytes that are not
// UTF-8).
[[nodiscard]] bool is_valid_path(std::string_view path);

// Text before the last '/'; "" for a child of the root. The path must contain a '/'.
[[nodiscard]] std::string_view parent_of(std::string_view path);
// Text after the last '/'.
[[nodiscard]] std::string_view name_of(std::string_view path);

// Nodes that nobody may delete.
[[nodiscard]] bool is_protected(std::string_view path);

// Nodes below /zookeeper count neither in the digest nor for a quota on the root.
[[nodiscard]] bool is_below_zookeeper(std::string_view path);

}  // namespace synod::state
