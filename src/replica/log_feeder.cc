#include "replica/log_feeder.h"

#include <algorithm>

#include "replica/snapshotter.h"

namespace synod::replica {
namespace {

constexpr std::size_t kMarksKept = 4096;

}  // namespace

void LogFeeder::start(consensus::LinkId link, Zxid after, Zxid up_to) {
  feeds_[link] = {.after = after, .up_to = up_to, .range = std::nullopt};
}

void LogFeeder::advance(Zxid written) {
  for (auto feed = feeds_.begin(); feed != feeds_.end();) {
    const auto current = feed++;
    auto& [link, state] = *current;
    if (state.token != storage::IoToken{} || state.up_to > written) continue;
    if (links_.unsent(link) >= Links::kManyBytes) continue;
    if (!state.range && !open(state)) {
      parts_.push_back({link, std::nullopt, true});
      feeds_.erase(current);
      continue;
    }
    state.token = {kFeederTokenBit | ++last_token_};
    files_.submit(storage::IoLane::kBackground, state.token, state.range->take_batch());
  }
}

bool LogFeeder::open(Feed& feed) {
  const auto reach = storage::survey_log(files_, directory_);
  if (!reach) return false;
  feed.range = storage::LogRange::open(
      directory_, *reach, feed.after, feed.up_to,
      {.snapshot_size_factor = snapshot_size_factor_, .mark = mark_before(feed.after)});
  return feed.range && !feed.range->is_done();
}

std::optional<storage::LogMark> LogFeeder::mark_before(Zxid after) const {
  const auto above = marks_.upper_bound(after);
  if (above == marks_.begin()) return std::nullopt;
  return std::prev(above)->second;
}

void LogFeeder::note(storage::LogMark mark) {
  const Zxid zxid = mark.zxid;
  marks_.insert_or_assign(zxid, std::move(mark));
  if (marks_.size() > kMarksKept) marks_.erase(marks_.begin());
}

bool LogFeeder::io_done(storage::IoToken token, const Result<void>& result) {
  if ((token.value & kSnapshotTokenBit) != 0 || (token.value & kFeederTokenBit) == 0) return false;
  const auto found =
      std::ranges::find_if(feeds_, [&](const auto& feed) { return feed.second.token == token; });
  if (found == feeds_.end()) return true;  // its link is gone
  auto& [link, feed] = *found;
  feed.token = {};
  auto read = feed.range->completed(result);
  if (!read && feed.range->is_marked() && !feed.has_begun) {
    marks_.clear();  // the log was cut, perhaps: once more, from where the file begins
    feed.range.reset();
    return true;
  }
  if (!read) {
    parts_.push_back({link, std::nullopt, true});
    feeds_.erase(found);
    return true;
  }
  std::vector<consensus::Entry> entries;
  entries.reserve(read->size());
  for (storage::LoggedEntry& entry : *read) {
    entries.push_back({entry.zxid, std::move(entry.bytes)});
  }
  feed.has_begun = feed.has_begun || !entries.empty();
  const bool is_end = feed.range->is_done();
  if (is_end || !entries.empty()) parts_.push_back({link, std::move(entries), is_end});
  if (is_end) {
    note(feed.range->end());
    feeds_.erase(found);
  }
  return true;
}

}  // namespace synod::replica
