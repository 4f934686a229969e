// The guarantees ZooKeeper gives its clients, each as one check of a history. C1 to C9 number them
// as README.md does, which says what each check can see and what it cannot.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sim/check/history.h"

namespace synod::sim::check {

enum class Rule {
  kLinearizableWrites,  // C1: one order of writes, which the clocks do not contradict
  kSyncedReads,         // C2: sync returns with everything that was acknowledged before it
  kPrefixReads,         // C3: a reply's zxid says which prefix of the log it shows
  kSessionOrder,        // C4: a session's replies and writes keep its order
  kExactlyOnce,         // C5: a request takes effect once at most
  kWatchOrder,       // C6: the event comes before the reply that shows the change; once; never lost
  kEphemerals,       // C7: gone exactly when their session ends
  kSequentialNames,  // C9: unique, and increasing below each parent
  kNothingLost,      // the final tree holds every acknowledged write
};
[[nodiscard]] std::string_view to_string(Rule rule);

struct Violation {
  Rule rule = Rule::kLinearizableWrites;
  std::string text;                     // what was expected and what was seen
  std::vector<std::size_t> operations;  // indexes into History::operations
};

struct Report {
  std::vector<Violation> violations;   // the first few of each rule
  std::vector<std::string> undecided;  // what the search gave up on, and why; never a pass
  std::set<std::size_t> lost;          // acknowledged writes that the final tree lacks: all of them
  [[nodiscard]] bool passed() const { return violations.empty() && undecided.empty(); }
};

struct Options {
  bool sync_is_barrier = true;  // false: ZooKeeper's own, which an unaware old leader may answer
  // What the search for an order may cost, in states looked at per node.
  std::uint64_t search_budget = 2'000'000;
};

// All of them.
[[nodiscard]] Report check(const History& history, const Options& options = {});

// One line an operation: what the client asked, when, and what it was told.
[[nodiscard]] std::string describe(const Operation& operation);
// The violation with the operations it concerns.
[[nodiscard]] std::string explain(const History& history, const Violation& violation);

}  // namespace synod::sim::check
