#include "state/quota.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "state/paths.h"

namespace synod::state {
namespace {

std::string node_path(std::string_view prefix, std::string_view name) {
  std::string path(kQuotaPath);
  path.append(prefix).append("/").append(name);
  return path;
}

// "/zookeeper/quota/a/b/zookeeper_limits" -> "/a/b". Empty for any other path, and for a quota on
// the root, which Java cannot survive and which therefore means nothing.
std::string_view governed_path(std::string_view path, std::string_view name) {
  if (!path.starts_with(kQuotaPath) || name_of(path) != name) return {};
  const std::string_view parent = parent_of(path);
  if (parent.size() <= kQuotaPath.size() || parent[kQuotaPath.size()] != '/') return {};
  return parent.substr(kQuotaPath.size());
}

std::optional<std::int64_t> parse_number(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return number;
}

// "key=number", read as Java's split reads it: "bytes=-1=" has a stray '=' at its end, which counts
// for nothing; "bytes==1" has an empty value, which is -1; "bytes=" has none, and is garbage.
std::optional<std::pair<std::string_view, std::int64_t>> parse_item(std::string_view item) {
  const std::size_t equals = item.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  const std::string_view rest = item.substr(equals + 1);
  if (rest.find_first_not_of('=') == std::string_view::npos) return std::nullopt;
  const std::string_view value = rest.substr(0, rest.find('='));
  const auto number = value.empty() ? std::optional<std::int64_t>(-1) : parse_number(value);
  if (!number) return std::nullopt;
  return std::pair(item.substr(0, equals), *number);
}

}  // namespace

std::optional<QuotaText> QuotaText::parse(std::string_view text) {
  constexpr std::string_view kSeparators = ",;";
  QuotaText parsed;
  if (text.find_first_not_of(kSeparators) == std::string_view::npos) return parsed;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(kSeparators), text.size());
    const auto item = parse_item(text.substr(0, end));
    if (!item) return std::nullopt;
    const auto& [key, number] = *item;
    if (key == "count")
      parsed.count = number;
    else if (key == "bytes")
      parsed.bytes = number;
    else if (key == "countHardLimit")
      parsed.count_hard_limit = number;
    else if (key == "byteHardLimit")
      parsed.byte_hard_limit = number;
    text.remove_prefix(std::min(text.find_first_not_of(kSeparators, end), text.size()));
  }
  return parsed;
}

bool is_poisonous_quota(std::string_view path, NullableView data) {
  if (!path.starts_with(kQuotaPath)) return false;
  const std::string_view name = name_of(path);
  if (name != kLimitsName && name != kStatsName) return false;
  if (parent_of(path) == kQuotaPath) return true;
  return name == kStatsName && !QuotaText::parse(data.value_or(""));
}

void Quotas::created(const Node& node) {
  if (const auto governed = governed_path(node.path(), kLimitsName); !governed.empty()) {
    prefixes_.emplace(governed);
  }
  if (const auto governed = governed_path(node.path(), kStatsName); !governed.empty()) {
    recount(node, governed);
  }
  if (const auto prefix = prefix_of(node.path()); !prefix.empty())
    adjust(prefix, node.data.size(), 1);
}

void Quotas::changed(const Node& node, std::int64_t bytes_before) {
  if (const auto prefix = prefix_of(node.path()); !prefix.empty()) {
    adjust(prefix, static_cast<std::int64_t>(node.data.size()) - bytes_before, 0);
  }
}

void Quotas::deleting(const Node& node) {
  if (const auto governed = governed_path(node.path(), kLimitsName); !governed.empty()) {
    prefixes_.erase(std::string(governed));
  }
  if (const auto prefix = prefix_of(node.path()); !prefix.empty()) {
    adjust(prefix, -static_cast<std::int64_t>(node.data.size()), -1);
  }
}

void Quotas::rebuild() {
  prefixes_.clear();
  const Node* top = tree_.find(kQuotaPath);
  if (top == nullptr) return;
  std::vector<const Node*> open{top};
  std::vector<const Node*> stats;
  while (!open.empty()) {
    const Node& node = *open.back();
    open.pop_back();
    if (const auto governed = governed_path(node.path(), kLimitsName);
        !governed.empty() && !node.children) {
      prefixes_.emplace(governed);
    }
    if (!governed_path(node.path(), kStatsName).empty()) stats.push_back(&node);
    if (node.children) open.insert(open.end(), node.children->begin(), node.children->end());
  }
  for (const Node* node : stats) recount(*node, governed_path(node->path(), kStatsName));
}

std::string_view Quotas::prefix_of(std::string_view path) const {
  if (prefixes_.empty()) return {};
  for (std::string_view above = path; !above.empty(); above = parent_of(above)) {
    if (const auto found = prefixes_.find(std::string(above)); found != prefixes_.end())
      return *found;
  }
  return {};
}

const Node* Quotas::limits_node(std::string_view prefix) const {
  return tree_.find(node_path(prefix, kLimitsName));
}

const Node* Quotas::stats_node(std::string_view prefix) const {
  return tree_.find(node_path(prefix, kStatsName));
}

void Quotas::adjust(std::string_view prefix, std::int64_t bytes, std::int64_t count) {
  const Node* stats = stats_node(prefix);
  if (stats == nullptr) return;
  const auto usage = QuotaText::parse(stats->data.view().value_or(""));
  // A client may have stored anything here; Java stops for good over it. Count afresh instead.
  if (!usage) return recount(*stats, prefix);
  rewrite(*stats, {.count = usage->count + count, .bytes = usage->bytes + bytes});
}

void Quotas::recount(const Node& stats, std::string_view prefix) {
  QuotaText usage{.count = 0, .bytes = 0};
  std::vector<const Node*> open;
  if (const Node* top = tree_.find(prefix)) open.push_back(top);
  while (!open.empty()) {
    const Node& node = *open.back();
    open.pop_back();
    ++usage.count;
    usage.bytes += node.data.size();
    if (node.children) open.insert(open.end(), node.children->begin(), node.children->end());
  }
  rewrite(stats, usage);
}

void Quotas::rewrite(const Node& stats, const QuotaText& text) {
  tree_.set_data(stats, text.stats_text(), stats.stat);
}

}  // namespace synod::state
