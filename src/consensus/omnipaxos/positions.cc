#include "consensus/omnipaxos/positions.h"

#include <iterator>

#include "consensus/omnipaxos/messages.h"

namespace synod::consensus::omnipaxos {

std::vector<Zxid> ends_of(const History& history) {
  std::vector<Zxid> ends{history.last()};
  // From one epoch's end to the last position before that epoch.
  for (auto at = history.after(history.last()); ends.size() < kMaxEnds;) {
    const std::uint32_t epoch = ends.back().epoch();
    while (at != history.begin() && std::prev(at)->zxid.epoch() == epoch) --at;
    const Zxid before = at == history.begin() ? history.base() : std::prev(at)->zxid;
    if (before.epoch() == epoch || before >= ends.back()) break;
    ends.push_back(before);
  }
  const auto& older = history.ends_before_base();
  for (auto end = older.rbegin(); end != older.rend() && ends.size() < kMaxEnds; ++end)
    if (end->epoch() < ends.back().epoch()) ends.push_back(*end);
  return ends;
}

std::optional<Common> find_common(const History& ours, const std::vector<Zxid>& ends_of_theirs) {
  for (const Zxid end : ends_of_theirs) {
    if (end < ours.base()) return Common{end, end.epoch() == ours.base().epoch()};
    const Zxid floor = ours.floor(end);
    if (floor.epoch() == end.epoch()) return Common{floor};
  }
  return std::nullopt;
}

}  // namespace synod::consensus::omnipaxos
