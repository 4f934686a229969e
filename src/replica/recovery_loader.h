// Brings a state back from what storage finds on disk.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "consensus/engine.h"
#include "replica/entry_forms.h"
#include "state/state.h"
#include "storage/recovery.h"

namespace synod::replica {

class RecoveryLoader final : public storage::RecoverySink {
 public:
  explicit RecoveryLoader(state::OwnerRules rules) : rules_(rules), loader_(rules) {}

  void reset() override;
  void session(SessionId id, std::int32_t timeout_ms) override { loader_.session(id, timeout_ms); }
  void acl(std::int64_t id, jute::AclList list) override { loader_.acl(id, list); }
  Result<void> node(std::string_view path, const storage::NodeImage& image) override;
  void snapshot_loaded(Zxid zxid, std::optional<storage::SnapshotDigest> digest) override;
  void txn(const jute::Txn& txn, BytesView body) override;

  // What the snapshot and the log say of the membership, oldest first.
  [[nodiscard]] std::vector<consensus::Configuration> take_configurations() {
    return std::move(configurations_);
  }
  // Transactions (and the snapshot itself) whose logged digest is not the tree's.
  [[nodiscard]] std::uint64_t digest_mismatches() const {
    return digest_mismatches_ + held_back_.value_or(0);
  }
  [[nodiscard]] std::unique_ptr<state::State> finish() { return loader_.finish(); }

 private:
  void compare_snapshot_digest();
  void compare_digest(const jute::Txn& txn, bool is_mismatch);

  const EntryForms forms_;
  state::OwnerRules rules_;
  state::Loader loader_;
  // The snapshot may be fuzzy: before this zxid is replayed digests mean nothing.
  std::optional<storage::SnapshotDigest> snapshot_digest_;
  std::uint64_t digest_mismatches_ = 0;
  // A snapshot without a digest, such as a Java leader sends, may be fuzzy up to nobody knows
  // where: what differs is an error only if nothing behind it agrees.
  std::optional<std::uint64_t> held_back_;
  std::vector<consensus::Configuration> configurations_;
};

}  // namespace synod::replica
