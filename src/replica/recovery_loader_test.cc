#include "replica/recovery_loader.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace synod::replica {
namespace {

constexpr std::int64_t kWrong = 5;

class Digests : public ::testing::Test {
 protected:
  // A transaction that leaves the tree as it is.
  void log(std::int64_t digest) {
    const jute::TxnHeader header{
        .client_id = {7}, .zxid = next_zxid_, .type = jute::OpCode::kCreateSession};
    const Bytes entry = jute::encode_txn(header, jute::CreateSessionTxn{1},
                                         jute::TxnDigest{jute::kDigestVersion, digest});
    loader_.txn(*jute::decode_txn(entry), entry);
    next_zxid_ = next_zxid_.next();
  }

  void log_without() {
    const jute::TxnHeader header{
        .client_id = {7}, .zxid = next_zxid_, .type = jute::OpCode::kError};
    const Bytes entry =
        jute::encode_txn(header, jute::ErrorTxn{jute::ErrorCode::kNoNode}, std::nullopt);
    loader_.txn(*jute::decode_txn(entry), entry);
    next_zxid_ = next_zxid_.next();
  }

  const std::int64_t right_ =
      static_cast<std::int64_t>(state::State(state::OwnerRules{}).tree().digest());
  RecoveryLoader loader_{state::OwnerRules{}};
  Zxid next_zxid_{11};
};

// While Java's leader sends a tree it goes on changing it: what the log says of the first
// transactions is not what that tree makes of them.
TEST_F(Digests, AFuzzySnapshotDiffersUntilTheLogHasCaughtUp) {
  loader_.reset();
  loader_.snapshot_loaded(Zxid{10}, std::nullopt);
  log(kWrong);
  log_without();
  log(kWrong);
  EXPECT_EQ(loader_.digest_mismatches(), 2U) << "as long as nothing agrees";
  log(right_);
  EXPECT_EQ(loader_.digest_mismatches(), 0U);
  log(kWrong);
  EXPECT_EQ(loader_.digest_mismatches(), 1U) << "it is not fuzzy any more";
}

TEST_F(Digests, WithoutASnapshotNothingIsFuzzy) {
  loader_.reset();
  loader_.snapshot_loaded(Zxid{0}, std::nullopt);
  log(kWrong);
  log(right_);
  EXPECT_EQ(loader_.digest_mismatches(), 1U);
}

TEST_F(Digests, ASnapshotThatHasOneIsHeldToIt) {
  loader_.reset();
  loader_.snapshot_loaded(Zxid{10},
                          storage::SnapshotDigest{Zxid{12}, jute::kDigestVersion, right_});
  log(kWrong);
  log(kWrong);
  EXPECT_EQ(loader_.digest_mismatches(), 0U) << "its own is the one that counts";
  log(kWrong);
  log(right_);
  EXPECT_EQ(loader_.digest_mismatches(), 1U);
}

}  // namespace
}  // namespace synod::replica
