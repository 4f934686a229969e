#include "replica/replies.h"

#include "base/assert.h"
#include "jute/codec.h"
#include "jute/records.h"

namespace synod::replica {
namespace {

using jute::OpCode;

void append_outcome(Bytes& out, OpCode type, const state::Outcome& outcome) {
  switch (type) {
    case OpCode::kCreate:
      return jute::append(out, outcome.path);
    case OpCode::kCreate2:
    case OpCode::kCreateContainer:
    case OpCode::kCreateTtl:
      jute::append(out, outcome.path);
      return jute::append(out, outcome.stat);
    case OpCode::kSetData:
    case OpCode::kSetAcl:
      return jute::append(out, outcome.stat);
    case OpCode::kReconfig:
      jute::append(out, outcome.data);
      return jute::append(out, outcome.stat);
    default:
      return;  // delete, check, closeSession: the header says it all
  }
}

// Containers and TTL nodes are answered as create2 is.
OpCode result_type(OpCode type) {
  return type == OpCode::kCreateContainer || type == OpCode::kCreateTtl ? OpCode::kCreate2 : type;
}

void append_part(Bytes& out, OpCode type, const state::Outcome& part) {
  const auto error = static_cast<std::int32_t>(part.error);
  const bool is_error = part.type == OpCode::kError || part.error != jute::ErrorCode::kOk;
  const OpCode kind = is_error ? OpCode::kError : result_type(type);
  jute::append(out, jute::MultiHeader{static_cast<std::int32_t>(kind), false, error});
  if (is_error)
    jute::append(out, error);
  else
    append_outcome(out, type, part);
}

}  // namespace

void append_write_reply(Bytes& out, OpCode type, const std::vector<OpCode>& part_types,
                        const state::ApplyResult& result) {
  if (type != OpCode::kMulti) return append_outcome(out, type, result.outcome);
  SYNOD_ASSERT(part_types.size() == result.parts.size());
  for (std::size_t i = 0; i < result.parts.size(); ++i)
    append_part(out, part_types[i], result.parts[i]);
  jute::append(out, jute::kMultiEnd);
}

}  // namespace synod::replica
