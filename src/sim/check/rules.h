// The checks one by one; checks.h runs them all.
#pragma once

#include "sim/check/checks.h"
#include "sim/check/facts.h"

namespace synod::sim::check {

// Orders (orders.cc): what zxids alone tell, in O(n log n).
void check_write_order(const Facts& facts, Report& report);    // C1, without what was written
void check_syncs(const Facts& facts, Report& report);          // C2
void check_session_order(const Facts& facts, Report& report);  // C3's monotone zxids, C4

// Node by node (nodes.cc): is there an order of operations that explains every reply? C1 to C3, C7
// and the final tree, as far as one node's data, version, owner and presence show them.
void check_nodes(const Facts& facts, const Options& options, Report& report);

void check_watches(const Facts& facts, Report& report);     // C6 (watches.cc)
void check_ephemerals(const Facts& facts, Report& report);  // C7, a session's nodes together
void check_sequences(const Facts& facts, Report& report);   // C9 (sequences.cc)
void check_final_tree(const Facts& facts, Report& report);  // acknowledged and gone (final_tree.cc)

}  // namespace synod::sim::check
