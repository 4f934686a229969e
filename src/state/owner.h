// What a node's stored ephemeralOwner means (ZooKeeper's EphemeralType).
#pragma once

#include <cstdint>

#include "base/ids.h"

namespace synod::state {

enum class OwnerKind : std::uint8_t { kPersistent, kEphemeral, kContainer, kTtl };

inline constexpr std::int64_t kContainerOwner = INT64_MIN;
inline constexpr std::int64_t kMaxTtlMs = 0xFFFFFFFFFF;  // 40 bits, about 34.9 years

// TTL nodes exist only where extended types are on; elsewhere their owner is an unknown session.
struct OwnerRules {
  bool extended_types = false;   // zookeeper.extendedTypesEnabled
  bool emulate_353_ttl = false;  // zookeeper.emulate353TTLNodes: owners as 3.5.3 wrote them

  [[nodiscard]] OwnerKind kind(std::int64_t owner) const {
    if (owner == 0) return OwnerKind::kPersistent;
    if (owner == kContainerOwner) return OwnerKind::kContainer;
    if (extended_types) {
      const auto bits = static_cast<std::uint64_t>(owner);
      if (bits >> 56 == 0xFF && (bits >> 40 & 0xFFFF) == 0) return OwnerKind::kTtl;
      if (emulate_353_ttl && owner < 0) return OwnerKind::kTtl;
    }
    return OwnerKind::kEphemeral;
  }
};

[[nodiscard]] inline bool is_valid_ttl(std::int64_t ttl_ms) {
  return ttl_ms >= 1 && ttl_ms <= kMaxTtlMs;
}
[[nodiscard]] inline std::int64_t owner_of_ttl(std::int64_t ttl_ms) {
  return static_cast<std::int64_t>(0xFF00000000000000ULL | static_cast<std::uint64_t>(ttl_ms));
}
[[nodiscard]] inline std::int64_t ttl_of_owner(std::int64_t owner) { return owner & kMaxTtlMs; }

}  // namespace synod::state
