// A history as JSON lines, as tests of real processes write it: one line an operation or event.
//
//   {"op": "setData", "client": 1, "session": 72057594037927936, "xid": 7, "path": "/a",
//    "value": "1-7", "version": -1, "invoked": 1000, "completed": 1900, "outcome": "ok",
//    "zxid": 4294967299, "stat": [...]}
//       outcome: ok, error (with "error": -101), unknown (without "completed"); stat: ZooKeeper's
//       eleven numbers in order. Also, where they apply: "ephemeral", "sequential", "watch",
//       "linearizable" (true), "created", "data" (as read), "children"; a multi's "parts" (each as
//       an op) and "failed_part"
//   {"event": "watch", "client": 1, "session": …, "type": 3, "path": "/a", "zxid": -1, "at": 2000}
//   {"event": "opened", "client": 1, "session": …, "at": 900}     or lost, reconnected, expired,
//   closed
//   {"event": "final", "path": "/a", "data": "1-7", "stat": [...]}           each node at the end,
//   {"event": "end", "zxid": 4294967310}                                     and that these were
//   all
//
// Blank lines are passed over, an unknown field is an error.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "sim/check/history.h"

namespace synod::sim::check {

// Adds what the lines say; `name` and the line's number go into an error's text.
[[nodiscard]] Result<void> read_history(std::string_view name, std::string_view lines,
                                        History& history);

// The other way: a simulated history, to be judged again later.
[[nodiscard]] std::string write_history(const History& history);

}  // namespace synod::sim::check
