// Where two logs part. Whoever holds an entry holds all that its leader's log had before it, so
// that two logs with entries of one epoch are the same up to the smaller of the last ones they have
// of it (consensus.md 2).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "consensus/history.h"

namespace synod::consensus::omnipaxos {

// The log's last position, then the last of each epoch before it, as far as memory goes and beyond
// that as far as the log was read in this life.
[[nodiscard]] std::vector<Zxid> ends_of(const History& history);

struct Common {
  Zxid at;  // the last position of both logs
  // It lies before what memory knows of our log: only the log on disk can tell.
  bool is_certain = true;
};
// Nothing: memory says that there is none at or behind its base.
[[nodiscard]] std::optional<Common> find_common(const History& ours,
                                                const std::vector<Zxid>& ends_of_theirs);

}  // namespace synod::consensus::omnipaxos
