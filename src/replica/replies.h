// What the client of a write hears of it.
#pragma once

#include "base/bytes.h"
#include "jute/opcode.h"
#include "state/state.h"

namespace synod::replica {

// The body for a request of this type whose transaction was applied without error.
void append_write_reply(Bytes& out, jute::OpCode type, const state::ApplyResult& result);

}  // namespace synod::replica
