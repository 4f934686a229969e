// Digests of whole trees as servers tell them (`hash`): at every zxid that 128 divides, so that
// servers can be compared while they change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "base/ids.h"

namespace synod::server {

using TreeDigests = std::map<Zxid, std::int64_t>;

// Lines of `<zxid, hexadecimal>: <digest>`. What is not such a line is passed over; nothing: the
// server keeps the word to itself.
[[nodiscard]] std::optional<TreeDigests> parse_digests(std::string_view answer);

// The first zxid after this one at which every server takes its digest.
[[nodiscard]] Zxid next_digest_after(Zxid zxid);

struct DigestComparison {
  std::size_t compared = 0;              // zxids of which all servers told the digest
  Zxid newest;                           // of those
  std::optional<Zxid> first_difference;  // not all of them told the same
};
[[nodiscard]] DigestComparison compare_digests(const std::map<ServerId, TreeDigests>& told);

}  // namespace synod::server
