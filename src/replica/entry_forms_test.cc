#include "replica/entry_forms.h"

#include <gtest/gtest.h>

#include <string>

#include "jute/codec.h"
#include "jute/txn.h"
#include "state/state.h"

namespace synod::replica {
namespace {

using consensus::EntryKind;
using jute::ErrorCode;
using jute::OpCode;

constexpr EntryKind kEngines[] = {EntryKind::kNoOp, EntryKind::kConfiguration};

TEST(EntryForms, AreReadAsTheyWereWritten) {
  const EntryForms forms;
  for (const EntryKind kind : kEngines) {
    const Bytes payload = kind == EntryKind::kNoOp ? "" : Bytes("three\0servers", 13);
    const SharedBytes entry = forms.write(kind, Zxid::of(3, 1), payload);
    const auto form = forms.read(*entry);
    EXPECT_EQ(form.kind, kind);
    EXPECT_EQ(form.payload, payload);
    EXPECT_EQ(jute::decode_txn(*entry)->header.zxid, Zxid::of(3, 1));
  }
}

// The records of Java's log: header (session, cxid, zxid, time, type -1), error 0, no digest.
TEST(EntryForms, ANoOpIsAnErrorOfNobody) {
  const SharedBytes entry = EntryForms().write(EntryKind::kNoOp, Zxid::of(1, 2), {});
  EXPECT_EQ(*entry, Bytes("\0\0\0\0\0\0\0\0"
                          "\0\0\0\0"
                          "\0\0\0\1\0\0\0\2"
                          "\0\0\0\0\0\0\0\0"
                          "\xff\xff\xff\xff"
                          "\0\0\0\0",
                          36));
}

TEST(EntryForms, ChangeNothingButThePosition) {
  for (const EntryKind kind : kEngines) {
    state::State state{state::OwnerRules{}};
    const auto digest = state.tree().digest();
    const SharedBytes entry = EntryForms().write(kind, Zxid::of(1, 1), "payload");
    const auto& result = state.apply(*jute::decode_txn(*entry));
    EXPECT_FALSE(result.is_digest_mismatch);
    EXPECT_EQ(state.changes().size(), 0U);
    EXPECT_EQ(state.applied(), Zxid::of(1, 1));
    EXPECT_EQ(state.tree().digest(), digest);
  }
}

TEST(EntryForms, WhatClientsDidIsTheirs) {
  const EntryForms forms;
  const auto kind = [&](const jute::TxnHeader& header, const auto& record) {
    return forms.read(jute::encode_txn(header, record, std::nullopt)).kind;
  };
  const jute::ErrorTxn refused{ErrorCode::kNoNode};
  const jute::ErrorTxn ok{ErrorCode::kOk};
  EXPECT_EQ(kind({.client_id = {7}, .cxid = 1, .type = OpCode::kError}, ok), EntryKind::kClient);
  EXPECT_EQ(kind({.type = OpCode::kError}, refused), EntryKind::kClient)
      << "the reaper's, who has no session either";
  const jute::SetDataTxn change{"/zookeeper/synod/stop-sign", "payload", 1};
  EXPECT_EQ(kind({.type = OpCode::kSetData}, change), EntryKind::kClient);
  const Bytes part = jute::encode(change);
  EXPECT_EQ(kind({.type = OpCode::kMulti}, jute::MultiTxn{{{OpCode::kSetData, part}}}),
            EntryKind::kClient);
  EXPECT_EQ(forms.read("no transaction at all").kind, EntryKind::kClient);
}

}  // namespace
}  // namespace synod::replica
