// The engine's face: all that a replica knows of consensus.
//
// Events go in by the calls; what the engine owes the world comes out as one ordered value. An
// entry is opaque bytes with a zxid: the engine does not know what a znode is.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"

namespace synod::consensus {

struct Entry {
  Zxid zxid;
  SharedBytes bytes;
};

enum class Role : std::uint8_t { kLooking, kLeading, kFollowing };

// What the replica owes the engine. Field order is duty order.
struct Effects {
  std::optional<Role> role;       // changed to
  std::vector<Entry> appended;    // to the log's end, in this order
  std::optional<Zxid> committed;  // everything up to here may be applied
};

class Engine {
 public:
  virtual ~Engine() = default;

  // Everything up to `last` is in this server's log and durable. Called once, first.
  virtual void start(Zxid last) = 0;
  // Only while leading. The zxid is next_zxid().
  virtual void propose(Entry entry) = 0;
  // The log is flushed up to here.
  virtual void durable(Zxid up_to) = 0;

  // The zxid that the next proposal must carry. Only while leading.
  [[nodiscard]] virtual Zxid next_zxid() const = 0;

  // What came of the calls since the last drain.
  [[nodiscard]] virtual Effects drain() = 0;
};

}  // namespace synod::consensus
