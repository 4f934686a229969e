#include "replica/entry_forms.h"

#include <utility>

#include "base/assert.h"
#include "jute/codec.h"
#include "jute/txn.h"

namespace synod::replica {
namespace {

using consensus::EntryKind;
using jute::OpCode;

constexpr BytesView kConfigurationPath = "/zookeeper/synod/configuration";
constexpr std::size_t kTypeOffset = 28;  // of a transaction's header

// The time stays 0: an engine has no wall clock, and nothing that these change would show it.
jute::TxnHeader header(Zxid zxid, OpCode type) {
  return {.client_id = {}, .cxid = 0, .zxid = zxid, .time_ms = 0, .type = type};
}

// Most entries are none of ours, and this is asked of every one: a look at the header tells.
bool is_of_interest(BytesView entry) {
  if (entry.size() < jute::kTxnHeaderBytes) return false;
  jute::Reader in(entry);
  const bool is_of_nobody = in.i64() == 0 && in.i32() == 0;
  jute::Reader type(entry.substr(kTypeOffset));
  return is_of_nobody || type.i32() == static_cast<std::int32_t>(OpCode::kReconfig);
}

bool is_engines_error(const jute::TxnRecord& record) {
  const auto* error = std::get_if<jute::ErrorTxn>(&record);
  return error != nullptr && error->error == jute::ErrorCode::kOk;
}

EntryForms::Form form_of(const jute::MultiTxn& multi) {
  if (multi.txns.size() != 2) return {};
  const auto change = jute::decode_txn_record(multi.txns[0].type, multi.txns[0].record);
  const auto failure = jute::decode_txn_record(multi.txns[1].type, multi.txns[1].record);
  if (!change || !failure || !is_engines_error(*failure)) return {};
  const auto* data = std::get_if<jute::SetDataTxn>(&*change);
  if (data == nullptr || data->path != kConfigurationPath) return {};
  return {EntryKind::kConfiguration, data->data.value_or(BytesView{})};
}

}  // namespace

SharedBytes EntryForms::write(EntryKind kind, Zxid zxid, BytesView payload) const {
  SYNOD_ASSERT(kind == EntryKind::kNoOp || kind == EntryKind::kConfiguration);
  const jute::ErrorTxn error{jute::ErrorCode::kOk};
  if (kind == EntryKind::kNoOp) {
    return std::make_shared<const Bytes>(
        jute::encode_txn(header(zxid, OpCode::kError), error, std::nullopt));
  }
  const Bytes change = jute::encode(jute::SetDataTxn{kConfigurationPath, payload, 0});
  const Bytes failure = jute::encode(error);
  const jute::MultiTxn multi{{{OpCode::kSetData, change}, {OpCode::kError, failure}}};
  return std::make_shared<const Bytes>(
      jute::encode_txn(header(zxid, OpCode::kMulti), multi, std::nullopt));
}

EntryForms::Form EntryForms::read(BytesView entry) const {
  if (!is_of_interest(entry)) return {};
  const auto txn = jute::decode_txn(entry);
  if (!txn) return {};
  if (txn->header.type == OpCode::kReconfig)
    return {EntryKind::kReconfiguration,
            std::get<jute::SetDataTxn>(txn->record).data.value_or(BytesView{})};
  if (txn->header.client_id.value != 0 || txn->header.cxid != 0) return {};
  if (is_engines_error(txn->record)) return {EntryKind::kNoOp, {}};
  const auto* multi = std::get_if<jute::MultiTxn>(&txn->record);
  return multi == nullptr ? Form{} : form_of(*multi);
}

}  // namespace synod::replica
