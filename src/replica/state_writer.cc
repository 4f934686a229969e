#include "replica/state_writer.h"

#include <utility>

#include "base/mutation.h"

namespace synod::replica {
namespace {

// A slice is short enough not to be felt by a heartbeat, long enough to be worth a write.
constexpr std::size_t kSliceBytes = 256 * 1024;

// The mutant's snapshot holds one transaction more than it says.
Zxid zxid_of(const state::State& state) {
  const Zxid applied = state.applied();
  const bool is_lie = is_mutated(Mutation::kSnapshotOfUncommitted) && applied.counter() > 1;
  return is_lie ? Zxid{applied.value - 1} : applied;
}

storage::SnapshotWriter::Options named_after(const state::State& state,
                                             storage::SnapshotWriter::Options options) {
  options.zxid = zxid_of(state);
  return options;
}

}  // namespace

std::vector<storage::SnapshotSession> sessions_of(const state::State& state) {
  std::vector<storage::SnapshotSession> sessions;
  sessions.reserve(state.sessions().size());
  for (const auto& [id, timeout_ms] : state.sessions()) sessions.push_back({id, timeout_ms});
  return sessions;
}

std::vector<storage::SnapshotAcl> acls_of(const state::State& state) {
  std::vector<storage::SnapshotAcl> acls;
  for (auto& [id, list] : state.tree().acls().entries()) acls.push_back({id, std::move(list)});
  return acls;
}

StateWriter::StateWriter(state::State& state, storage::SnapshotWriter::Options options,
                         storage::FileHandleSource& handles, bool is_fuzzy)
    : file_(named_after(state, std::move(options)), handles),
      walk_(std::make_unique<state::SnapshotWalk>(state.tree())),
      zxid_(zxid_of(state)) {
  if (!is_fuzzy) {
    digest_.zxid = zxid_;
    digest_.digest = static_cast<std::int64_t>(state.tree().digest());
  }
  file_.begin(sessions_of(state), acls_of(state));
}

storage::FileBatch StateWriter::next_batch() {
  const auto add = [this](std::string_view path, NullableView data, std::int64_t acl_id,
                          const jute::StatPersisted& stat) {
    file_.add(path, {data, acl_id, stat});
  };
  if (walk_->step(kSliceBytes, add)) {
    walk_.reset();
    file_.finish(digest_);
  }
  return file_.take_batch();
}

}  // namespace synod::replica
