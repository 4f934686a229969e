// One node as a state machine, and the search for an order of operations that explains all replies.
//
// What has a zxid stands in a chain whose order is given. What has none floats: a write in doubt
// may go anywhere after its invocation or be left out; one acknowledged without a zxid must go
// somewhere between its invocation and its completion. The search places them: Wing and Gong 1993,
// with Lowe's memory of configurations seen (2017), which the chain keeps small.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/check/checks.h"
#include "sim/check/history.h"

namespace synod::sim::check {

struct NodeState {
  bool is_present = false;
  std::string_view value;
  std::int32_t version = 0;
  std::int64_t owner = 0;
  Zxid czxid;  // 0: not known
  Zxid mzxid;
  friend bool operator==(const NodeState&, const NodeState&) = default;
};
[[nodiscard]] std::string to_string(const NodeState& state);

// What one action means for one node.
struct Touch {
  enum class Act {
    kCreate,
    kDelete,
    kSetData,
    kEndSession,    // drops the node if `session` owns it
    kExpectExists,  // what the rest say of the node without changing it
    kExpectAbsent,
    kExpectVersion,       // the action's
    kExpectOtherVersion,  // than the action's
    kExpectAsRead,        // the action's stat and data
  };
  Act act = Act::kExpectExists;
  const Action* action = nullptr;
  SessionId session;
};

inline constexpr std::size_t kNoOperation = static_cast<std::size_t>(-1);

// What one operation does to the node, in one step.
struct Step {
  std::size_t operation = kNoOperation;  // none: a session's end, or the final tree
  Rule rule = Rule::kLinearizableWrites;
  bool is_read = false;
  Zxid zxid;  // in the chain; 0 for what floats
  std::vector<Touch> touches;

  // Of what floats:
  bool is_required = false;
  Zxid after;                  // everything up to here was visible before it began
  std::optional<Zxid> before;  // this one began when it had ended
  Moment invoked_at = 0;
  Moment completed_at = kNever;
};

struct NodeHistory {
  std::vector<Step> chain;  // by zxid, reads behind the write they may show
  std::vector<Step> floating;
};

struct SearchResult {
  enum class Kind { kExplained, kContradiction, kGaveUp };
  Kind kind = Kind::kExplained;
  // Of a contradiction: the first step of the chain that nothing explains (its end: a floating
  // one), and the state of the node before it in the order that got so far.
  std::size_t chain_at = 0;
  NodeState before;
};

[[nodiscard]] SearchResult search(const NodeHistory& history, std::uint64_t budget);

}  // namespace synod::sim::check
