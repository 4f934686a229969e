#include "jute/txn.h"

#include <string>

namespace synod::jute {
namespace {

std::unexpected<Error> malformed(OpCode type) {
  return fail(ErrorKind::kMalformed, "a transaction record of type " +
                                         std::to_string(static_cast<std::int32_t>(type)) +
                                         " does not parse");
}

// ZooKeeper 3.3 and earlier wrote no parentCVersion.
void read_create(Reader& in, CreateTxn& txn) {
  read(in, txn.path);
  read(in, txn.data);
  read(in, txn.acl);
  read(in, txn.ephemeral);
  txn.parent_cversion = in.ok() && in.remaining() < 4 ? -1 : in.i32();
}

bool only_a_digest_is_left(const Reader& in) {
  return in.remaining() == kTxnDigestBytes &&
         load_big_endian<std::int32_t>(in.rest().data()) == kDigestVersion;
}

// The body may be absent, and with digests on the digest then follows the header at once. Twelve
// bytes that begin with the digest's version are a digest: a list of two paths is longer.
void read_close_session(Reader& in, CloseSessionTxn& txn) {
  if (in.remaining() != 0 && !only_a_digest_is_left(in)) read(in, txn.paths);
}

// Leaves the reader behind the record. False: the type is unknown.
bool read_record(Reader& in, OpCode type, TxnRecord& record) {
  switch (type) {
    case OpCode::kCreate:
    case OpCode::kCreate2:
      read_create(in, record.emplace<CreateTxn>());
      return true;
    case OpCode::kCreateContainer:
      read(in, record.emplace<CreateContainerTxn>());
      return true;
    case OpCode::kCreateTtl:
      read(in, record.emplace<CreateTtlTxn>());
      return true;
    case OpCode::kDelete:
    case OpCode::kDeleteContainer:
      read(in, record.emplace<DeleteTxn>());
      return true;
    case OpCode::kSetData:
    case OpCode::kReconfig:
      read(in, record.emplace<SetDataTxn>());
      return true;
    case OpCode::kSetAcl:
      read(in, record.emplace<SetAclTxn>());
      return true;
    case OpCode::kCheck:
      read(in, record.emplace<CheckVersionTxn>());
      return true;
    case OpCode::kCreateSession:
      read(in, record.emplace<CreateSessionTxn>());
      return true;
    case OpCode::kCloseSession:
      read_close_session(in, record.emplace<CloseSessionTxn>());
      return true;
    case OpCode::kError:
      read(in, record.emplace<ErrorTxn>());
      return true;
    case OpCode::kMulti:
      read(in, record.emplace<MultiTxn>());
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<TxnRecord> decode_txn_record(OpCode type, BytesView bytes) {
  Reader in(bytes);
  TxnRecord record;
  if (!read_record(in, type, record) || !in.ok()) return malformed(type);
  return record;
}

Result<Txn> decode_txn(BytesView body) {
  Reader in(body);
  Txn txn;
  read(in, txn.header);
  if (!in.ok()) return fail(ErrorKind::kMalformed, "a transaction is shorter than its header");
  if (!read_record(in, txn.header.type, txn.record) || !in.ok()) return malformed(txn.header.type);
  if (in.remaining() >= kTxnDigestBytes) read(in, txn.digest.emplace());
  return txn;
}

}  // namespace synod::jute
