// The multi request (reference, protocol section 11): all of its parts or none.
#include <algorithm>
#include <cstdint>
#include <optional>
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

// What a creation inside a multi really makes (3.9's Op.create): the container flag counts under
// every header, and a createTTL without a TTL mode is an ordinary creation.
OpCode creation_type(OpCode type, std::int32_t flags) {
  if (flags == 4) return OpCode::kCreateContainer;
  const bool is_ttl = flags == 5 || flags == 6;
  return type == OpCode::kCreateTtl && !is_ttl ? OpCode::kCreate : type;
}

// Takes one record and says what kind of part it makes. Nothing: not a write that a multi may hold,
// or nonsense in it that as of 3.9 spoils the whole request.
std::optional<OpCode> take_record(jute::Reader& in, OpCode type) {
  const auto if_whole = [&](const auto& request) {
    return request ? std::optional(type) : std::nullopt;
  };
  switch (type) {
    case OpCode::kCreate:
    case OpCode::kCreate2:
    case OpCode::kCreateContainer: {
      const auto request = jute::decode<jute::CreateRequest>(in);
      if (!request || !request->path || !request->acl) return std::nullopt;
      if (request->flags < 0 || request->flags > 4) return std::nullopt;
      return creation_type(type, request->flags);
    }
    case OpCode::kCreateTtl: {
      const auto request = jute::decode<jute::CreateTtlRequest>(in);
      if (!request || !request->path) return std::nullopt;
      return creation_type(type, request->flags);
    }
    case OpCode::kDelete: {
      const auto request = jute::decode<jute::PathVersionRequest>(in);
      return request && request->path ? std::optional(type) : std::nullopt;
    }
    case OpCode::kCheck:
      return if_whole(jute::decode<jute::PathVersionRequest>(in));
    case OpCode::kSetData:
      return if_whole(jute::decode<jute::SetDataRequest>(in));
    default:
      return std::nullopt;
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
    const auto type = take_record(in, static_cast<OpCode>(header->type));
    if (!type) return std::nullopt;
    parts.push_back({*type, start.substr(0, start.size() - in.remaining())});
  }
}

}  // namespace

std::optional<std::vector<OpCode>> multi_types(BytesView body) {
  const auto parts = split(body);
  if (!parts) return std::nullopt;
  std::vector<OpCode> types;
  types.reserve(parts->size());
  for (const Part& part : *parts) types.push_back(part.type);
  return types;
}

bool wants_ephemeral(OpCode type, BytesView body) {
  if (type == OpCode::kMulti) {
    const auto parts = split(body);
    return parts && std::ranges::any_of(*parts, [](const Part& part) {
             return wants_ephemeral(part.type, part.record);
           });
  }
  if (type != OpCode::kCreate && type != OpCode::kCreate2) return false;
  const auto request = jute::decode<jute::CreateRequest>(body);
  return request && (request->flags == 1 || request->flags == 3);
}

// Evaluation stops at the first part that is refused. The log then holds the parts before it as
// they were, its code, and RUNTIMEINCONSISTENCY for the rest; any error in it voids the whole.
Primary::Checked Primary::check_multi(const Context& context) {
  const auto parts = split(context.request.body);
  if (!parts) return std::unexpected(ErrorCode::kMarshallingError);
  std::vector<std::pair<OpCode, Bytes>> records;
  bool is_failed = false;
  std::size_t bytes = 0;
  for (const Part& part : *parts) {
    ErrorCode error = ErrorCode::kRuntimeInconsistency;
    if (!is_failed) {
      jute::Reader body(part.record);
      Checked record = check(context, part.type, body);
      if (record) {
        // Java 3.8 knows no create2 inside a multi of its log, and would drop what follows; the
        // record is the same.
        const OpCode logged = part.type == OpCode::kCreate2 ? OpCode::kCreate : part.type;
        bytes += record->size();
        if (bytes > options_.max_txn_bytes) return std::unexpected(ErrorCode::kBadArguments);
        records.emplace_back(logged, std::move(*record));
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
