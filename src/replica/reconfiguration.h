// A leader's answer to `reconfig`, before anything is proposed (reference, quorum protocol 6.1).
#pragma once

#include <expected>
#include <string>

#include "base/ids.h"
#include "consensus/engine.h"
#include "jute/opcode.h"
#include "jute/records.h"

namespace synod::replica {

struct ReconfigurationRefusal {
  jute::ErrorCode error{};
  std::string reason;  // for the operator
};

// The text of the membership that the request asks for, as of `zxid`, which becomes its version.
// The engine leads and has a membership. Checks in ZooKeeper's order, up to the one of the access
// list.
[[nodiscard]] std::expected<std::string, ReconfigurationRefusal> plan_reconfiguration(
    const jute::ReconfigRequest& request, const consensus::Engine& engine, std::size_t min_voters,
    Zxid zxid);

}  // namespace synod::replica
