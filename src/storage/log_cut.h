// The log's end taken away, where it parted from the leader's: afterwards snapshots and log hold
// nothing above a zxid.
//
//   wait until the log is idle (nothing pending, every batch completed) and no snapshot is being
//   written or purged · plan_cut() · submit on IoLane::kLog, as ONE batch, log.end_at(plan.last)
//   and behind it plan.batch · when it completed, and if the tree had gone further than plan.last:
//   recover() anew on the same port
//
// A crash at any operation leaves a directory that recovers to a prefix of the old log that
// reaches plan.last or further. A failed batch is a failed log: fatal.
#pragma once

#include "base/error.h"
#include "base/ids.h"
#include "storage/data_directory.h"
#include "storage/file_port.h"

namespace synod::storage {

struct CutPlan {
  Zxid last;        // what snapshots and log end with afterwards; at most what was asked for
  FileBatch batch;  // empty: there is nothing above; the log goes on in its file, leave it alone
};

// Blocks: the newest snapshot that may stay and the log behind it are read, to be sure of them. An
// error: nothing was touched, and nothing can be cut. No snapshot at or below `after` can be
// loaded, or the log does not continue it; what this server knows it can only get from others.
[[nodiscard]] Result<CutPlan> plan_cut(FilePort& files, const DataDirectory& directory, Zxid after,
                                       FileHandleSource& handles);

}  // namespace synod::storage
