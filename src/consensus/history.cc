#include "consensus/history.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.h"

namespace synod::consensus {

void History::start(Zxid last, std::vector<Entry> recent) {
  entries_.clear();
  bytes_ = 0;
  base_ = last_ = last;
  if (recent.empty()) return;
  SYNOD_ASSERT(recent.back().zxid == last);
  // What comes before the first is not known: the first is the base itself.
  base_ = last_ = recent.front().zxid;
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
  if (entries_.empty()) base_ = last_;
}

void History::trim(Zxid up_to) {
  while (!entries_.empty() && (entries_.size() > max_entries_ || bytes_ > max_bytes_) &&
         entries_.front().zxid <= up_to)
    drop_first();
}

void History::drop_first() {
  base_ = entries_.front().zxid;
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
