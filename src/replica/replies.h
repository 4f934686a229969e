// What the client of a write hears of it.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "jute/opcode.h"
#include "state/state.h"

namespace synod::replica {

// The body for a request of this type whose transaction was applied without error. `part_types`: of
// a multi, as the client wrote them (the log may use another name for the same).
void append_write_reply(Bytes& out, jute::OpCode type, const std::vector<jute::OpCode>& part_types,
                        const state::ApplyResult& result);

}  // namespace synod::replica
