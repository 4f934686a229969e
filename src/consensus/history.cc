#include "consensus/history.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.h"

namespace synod::consensus {
namespace {

constexpr std::size_t kEndsKept = 1000;

}  // namespace

void History::start(Zxid last, std::vector<Entry> recent, const std::vector<Zxid>& ends) {
  entries_.clear();
  bytes_ = 0;
  base_ = last_ = last;
  const Zxid first = recent.empty() ? last : recent.front().zxid;
  ends_.clear();
  for (const Zxid end : ends)
    if (end.epoch() < first.epoch()) ends_.push_back(end);
  if (recent.empty()) return;
  SYNOD_ASSERT(recent.back().zxid == last);
  // What comes before the first is not known: the first is the base itself.
  base_ = last_ = first;
  for (auto entry = std::next(recent.begin()); entry != recent.end(); ++entry)
    append(std::move(*entry));
  trim(last_);
}

void History::append(Entry entry) {
  SYNOD_ASSERT(entry.zxid > last_);
  last_ = entry.zxid;
  bytes_ += entry.bytes->size();
  entries_.push_back(std::move(entry));
}

void History::cut(Zxid after) {
  last_ = std::min(last_, after);
  while (!entries_.empty() && entries_.back().zxid > after) {
    bytes_ -= entries_.back().bytes->size();
    entries_.pop_back();
  }
  if (!entries_.empty()) return;
  base_ = last_;
  while (!ends_.empty() && ends_.back() >= base_) ends_.pop_back();
}

void History::trim(Zxid up_to) {
  while (!entries_.empty() && (entries_.size() > max_entries_ || bytes_ > max_bytes_) &&
         entries_.front().zxid <= up_to)
    drop_first();
}

void History::drop_first() {
  const Zxid base = entries_.front().zxid;
  if (base_.epoch() < base.epoch() && base_ > Zxid{}) ends_.push_back(base_);
  if (ends_.size() > kEndsKept) ends_.pop_front();
  base_ = base;
  bytes_ -= entries_.front().bytes->size();
  entries_.pop_front();
}

Zxid History::floor(Zxid zxid) const {
  SYNOD_ASSERT(zxid >= base_);
  const auto next = after(zxid);
  return next == entries_.begin() ? base_ : std::prev(next)->zxid;
}

History::Entries::const_iterator History::after(Zxid zxid) const {
  return std::upper_bound(entries_.begin(), entries_.end(), zxid,
                          [](Zxid position, const Entry& entry) { return position < entry.zxid; });
}

}  // namespace synod::consensus
