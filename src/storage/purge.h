// Which snapshots and logs may go (reference: PurgeTxnLog, and by size).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/data_directory.h"
#include "storage/file_port.h"

namespace synod::storage {

// Below this nothing is purged, whatever the size: the newest snapshot, and one to fall back to.
inline constexpr std::size_t kSnapshotsKeptMin = 2;

struct PurgePolicy {
  std::size_t snapshots_kept = 3;      // autopurge.snapRetainCount
  std::uint64_t size_limit_bytes = 0;  // what snapshots and logs may take together; 0: any size
};

struct PurgeInput {
  std::vector<SnapshotFile> snapshots;          // whole ones, oldest first
  std::vector<SnapshotFile> damaged_snapshots;  // never counted as kept
  std::vector<LogFile> logs;                    // oldest first
};

// Removals, oldest first: snapshots older than the oldest kept one, and the logs that neither it
// nor a later one needs. Empty: nothing may go.
[[nodiscard]] FileBatch plan_purge(const DataDirectory& directory, const PurgeInput& input,
                                   const PurgePolicy& policy);

// The input as it lies on disk. Blocks, for as long as listing two directories takes.
[[nodiscard]] Result<PurgeInput> survey(FilePort& files, const DataDirectory& directory);

}  // namespace synod::storage
