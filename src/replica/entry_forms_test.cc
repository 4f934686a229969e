#include "replica/entry_forms.h"

#include <gtest/gtest.h>

#include <string>

#include "consensus/membership.h"
#include "jute/codec.h"
#include "jute/txn.h"
#include "replica/recovery_loader.h"
#include "state/state.h"
#include "storage/test_support.h"

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

// A Java leader's proposal, as it went over the wire: a packet's type, zxid and length, and then
// the entry as it is logged; an absent list of identities behind it.
TEST(EntryForms, JavasReconfigurationIsOne) {
  constexpr std::size_t kBefore = 4 + 8 + 4;
  constexpr std::size_t kBehind = 4;
  const Bytes packet =
      storage::bytes_of_file(storage::fixtures() + "/zab-wire/q-proposal-reconfig.bin");
  ASSERT_GT(packet.size(), kBefore + kBehind);
  const BytesView entry = BytesView(packet).substr(kBefore, packet.size() - kBefore - kBehind);
  const auto form = EntryForms().read(entry);
  EXPECT_EQ(form.kind, EntryKind::kReconfiguration);
  const auto membership = consensus::Membership::parse(form.payload);
  ASSERT_TRUE(membership) << form.payload;
  EXPECT_EQ(membership->version, jute::decode_txn(entry)->header.zxid.value);
  EXPECT_EQ(membership->members.size(), 4U);
  EXPECT_TRUE(membership->members.at(ServerId{4}).is_observer);
  EXPECT_EQ(EntryForms().read(entry.substr(0, entry.size() / 2)).kind, EntryKind::kClient);
}

// What recovery finds, in the log behind a tree.
TEST(EntryForms, RecoveryTellsOfTheMembershipsItFinds) {
  RecoveryLoader loader(state::OwnerRules{});
  loader.reset();
  const auto log = [&](Zxid zxid, OpCode type, std::string_view text) {
    const jute::SetDataTxn change{"/zookeeper/config", text, -1};
    const Bytes entry = jute::encode_txn({.client_id = {7}, .cxid = 1, .zxid = zxid, .type = type},
                                         change, std::nullopt);
    loader.txn(*jute::decode_txn(entry), entry);
  };
  loader.snapshot_loaded(Zxid{1}, std::nullopt);
  log(Zxid{2}, OpCode::kReconfig, "first");
  log(Zxid{3}, OpCode::kSetData, "a client's");
  const SharedBytes own = EntryForms().write(EntryKind::kConfiguration, Zxid{4}, "second");
  loader.txn(*jute::decode_txn(*own), *own);
  const auto found = loader.take_configurations();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].zxid, Zxid{2});
  EXPECT_EQ(found[0].kind, EntryKind::kReconfiguration);
  EXPECT_EQ(found[0].text, "first");
  EXPECT_EQ(found[1].zxid, Zxid{4});
  EXPECT_EQ(found[1].kind, EntryKind::kConfiguration);
  EXPECT_EQ(found[1].text, "second");
  EXPECT_EQ(loader.finish()->config_text(), "a client's");
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
