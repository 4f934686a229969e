#include "replica/recovery_loader.h"

#include <string>

namespace synod::replica {

using consensus::EntryKind;

void RecoveryLoader::reset() {
  loader_ = state::Loader(rules_);
  configurations_.clear();
}

Result<void> RecoveryLoader::node(std::string_view path, const storage::NodeImage& image) {
  if (loader_.node(path, image.data, image.acl_id, image.stat)) return {};
  return fail(ErrorKind::kCorrupt, "the node " + std::string(path) +
                                       " has no parent, or an access list that is not there");
}

void RecoveryLoader::snapshot_loaded(Zxid zxid, std::optional<storage::SnapshotDigest> digest) {
  loader_.finish_snapshot(zxid);
  snapshot_digest_.reset();
  held_back_.reset();
  const state::State& state = loader_.state();
  if (state.config_version().value > 0)
    configurations_.push_back(
        {state.config_version(), EntryKind::kReconfiguration, std::string(state.config_text())});
  // One from before the snapshot's own zxid says nothing (a fresh tree writes zxid 0, digest 0).
  if (!digest || digest->zxid < zxid || digest->version != jute::kDigestVersion ||
      digest->zxid.value == 0) {
    if (zxid.value != 0) held_back_ = 0;
    return;
  }
  snapshot_digest_ = digest;
  if (digest->zxid == zxid) compare_snapshot_digest();
}

void RecoveryLoader::txn(const jute::Txn& txn, BytesView body) {
  const auto form = forms_.read(body);
  if (form.kind == EntryKind::kReconfiguration || form.kind == EntryKind::kConfiguration)
    configurations_.push_back({txn.header.zxid, form.kind, std::string(form.payload)});
  const state::ApplyResult& result = loader_.state().apply(txn);
  if (!snapshot_digest_) {
    compare_digest(txn, result.is_digest_mismatch);
  } else if (txn.header.zxid >= snapshot_digest_->zxid) {
    compare_snapshot_digest();
  }
}

void RecoveryLoader::compare_digest(const jute::Txn& txn, bool is_mismatch) {
  if (is_mismatch) {
    ++(held_back_ ? *held_back_ : digest_mismatches_);
  } else if (txn.digest && txn.digest->version == jute::kDigestVersion) {
    held_back_.reset();
  }
}

void RecoveryLoader::compare_snapshot_digest() {
  const auto digest = static_cast<std::int64_t>(loader_.state().tree().digest());
  if (digest != snapshot_digest_->digest) ++digest_mismatches_;
  snapshot_digest_.reset();
}

}  // namespace synod::replica
