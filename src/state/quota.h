// Quotas (reference: Quotas, StatsTrack, DataTree). A quota for P is two nodes below
// /zookeeper/quota/P: zookeeper_limits, which registers it, and zookeeper_stats, whose data each
// server keeps up to date by itself, in place, without a transaction.
#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "state/tree.h"

namespace synod::state {

inline constexpr std::string_view kLimitsName = "zookeeper_limits";
inline constexpr std::string_view kStatsName = "zookeeper_stats";

// The text of a limits or a stats node: "count=1,bytes=2", more keys after ";". -1 is no limit.
struct QuotaText {
  std::int64_t count = -1;
  std::int64_t bytes = -1;
  std::int64_t count_hard_limit = -1;
  std::int64_t byte_hard_limit = -1;

  [[nodiscard]] static std::optional<QuotaText> parse(std::string_view text);  // empty: garbage
  [[nodiscard]] std::string stats_text() const {
    return "count=" + std::to_string(count) + ",bytes=" + std::to_string(bytes);
  }
};

// Would Java's server stop for good over a node of this path with this data? A quota on the root it
// cannot load; statistics that do not parse it cannot apply a change to.
[[nodiscard]] bool is_poisonous_quota(std::string_view path, NullableView data);

class Quotas {
 public:
  explicit Quotas(Tree& tree) : tree_(tree) {}

  // Told after a node was created or changed and before one is deleted.
  void created(const Node& node);
  void changed(const Node& node, std::int64_t bytes_before);
  void deleting(const Node& node);
  // After loading a snapshot: registers every limits node and recounts every stats node.
  void rebuild();
  void swap(Quotas& other) noexcept {
    prefixes_.swap(other.prefixes_);
  }  // each stays with its tree

  // The deepest path with a quota that is `path` or above it; empty: none. The root never has one.
  [[nodiscard]] std::string_view prefix_of(std::string_view path) const;
  [[nodiscard]] const Node* limits_node(std::string_view prefix) const;
  [[nodiscard]] const Node* stats_node(std::string_view prefix) const;

 private:
  void adjust(std::string_view prefix, std::int64_t bytes, std::int64_t count);
  void recount(const Node& stats, std::string_view prefix);
  void rewrite(const Node& stats, const QuotaText& text);

  Tree& tree_;
  boost::unordered_flat_set<std::string> prefixes_;
};

}  // namespace synod::state
