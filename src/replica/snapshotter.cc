#include "replica/snapshotter.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace synod::replica {
namespace {

// A slice is short enough not to be felt by a heartbeat, long enough to be worth a write.
constexpr std::size_t kSliceBytes = 256 * 1024;

}  // namespace

Snapshotter::Snapshotter(storage::FilePort& files, storage::FileHandleSource& handles,
                         storage::DataDirectory directory, SnapshotOptions options,
                         storage::PurgeInput files_there, std::uint64_t seed)
    : files_(files),
      handles_(handles),
      directory_(std::move(directory)),
      options_(options),
      files_there_(std::move(files_there)),
      random_(seed),
      token_{kSnapshotTokenBit} {
  draw_limits();
}

// Between half and the whole of each limit, so that the servers of an ensemble do not all take
// their snapshots at once.
void Snapshotter::draw_limits() {
  txns_since_ = 0;
  log_bytes_since_ = 0;
  const std::uint64_t half = options_.txns_between / 2;
  txn_limit_ = half + random_.below(half);
  const std::uint64_t half_bytes = options_.log_bytes_between / 2;
  log_byte_limit_ = half_bytes == 0 ? UINT64_MAX : half_bytes + random_.below(half_bytes);
}

bool Snapshotter::appended(std::uint64_t bytes) {
  ++txns_since_;
  log_bytes_since_ += bytes;
  return (txns_since_ > txn_limit_ || log_bytes_since_ > log_byte_limit_) && !is_running();
}

void Snapshotter::log_opened(Zxid first_zxid) {
  files_there_.logs.push_back({storage::log_name(first_zxid), first_zxid, 0});
}

void Snapshotter::log_grew(std::uint64_t size_bytes) {
  if (!files_there_.logs.empty()) files_there_.logs.back().size = size_bytes;
}

void Snapshotter::begin(state::State& state) {
  SYNOD_ASSERT(!is_running());
  draw_limits();
  digest_ = {state.applied(), jute::kDigestVersion,
             static_cast<std::int64_t>(state.tree().digest())};
  writer_.emplace(storage::SnapshotWriter::Options{.directory = directory_.snapshots(),
                                                   .zxid = state.applied(),
                                                   .compression = options_.compression,
                                                   .with_digest = options_.with_digest,
                                                   .with_last_zxid = options_.with_last_zxid},
                  handles_);
  std::vector<storage::SnapshotSession> sessions;
  for (const auto& [id, timeout_ms] : state.sessions()) sessions.push_back({id, timeout_ms});
  std::vector<storage::SnapshotAcl> acls;
  for (auto& [id, list] : state.tree().acls().entries()) acls.push_back({id, std::move(list)});
  writer_->begin(sessions, acls);
  walk_ = std::make_unique<state::SnapshotWalk>(state.tree());
  stage_ = Stage::kWalking;
}

bool Snapshotter::fill() {
  const auto add = [this](std::string_view path, NullableView data, std::int64_t acl_id,
                          const jute::StatPersisted& stat) {
    writer_->add(path, {data, acl_id, stat});
  };
  if (!walk_->step(kSliceBytes, add)) return false;
  walk_.reset();
  writer_->finish(digest_);
  return true;
}

void Snapshotter::start(state::State& state) {
  begin(state);
  go_on();
}

// One slice is on its way at a time, so memory stays small and the tree's thread is never far
// behind.
void Snapshotter::go_on() {
  if (walk_ != nullptr) {
    fill();
    return submit(writer_->take_batch());
  }
  if (stage_ == Stage::kWalking) {
    stage_ = Stage::kPublishing;
    return submit(writer_->publish());
  }
  finish({});
}

void Snapshotter::submit(storage::FileBatch batch) {
  ++token_.value;
  files_.submit(storage::IoLane::kBackground, token_, std::move(batch));
}

bool Snapshotter::io_done(storage::IoToken token, const Result<void>& result) {
  if ((token.value & kSnapshotTokenBit) == 0) return false;
  SYNOD_ASSERT(token == token_);
  if (stage_ == Stage::kCleaning) {
    stage_ = Stage::kIdle;  // what could not be removed is left to the next purge
  } else if (result) {
    go_on();
  } else {
    finish(result);
  }
  return true;
}

void Snapshotter::finish(const Result<void>& result) {
  walk_.reset();
  storage::FileBatch clean_up;
  if (result) {
    files_there_.snapshots.push_back(writer_->file());
    if (options_.purges) {
      clean_up = storage::plan_purge(directory_, files_there_, options_.purge);
      const auto is_removed = [&](const std::string& folder, const std::string& name) {
        return std::ranges::any_of(clean_up, [&](const storage::FileOp& op) {
          const auto* removal = std::get_if<storage::op::Remove>(&op);
          return removal != nullptr && removal->path == folder + "/" + name;
        });
      };
      std::erase_if(files_there_.snapshots, [&](const auto& file) {
        return is_removed(directory_.snapshots(), file.name);
      });
      std::erase_if(files_there_.logs,
                    [&](const auto& file) { return is_removed(directory_.logs(), file.name); });
    }
  } else {
    failure_ = result.error();
    clean_up = writer_->abandon();
  }
  writer_.reset();
  stage_ = clean_up.empty() ? Stage::kIdle : Stage::kCleaning;
  if (!clean_up.empty()) submit(std::move(clean_up));
}

Result<void> Snapshotter::take_now(state::State& state) {
  begin(state);
  while (walk_ != nullptr) {
    fill();
    if (auto written = files_.perform(writer_->take_batch()); !written) return written;
  }
  if (auto published = files_.perform(writer_->publish()); !published) return published;
  files_there_.snapshots.push_back(writer_->file());
  writer_.reset();
  stage_ = Stage::kIdle;
  return {};
}

}  // namespace synod::replica
