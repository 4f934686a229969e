#include "replica/snapshot_stream.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "jute/codec.h"
#include "replica/state_writer.h"
#include "storage/node_image.h"
#include "storage/snapshot_format.h"

namespace synod::replica {
namespace {

constexpr BytesView kEndPath = "/";
constexpr BytesView kSignature = "BenWasHere";
// No session, list or node is longer: jute.maxbuffer bounds what a client could make.
constexpr std::size_t kPieceBytesMax = std::size_t{64} << 20;

std::unexpected<Error> malformed(std::string_view what) {
  return fail(ErrorKind::kMalformed, fmt::format("the leader's snapshot: {}", what));
}

}  // namespace

SnapshotStream::SnapshotStream(state::State& state)
    : walk_(std::make_unique<state::SnapshotWalk>(state.tree())) {
  jute::append(head_, sessions_of(state));
  jute::append(head_, acls_of(state));
}

std::optional<Bytes> SnapshotStream::next(std::size_t budget_bytes) {
  if (!walk_) return std::nullopt;
  Bytes bytes = std::exchange(head_, {});
  const auto add = [&](std::string_view path, NullableView data, std::int64_t acl_id,
                       const jute::StatPersisted& stat) {
    jute::append(bytes, path);
    jute::append(bytes, storage::NodeImage{data, acl_id, stat});
  };
  if (walk_->step(budget_bytes, add)) {
    walk_.reset();
    jute::append(bytes, kEndPath);
    jute::append(bytes, kSignature);
  }
  return bytes;
}

Result<bool> SnapshotIntake::feed(BytesView bytes) {
  pending_.append(bytes);
  BytesView rest = pending_;
  while (stage_ != Stage::kComplete) {
    const Result<bool> was_taken = take_piece(rest);
    if (!was_taken) return was_taken;
    if (!*was_taken) break;
  }
  pending_.erase(0, pending_.size() - rest.size());
  if (stage_ == Stage::kComplete) return true;
  if (pending_.size() > kPieceBytesMax) return malformed("a length is out of range");
  return false;
}

Result<bool> SnapshotIntake::take_piece(BytesView& rest) {
  switch (stage_) {
    case Stage::kSessionCount:
      return take_count(rest, Stage::kSessions);
    case Stage::kSessions:
      if (left_ > 0) return take_session(rest);
      stage_ = Stage::kAclCount;
      return true;
    case Stage::kAclCount:
      return take_count(rest, Stage::kAcls);
    case Stage::kAcls:
      if (left_ > 0) return take_acl(rest);
      stage_ = Stage::kNodes;
      return true;
    case Stage::kNodes:
      return take_node(rest);
    case Stage::kSignature:
      return take_signature(rest);
    case Stage::kComplete:
      break;
  }
  return false;
}

Result<bool> SnapshotIntake::take_count(BytesView& rest, Stage next) {
  jute::Reader in(rest);
  left_ = in.i32();
  if (!in.ok()) return false;
  if (left_ < 0) return malformed("a count is negative");
  rest = in.rest();
  stage_ = next;
  return true;
}

bool SnapshotIntake::take_session(BytesView& rest) {
  jute::Reader in(rest);
  const auto session = jute::decode<storage::SnapshotSession>(in);
  if (!session) return false;
  loader_.session(session->id, session->timeout_ms);
  rest = in.rest();
  --left_;
  return true;
}

bool SnapshotIntake::take_acl(BytesView& rest) {
  jute::Reader in(rest);
  const auto acl = jute::decode<storage::SnapshotAcl>(in);
  if (!acl) return false;
  loader_.acl(acl->id, acl->list);
  rest = in.rest();
  --left_;
  return true;
}

// A list that is not in the map was made after the map was sent, by a transaction that will come
// and set it (a Java leader goes on while it sends).
Result<bool> SnapshotIntake::take_node(BytesView& rest) {
  jute::Reader in(rest);
  const NullableView path = in.view();
  if (!in.ok()) return false;
  if (!path) return malformed("a node has no path");
  if (*path == kEndPath) {
    stage_ = Stage::kSignature;
    rest = in.rest();
    return true;
  }
  storage::NodeImage node;
  jute::read(in, node);
  if (!in.ok()) return false;
  if (!loader_.node(*path, node.data, node.acl_id, node.stat) &&
      !loader_.node(*path, node.data, storage::kOpenAclId, node.stat)) {
    return malformed(fmt::format("the node {} has no parent", *path));
  }
  rest = in.rest();
  return true;
}

Result<bool> SnapshotIntake::take_signature(BytesView& rest) {
  jute::Reader in(rest);
  const NullableView signature = in.view();
  if (!in.ok()) return false;
  if (signature != kSignature) return malformed("it does not end as it should");
  rest = in.rest();
  loader_.finish_snapshot(zxid_);
  stage_ = Stage::kComplete;
  return true;
}

}  // namespace synod::replica
