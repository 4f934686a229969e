#include "storage/purge.h"

#include <algorithm>

#include "base/assert.h"

namespace synod::storage {
namespace {

// Everything from the log that may hold the first record behind the snapshot: the one with the
// largest name not above the snapshot's zxid, as in ZooKeeper.
std::size_t first_log_needed(const std::vector<LogFile>& logs, Zxid snapshot) {
  const auto above = std::ranges::upper_bound(logs, snapshot, {}, &LogFile::first_zxid);
  const auto index = static_cast<std::size_t>(above - logs.begin());
  return index == 0 ? 0 : index - 1;
}

std::uint64_t bytes_kept(const PurgeInput& input, std::size_t first_snapshot) {
  std::uint64_t bytes = 0;
  for (std::size_t i = first_snapshot; i < input.snapshots.size(); ++i) {
    bytes += input.snapshots[i].size;
  }
  const Zxid oldest = input.snapshots[first_snapshot].zxid;
  for (std::size_t i = first_log_needed(input.logs, oldest); i < input.logs.size(); ++i) {
    bytes += input.logs[i].size;
  }
  return bytes;
}

}  // namespace

FileBatch plan_purge(const DataDirectory& directory, const PurgeInput& input,
                     const PurgePolicy& policy) {
  SYNOD_ASSERT(policy.snapshots_kept >= 1);
  const std::vector<SnapshotFile>& snapshots = input.snapshots;
  if (snapshots.empty()) return {};
  std::size_t first = snapshots.size() - std::min(policy.snapshots_kept, snapshots.size());
  const auto is_too_much = [&] {
    return policy.size_limit_bytes != 0 && bytes_kept(input, first) > policy.size_limit_bytes;
  };
  while (snapshots.size() - first > kSnapshotsKeptMin && is_too_much()) ++first;

  const Zxid oldest = snapshots[first].zxid;
  FileBatch removals;
  const auto remove_older = [&](const std::vector<SnapshotFile>& files) {
    for (const SnapshotFile& file : files) {
      if (file.zxid >= oldest) break;
      removals.emplace_back(op::Remove{.path = directory.snapshots() + "/" + file.name});
    }
  };
  remove_older(snapshots);
  remove_older(input.damaged_snapshots);
  const std::size_t logs_needed_from = first_log_needed(input.logs, oldest);
  for (std::size_t i = 0; i < logs_needed_from; ++i) {
    removals.emplace_back(op::Remove{.path = directory.logs() + "/" + input.logs[i].name});
  }
  return removals;
}

Result<PurgeInput> survey(FilePort& files, const DataDirectory& directory) {
  const auto in_snapshots = files.list(directory.snapshots());
  if (!in_snapshots) return std::unexpected(in_snapshots.error());
  const auto in_logs = files.list(directory.logs());
  if (!in_logs) return std::unexpected(in_logs.error());
  PurgeInput input{.logs = logs_among(*in_logs)};
  for (SnapshotFile& file : snapshots_among(*in_snapshots)) {
    const Result<bool> is_whole = looks_whole(files, directory.snapshots(), file);
    if (!is_whole) return std::unexpected(is_whole.error());
    (*is_whole ? input.snapshots : input.damaged_snapshots).push_back(std::move(file));
  }
  return input;
}

}  // namespace synod::storage
