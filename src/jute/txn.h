// A whole transaction as the log, the peers and apply() see it:
//
//   TxnHeader (32 bytes) | record, by the header's type | TxnDigest (12 bytes, optional)
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "jute/txn_records.h"

namespace synod::jute {

// A change inside a multi, its record still encoded.
struct SubTxn {
  OpCode type{};
  BytesView record;
  static void fields(auto& self, auto&& visit) { visit(self.type, self.record); }
};

// If any sub-transaction is of type error, the whole multi changed nothing.
struct MultiTxn {
  std::vector<SubTxn> txns;
  static void fields(auto& self, auto&& visit) { visit(self.txns); }
};

using TxnRecord =
    std::variant<CreateTxn, CreateContainerTxn, CreateTtlTxn, DeleteTxn, SetDataTxn, SetAclTxn,
                 CheckVersionTxn, CreateSessionTxn, CloseSessionTxn, ErrorTxn, MultiTxn>;

struct Txn {
  TxnHeader header;
  TxnRecord record;
  std::optional<TxnDigest> digest;
};

// All views point into `body`. kMalformed: an unknown type, or bytes that do not hold the record.
[[nodiscard]] Result<Txn> decode_txn(BytesView body);

// One record of the given type; used for a multi's parts.
[[nodiscard]] Result<TxnRecord> decode_txn_record(OpCode type, BytesView record);

template <class T>
[[nodiscard]] Bytes encode_txn(const TxnHeader& header, const T& record,
                               const std::optional<TxnDigest>& digest) {
  Bytes body;
  append(body, header);
  append(body, record);
  if (digest) append(body, *digest);
  return body;
}

}  // namespace synod::jute
