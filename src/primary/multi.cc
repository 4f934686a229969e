// The multi request (reference, protocol section 11): all of its parts or none.
#include <utility>
#include <vector>

#include "jute/codec.h"
#include "primary/primary.h"

namespace synod::primary {
namespace {

using jute::ErrorCode;
using jute::OpCode;

// A part of the request: its type and where its record starts.
struct Part {
  OpCode type{};
  BytesView record;
};

bool is_valid_creation(OpCode type, const jute::NullableAclViews& acl, std::int32_t flags) {
  const bool is_ttl = flags == 5 || flags == 6;
  return acl && flags >= 0 && flags <= 6 && (type == OpCode::kCreateTtl || !is_ttl);
}

// Skips one record. False: not a write that a multi may hold, or nonsense in it (as of 3.9 that spoils the whole
// request).
bool skip_record(jute::Reader& in, OpCode type) {
  switch (type) {
    case OpCode::kCreate:
    case OpCode::kCreate2:
    case OpCode::kCreateContainer: {
      const auto request = jute::decode<jute::CreateRequest>(in);
      return request && request->path && is_valid_creation(type, request->acl, request->flags);
    }
    case OpCode::kCreateTtl: {
      const auto request = jute::decode<jute::CreateTtlRequest>(in);
      return request && request->path && is_valid_creation(type, request->acl, request->flags);
    }
    case OpCode::kDelete:
    case OpCode::kCheck: {
      const auto request = jute::decode<jute::PathVersionRequest>(in);
      return request && request->path;
    }
    case OpCode::kSetData: {
      const auto request = jute::decode<jute::SetDataRequest>(in);
      return request && request->path;
    }
    default:
      return false;
  }
}

std::optional<std::vector<Part>> split(BytesView body) {
  jute::Reader in(body);
  std::vector<Part> parts;
  while (true) {
    const auto header = jute::decode<jute::MultiHeader>(in);
    if (!header) return std::nullopt;
    if (header->done) return parts;
    const BytesView start = in.rest();
    const auto type = static_cast<OpCode>(header->type);
    if (!skip_record(in, type)) return std::nullopt;
    parts.push_back({type, start.substr(0, start.size() - in.remaining())});
  }
}

}  // namespace

// Evaluation stops at the first part that is refused. The log then holds the parts before it as they
// were, its code, and RUNTIMEINCONSISTENCY for the rest; any error in it voids the whole.
Primary::Checked Primary::check_multi(const Context& context) {
  const auto parts = split(context.request.body);
  if (!parts) return std::unexpected(ErrorCode::kMarshallingError);
  std::vector<std::pair<OpCode, Bytes>> records;
  bool is_failed = false;
  for (const Part& part : *parts) {
    ErrorCode error = ErrorCode::kRuntimeInconsistency;
    if (!is_failed) {
      jute::Reader body(part.record);
      Checked record = check(context, part.type, body);
      if (record) {
        records.emplace_back(part.type, std::move(*record));
        continue;
      }
      error = record.error();
      is_failed = true;
    }
    records.emplace_back(OpCode::kError, jute::encode(jute::ErrorTxn{error}));
  }
  if (is_failed) overlay_.take_back();
  jute::MultiTxn txn;
  txn.txns.reserve(records.size());
  for (const auto& [type, record] : records) txn.txns.push_back({type, record});
  return jute::encode(txn);
}

}  // namespace synod::primary
