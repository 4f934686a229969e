// The digest of a node (reference: DigestCalculator). A tree's digest is the sum over its nodes,
// modulo 2^64; nodes below /zookeeper count nothing.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "jute/records.h"

namespace synod::state {

// CRC-32 over path and data: changes only with the data.
[[nodiscard]] std::uint32_t digest_prefix(std::string_view path, NullableView data);
// Continues over the stat. 0 for a node below /zookeeper.
[[nodiscard]] std::uint64_t node_digest(std::string_view path, std::uint32_t prefix,
                                        const jute::StatPersisted& stat);

}  // namespace synod::state
