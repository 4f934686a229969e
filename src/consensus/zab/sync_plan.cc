#include "consensus/zab/sync_plan.h"

#include "base/mutation.h"

namespace synod::consensus::zab {
namespace {

using Way = SyncPlan::Way;

// Counter 0 is no entry's: the position of who synchronised with an epoch before its first entry.
bool is_start_of_epoch(Zxid zxid) { return zxid.counter() == 0; }

// It is ahead. What it has beyond our cut was committed by nobody, or we would have it. Of the
// start of an epoch that we do not know it cannot be said what lies before it.
SyncPlan plan_for_one_ahead(Zxid cut, Zxid theirs) {
  if (is_mutated(Mutation::kDiffInsteadOfTrunc)) return {Way::kDiff, cut};
  return is_start_of_epoch(theirs) ? SyncPlan{Way::kSnap, {}} : SyncPlan{Way::kTrunc, cut};
}

// Who logged an entry of an epoch has all that its leader began with, and so have we, who were
// elected later. Within one epoch, then, the floor is common to both; across epochs we leave it to
// a snapshot, as ZooKeeper does.
SyncPlan plan_within_memory(const History& history, Zxid theirs) {
  if (history.contains(theirs) || is_start_of_epoch(theirs)) return {Way::kDiff, theirs};
  const Zxid floor = history.floor(theirs);
  if (is_mutated(Mutation::kDiffInsteadOfTrunc)) return {Way::kDiff, floor};
  if (floor.epoch() == theirs.epoch() && !is_start_of_epoch(floor)) return {Way::kTrunc, floor};
  return {Way::kSnap, {}};
}

}  // namespace

SyncPlan plan_sync(const History& history, Zxid cut, Zxid theirs) {
  if (theirs == cut) return {Way::kDiff, cut};
  if (theirs > cut) return plan_for_one_ahead(cut, theirs);
  if (theirs >= history.base()) return plan_within_memory(history, theirs);
  if (theirs.value < 0 || is_start_of_epoch(theirs)) return {Way::kSnap, {}};
  return {Way::kReadLog, theirs};
}

}  // namespace synod::consensus::zab
