// Writes a whole state into a snapshot file, in slices, while the state goes on changing.
#pragma once

#include <memory>
#include <vector>

#include "base/ids.h"
#include "state/snapshot_walk.h"
#include "state/state.h"
#include "storage/snapshot_format.h"
#include "storage/snapshot_writer.h"

namespace synod::replica {

[[nodiscard]] std::vector<storage::SnapshotSession> sessions_of(const state::State& state);
[[nodiscard]] std::vector<storage::SnapshotAcl> acls_of(const state::State& state);

class StateWriter {
 public:
  // The file's zxid is state.applied(). The state must outlive the writer. With is_fuzzy the tree
  // may hold more than its zxid says: its digest is written as unknown, as Java's servers do.
  StateWriter(state::State& state, storage::SnapshotWriter::Options options,
              storage::FileHandleSource& handles, bool is_fuzzy = false);

  [[nodiscard]] bool has_more() const { return walk_ != nullptr; }
  // The batch with the next slice; the last one ends with a flush.
  [[nodiscard]] storage::FileBatch next_batch();
  // The tree is needed for another walk: the file stays as it is, of use to nobody.
  void stop() { walk_.reset(); }
  // How it ends is the caller's: publish(), release() or abandon().
  [[nodiscard]] storage::SnapshotWriter& file() { return file_; }
  [[nodiscard]] Zxid zxid() const { return zxid_; }

 private:
  storage::SnapshotWriter file_;
  std::unique_ptr<state::SnapshotWalk> walk_;
  Zxid zxid_;
  storage::SnapshotDigest digest_;
};

}  // namespace synod::replica
