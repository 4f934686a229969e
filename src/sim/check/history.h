// What clients did and what they saw: the only evidence the checks of this folder accept.
//
// The simulator fills a History in memory; real processes write one as JSON lines (history_file.h).
// Values written must differ from one another all over a history (client and xid in them will do):
// a value read then names the one write that made it.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "jute/opcode.h"
#include "jute/records.h"

namespace synod::sim::check {

// A clock that all clients share and that shows no moment twice to one session: the simulator
// counts its steps, processes on one machine read CLOCK_MONOTONIC in nanoseconds.
using Moment = std::int64_t;
inline constexpr Moment kNever = std::numeric_limits<Moment>::max();

enum class Kind {
  kCreate,
  kDelete,
  kSetData,
  kCheck,  // part of a multi only
  kMulti,
  kGetData,
  kExists,
  kGetChildren,
  kSync,
  kCloseSession,
};

enum class Outcome {
  kOk,
  kError,    // refused with `error`; a refused write was ordered all the same
  kUnknown,  // the connection was lost first: it may have happened, once, or may yet, or never
};

// What one request, or one part of a multi, does to one node.
struct Action {
  Kind kind = Kind::kGetData;
  std::string path;           // as asked for: a sequential create's is the prefix
  std::string value;          // create, setData
  std::int32_t version = -1;  // delete, setData, check: the one expected, -1 for any
  bool is_ephemeral = false;
  bool is_sequential = false;

  // What the reply told of it. A multi's parts may leave `stat` out.
  std::string created_path;        // create: the name it got
  std::optional<jute::Stat> stat;  // of the node after a create2 or setData, or as read
  std::optional<std::string> data;
  std::optional<std::vector<std::string>> children;  // names, in any order
};

struct Operation : Action {
  std::int32_t client = 0;
  SessionId session;
  std::int32_t xid = 0;          // never used twice in a session, connections lost or not
  bool leaves_watch = false;     // getData and getChildren of a node that is there, exists of any
  bool is_linearizable = false;  // a read that is its own sync
  std::vector<Action> parts;     // of a multi
  std::size_t failed_part = 0;   // of a multi refused with `error`

  Moment invoked_at = 0;
  Moment completed_at = kNever;  // kNever: outcome is unknown
  Outcome outcome = Outcome::kUnknown;
  jute::ErrorCode error = jute::ErrorCode::kOk;
  Zxid zxid;  // in the reply's header; 0 where the client's library does not tell
};

// A notification. Only one-shot watches are judged: those that `leaves_watch` speaks of.
struct WatchEvent {
  std::int32_t client = 0;
  SessionId session;
  jute::EventType type = jute::EventType::kNodeDataChanged;
  std::string path;
  Zxid zxid;  // 0 or -1 where the server does not tell
  Moment seen_at = 0;
};

// The client sends setWatches with each reconnection, before any other request.
struct SessionEvent {
  enum class Kind { kOpened, kLost, kReconnected, kExpired, kClosed };
  std::int32_t client = 0;
  SessionId session;
  Kind kind = Kind::kOpened;
  Moment at = 0;
};

// One entry of the committed log, where somebody other than a client knows it (the simulator does).
struct Committed {
  Zxid zxid;
  SessionId session;
  std::int32_t xid = 0;
  jute::OpCode type = jute::OpCode::kError;
};

struct Node {
  std::string data;
  jute::Stat stat;
};

// The tree after all faults were healed and every client had stopped.
struct FinalTree {
  Zxid zxid;
  std::map<std::string, Node> nodes;  // by path; all of them below the paths the clients touched
};

struct History {
  std::vector<Operation> operations;  // in no particular order
  std::vector<WatchEvent> watch_events;
  std::vector<SessionEvent> session_events;
  std::vector<Committed> committed;  // in order; empty where only clients speak
  std::optional<FinalTree> final_tree;
};

[[nodiscard]] constexpr bool is_write(Kind kind) {
  switch (kind) {
    case Kind::kCreate:
    case Kind::kDelete:
    case Kind::kSetData:
    case Kind::kCheck:
    case Kind::kMulti:
    case Kind::kCloseSession:
      return true;
    case Kind::kGetData:
    case Kind::kExists:
    case Kind::kGetChildren:
    case Kind::kSync:
      return false;
  }
  return false;
}

// Each action of an operation: its parts if it is a multi, else itself.
template <class Visit>
void for_each_action(const Operation& operation, Visit&& visit) {
  if (operation.kind != Kind::kMulti) return visit(static_cast<const Action&>(operation));
  for (const Action& part : operation.parts) visit(part);
}

// The path an action concerns: the name the node got, once that is known.
[[nodiscard]] inline const std::string& path_of(const Action& action) {
  return action.created_path.empty() ? action.path : action.created_path;
}

// "/a/b" -> "/a", "/a" -> "/"; the root has none.
[[nodiscard]] inline std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos || path == "/" ? "" : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace synod::sim::check
