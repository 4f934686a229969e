#include "server/tree_digests.h"

#include <algorithm>
#include <charconv>

#include "replica/digest_log.h"

namespace synod::server {
namespace {

template <class Number>
std::optional<Number> number_in(std::string_view text, int base) {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, number, base);
  if (problem != std::errc{} || stop != end) return std::nullopt;
  return number;
}

}  // namespace

std::optional<TreeDigests> parse_digests(std::string_view answer) {
  if (answer.contains("not in the whitelist") || answer.contains("not answered by"))
    return std::nullopt;
  TreeDigests digests;
  while (!answer.empty()) {
    const std::string_view line = answer.substr(0, answer.find('\n'));
    answer.remove_prefix(std::min(line.size() + 1, answer.size()));
    const std::size_t colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    const auto zxid = number_in<std::uint64_t>(line.substr(0, colon), 16);
    const auto digest = number_in<std::int64_t>(line.substr(colon + 2), 10);
    // The first counts: a Java server that has transactions twice in its log (ZOOKEEPER-4394)
    // applies them again when it starts, and notes the digest of a newer tree for them.
    if (zxid && digest) digests.emplace(Zxid{static_cast<std::int64_t>(*zxid)}, *digest);
  }
  return digests;
}

Zxid next_digest_after(Zxid zxid) {
  constexpr auto kInterval = replica::DigestLog::kInterval;
  return {(zxid.value / kInterval + 1) * kInterval};
}

DigestComparison compare_digests(const std::map<ServerId, TreeDigests>& told) {
  DigestComparison comparison;
  if (told.empty()) return comparison;
  for (const auto& [zxid, digest] : told.begin()->second) {
    bool is_told_by_all = true;
    bool is_equal = true;
    for (const auto& [server, digests] : told) {
      const auto found = digests.find(zxid);
      is_told_by_all = is_told_by_all && found != digests.end();
      is_equal = is_equal && (found == digests.end() || found->second == digest);
    }
    if (!is_told_by_all) continue;
    ++comparison.compared;
    comparison.newest = zxid;
    if (!is_equal && !comparison.first_difference) comparison.first_difference = zxid;
  }
  return comparison;
}

}  // namespace synod::server
