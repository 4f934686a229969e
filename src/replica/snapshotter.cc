#include "replica/snapshotter.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/mutation.h"

namespace synod::replica {
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
  writer_.emplace(state,
                  storage::SnapshotWriter::Options{.directory = directory_.snapshots(),
                                                   .zxid = {},
                                                   .compression = options_.compression,
                                                   .with_digest = options_.with_digest,
                                                   .with_last_zxid = options_.with_last_zxid},
                  handles_);
  stage_ = Stage::kWriting;
}

void Snapshotter::start(state::State& state) {
  begin(state);
  go_on();
}

// One slice is on its way at a time, so memory stays small and the tree's thread is never far
// behind. Before the log is durable as far as the tree went, the file gets no name: a tree may
// have what followers flushed and this server did not yet.
void Snapshotter::go_on() {
  if (is_given_up_) {
    finish(fail(ErrorKind::kRefused, "given up"));
  } else if (writer_->has_more()) {
    submit(writer_->next_batch());
  } else if (stage_ == Stage::kPublishing) {
    finish({});
  } else if (log_durable_ < writer_->zxid()) {
    stage_ = Stage::kWaitingForLog;
  } else {
    stage_ = Stage::kPublishing;
    submit(writer_->file().publish());
  }
}

void Snapshotter::log_is_durable(Zxid up_to) {
  log_durable_ = up_to;
  if (stage_ == Stage::kWaitingForLog) go_on();
}

void Snapshotter::give_up() {
  if (stage_ == Stage::kIdle || stage_ == Stage::kCleaning || stage_ == Stage::kPublishing) return;
  is_given_up_ = true;
  if (!is_mutated(Mutation::kWalkNotFreed)) writer_->stop();
  if (stage_ == Stage::kWaitingForLog) go_on();
}

void Snapshotter::replaced(storage::PurgeInput files_there) {
  SYNOD_ASSERT(!is_running());
  files_there_ = std::move(files_there);
  draw_limits();
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
  storage::FileBatch clean_up;
  if (result) {
    files_there_.snapshots.push_back(writer_->file().file());
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
    if (!is_given_up_) failure_ = result.error();
    clean_up = writer_->file().abandon();
  }
  is_given_up_ = false;
  writer_.reset();
  stage_ = clean_up.empty() ? Stage::kIdle : Stage::kCleaning;
  if (!clean_up.empty()) submit(std::move(clean_up));
}

Result<void> Snapshotter::take_now(state::State& state) {
  begin(state);
  while (writer_->has_more()) {
    if (auto written = files_.perform(writer_->next_batch()); !written) return written;
  }
  if (auto published = files_.perform(writer_->file().publish()); !published) return published;
  files_there_.snapshots.push_back(writer_->file().file());
  writer_.reset();
  stage_ = Stage::kIdle;
  return {};
}

}  // namespace synod::replica
