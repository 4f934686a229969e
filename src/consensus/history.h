// The end of the log, in memory: what learners are brought up to date from.
//
//   base  (base, e1] (e1, e2] ... last        sorted, without a gap
//
// `base` is the position right before the first entry kept. Of what lies before it only where
// epochs ended is known, as far back as the log was read in this life. Positions are dense within
// an epoch and jump between epochs (consensus.md 2), so "the one before z" is looked up, never
// computed.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "base/ids.h"
#include "consensus/engine.h"

namespace synod::consensus {

class History {
 public:
  using Entries = std::deque<Entry>;

  History(std::size_t max_entries, std::size_t max_bytes)
      : max_entries_(max_entries), max_bytes_(max_bytes) {}

  // The log's last entries, ending with `last`; none: all that is known is where the log ends.
  // `ends`: rising, of epochs before that of `last`; those from the first entry on are ignored.
  void start(Zxid last, std::vector<Entry> recent, const std::vector<Zxid>& ends = {});

  [[nodiscard]] Zxid base() const { return base_; }
  [[nodiscard]] Zxid last() const { return last_; }
  // Last positions of epochs that ended before base(), rising; the latest thousand.
  [[nodiscard]] const std::deque<Zxid>& ends_before_base() const { return ends_; }

  void append(Entry entry);
  // The log goes on, but this is not remembered.
  void skip(Zxid zxid) { last_ = zxid; }
  void cut(Zxid after);
  // Forgets the oldest entries above the bounds, of those up to here.
  void trim(Zxid up_to);

  // For positions from base() on.
  [[nodiscard]] bool contains(Zxid zxid) const { return floor(zxid) == zxid; }
  [[nodiscard]] Zxid floor(Zxid zxid) const;  // the last position at or before this one
  [[nodiscard]] Entries::const_iterator after(Zxid zxid) const;
  [[nodiscard]] Entries::const_iterator begin() const { return entries_.begin(); }
  [[nodiscard]] Entries::const_iterator end() const { return entries_.end(); }

 private:
  void drop_first();

  std::size_t max_entries_;
  std::size_t max_bytes_;
  Zxid base_;
  Zxid last_;
  std::deque<Zxid> ends_;
  Entries entries_;
  std::size_t bytes_ = 0;
};

}  // namespace synod::consensus
