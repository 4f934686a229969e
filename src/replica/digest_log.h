// The tree's digest now and then, so that servers can be compared while they change: two that had
// the same tree at a zxid have the same line for it. ZooKeeper keeps the same ones (DataTree's
// digest log), so its servers and ours have them in common.
#pragma once

#include <cstdint>
#include <deque>

#include "base/ids.h"

namespace synod::replica {

struct DigestAt {
  Zxid zxid;
  std::int64_t digest = 0;  // signed, as ZooKeeper prints it
  friend bool operator==(const DigestAt&, const DigestAt&) = default;
};

class DigestLog {
 public:
  static constexpr std::int64_t kInterval = 128;
  static constexpr std::size_t kMax = 1024;

  // After `zxid` was applied.
  void note(Zxid zxid, std::uint64_t digest) {
    if (zxid.value % kInterval != 0) return;
    entries_.push_back({zxid, static_cast<std::int64_t>(digest)});
    if (entries_.size() > kMax) entries_.pop_front();
  }
  // Another tree came.
  void clear() { entries_.clear(); }

  [[nodiscard]] const std::deque<DigestAt>& entries() const { return entries_; }  // oldest first

 private:
  std::deque<DigestAt> entries_;
};

}  // namespace synod::replica
