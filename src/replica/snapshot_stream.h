// A whole state as one stream to another server: what follows ZooKeeper's SNAP (reference, quorum
// protocol section 4.5).
//
//   sessions   count:int, count x (id:long, timeout_ms:int)
//   ACL map    count:int, count x (id:long, list)
//   nodes      (path, NodeImage) each; the root's path is ""; parents first; then path "/"
//   "BenWasHere"
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "state/snapshot_walk.h"
#include "state/state.h"

namespace synod::replica {

// The state as it was when the stream began, while it goes on changing. It must outlive this.
class SnapshotStream {
 public:
  explicit SnapshotStream(state::State& state);

  // About so many bytes more; nothing: that was all.
  [[nodiscard]] std::optional<Bytes> next(std::size_t budget_bytes);

 private:
  Bytes head_;
  std::unique_ptr<state::SnapshotWalk> walk_;
};

// The same in pieces of any size, into a new state. Memory follows the bytes that came.
class SnapshotIntake {
 public:
  // The content is as of `zxid`, or somewhat newer where the sender went on meanwhile.
  SnapshotIntake(state::OwnerRules rules, Zxid zxid) : loader_(rules), zxid_(zxid) {}

  // True: it is complete. Errors are final.
  [[nodiscard]] Result<bool> feed(BytesView bytes);
  // Once complete: the state, and what came behind it.
  [[nodiscard]] std::unique_ptr<state::State> take_state() { return loader_.finish(); }
  [[nodiscard]] Bytes take_rest() { return std::move(pending_); }

 private:
  enum class Stage { kSessionCount, kSessions, kAclCount, kAcls, kNodes, kSignature, kComplete };

  // Each takes one piece from the front of `rest`, or answers false: it is not all there yet.
  [[nodiscard]] Result<bool> take_piece(BytesView& rest);
  [[nodiscard]] Result<bool> take_count(BytesView& rest, Stage next);
  bool take_session(BytesView& rest);
  bool take_acl(BytesView& rest);
  [[nodiscard]] Result<bool> take_node(BytesView& rest);
  [[nodiscard]] Result<bool> take_signature(BytesView& rest);

  state::Loader loader_;
  Zxid zxid_;
  Stage stage_ = Stage::kSessionCount;
  std::int32_t left_ = 0;  // sessions or lists still to come
  Bytes pending_;          // what came and is not complete yet; in the end, what came behind
};

}  // namespace synod::replica
