// How a learner's log becomes the leader's (reference, quorum protocol 4.4).
#pragma once

#include "base/ids.h"
#include "consensus/history.h"

namespace synod::consensus::zab {

struct SyncPlan {
  enum class Way {
    kDiff,     // it has nothing that we have not: what follows `from` is sent
    kTrunc,    // it gives up what it has after `from`
    kSnap,     // it gets the whole tree
    kReadLog,  // memory does not reach back: DIFF, if the log on disk still holds `from`
  } way{};
  Zxid from;
  friend bool operator==(const SyncPlan&, const SyncPlan&) = default;
};

// The learner's log ends at `theirs`; `cut` is the end of our history that counts as committed.
[[nodiscard]] SyncPlan plan_sync(const History& history, Zxid cut, Zxid theirs);

}  // namespace synod::consensus::zab
