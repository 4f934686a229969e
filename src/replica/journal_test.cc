#include "replica/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "replica/entry_forms.h"
#include "storage/memory_files.h"
#include "storage/purge.h"
#include "storage/recovery.h"

namespace synod::replica {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class JournalTest : public testing::Test {
 protected:
  JournalTest() {
    EXPECT_TRUE(files_.perform({storage::op::MakeDirectory{directory_.snapshots()}}));
    snapshotter_.emplace(files_, handles_, directory_, SnapshotOptions{},
                         *storage::survey(files_, directory_), 1);
    journal_.emplace(
        files_, handles_, *snapshotter_,
        storage::EpochKeeper{directory_.snapshots(), std::nullopt, std::nullopt},
        Journal::Options{.directory = directory_, .log = {.log_dir = directory_.logs()}}, Zxid{});
  }

  // A tree comes; its first slice is on its way to the disk.
  void begin_install() {
    journal_->install(std::make_unique<state::State>(state::OwnerRules{}));
    journal_->advance({});
  }
  void append(std::uint32_t counter) {
    const Zxid zxid = Zxid::of(1, counter);
    journal_->append({zxid, EntryForms().write(consensus::EntryKind::kNoOp, zxid, {})});
  }
  // Until the disk has done everything: what was answered.
  std::vector<std::string> settle() {
    std::vector<std::string> said;
    journal_->advance({});
    while (!files_.is_idle(storage::IoLane::kLog)) {
      if (const auto done = files_.step(storage::IoLane::kLog)) {
        EXPECT_TRUE(journal_->io_done(done->token, done->result, {}));
      }
      journal_->advance({});
    }
    for (const Answer& answer : journal_->take_answers()) {
      if (std::holds_alternative<answer::Installed>(answer)) said.emplace_back("installed");
      if (const auto* durable = std::get_if<answer::Durable>(&answer))
        said.push_back("durable " + std::to_string(durable->up_to.counter()));
    }
    return said;
  }

  storage::DataDirectory directory_{"/data", "/data"};
  storage::MemoryFiles files_;
  storage::FileHandleSource handles_;
  std::optional<Snapshotter> snapshotter_;
  std::optional<Journal> journal_;
};

TEST_F(JournalTest, ATreeIsInstalled) {
  begin_install();
  EXPECT_THAT(settle(), ElementsAre("installed"));
}

// What a snapshot says of its digest.
struct DigestOf final : storage::RecoverySink {
  void reset() override {}
  void session(SessionId /*id*/, std::int32_t /*timeout_ms*/) override {}
  void acl(std::int64_t /*id*/, jute::AclList /*list*/) override {}
  Result<void> node(std::string_view /*path*/, const storage::NodeImage& /*node*/) override {
    return {};
  }
  void snapshot_loaded(Zxid zxid, std::optional<storage::SnapshotDigest> digest) override {
    loaded = zxid;
    said = digest;
  }
  void txn(const jute::Txn& /*txn*/, BytesView /*body*/) override {}

  Zxid loaded;
  std::optional<storage::SnapshotDigest> said;
};

// A Java leader goes on changing its tree while it sends it: what arrived has more in it than its
// zxid says, and a digest of that would be wrong at every start from then on.
TEST_F(JournalTest, AnInstalledTreeHasNoDigest) {
  const jute::TxnHeader header{
      .client_id = {7}, .zxid = Zxid::of(1, 5), .type = jute::OpCode::kCreateSession};
  const Bytes entry = jute::encode_txn(header, jute::CreateSessionTxn{1}, std::nullopt);
  auto state = std::make_unique<state::State>(state::OwnerRules{});
  state->apply(*jute::decode_txn(entry));
  journal_->install(std::move(state));
  EXPECT_THAT(settle(), ElementsAre("installed"));
  DigestOf sink;
  ASSERT_TRUE(storage::recover(files_, directory_, {}, sink));
  EXPECT_EQ(sink.loaded, Zxid::of(1, 5));
  EXPECT_EQ(sink.said, std::nullopt);
}

// The one who takes the tree goes on with another leader's entries at once.
TEST_F(JournalTest, WhatComesBehindATreeThatIsGivenUpIsLogged) {
  begin_install();
  EXPECT_TRUE(journal_->drop_install());
  append(1);
  append(2);
  EXPECT_THAT(settle(), ElementsAre("durable 2"));
  EXPECT_TRUE(journal_->is_idle());
}

TEST_F(JournalTest, EachTreeIsGivenUpByItself) {
  begin_install();
  EXPECT_TRUE(journal_->drop_install());
  begin_install();  // it waits for the first one's end
  EXPECT_TRUE(journal_->drop_install());
  EXPECT_THAT(settle(), IsEmpty());
  append(1);
  EXPECT_THAT(settle(), ElementsAre("durable 1"));
}

TEST_F(JournalTest, TheNextTreeIsInstalledAllTheSame) {
  begin_install();
  EXPECT_TRUE(journal_->drop_install());
  begin_install();
  EXPECT_THAT(settle(), ElementsAre("installed"));
}

}  // namespace
}  // namespace synod::replica
