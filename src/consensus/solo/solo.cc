#include "consensus/solo/solo.h"

#include <utility>

#include "base/assert.h"

namespace synod::consensus {

void Solo::start(Zxid last) {
  proposed_ = committed_ = last;
  effects_.role = Role::kLeading;
  effects_.committed = last;  // a log's tail is committed at once where the quorum is one
}

void Solo::propose(Entry entry) {
  SYNOD_ASSERT(entry.zxid == next_zxid());
  proposed_ = entry.zxid;
  effects_.appended.push_back(std::move(entry));
}

void Solo::durable(Zxid up_to) {
  SYNOD_ASSERT(up_to <= proposed_);
  if (up_to <= committed_) return;
  committed_ = up_to;
  effects_.committed = up_to;
}

Effects Solo::drain() { return std::exchange(effects_, {}); }

}  // namespace synod::consensus
