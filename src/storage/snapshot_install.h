// A snapshot that came from another server takes the place of everything: snapshots, logs and the
// mark.
//
//   SnapshotWriter as ever, up to its last take_batch() · when that completed, and the log is idle
//   and no other snapshot is being written: plan_install(writer.file()) · submit on IoLane::kLog,
//   as ONE batch, writer.release(), log.end_at(zxid) and the plan
//
// In between lies a record of the intent, "pendingInstall" in the snapshot directory: as long as it
// is not durable a crash leaves the old state, from then on the new one, for recovery finishes what
// it says. A failed batch is a failed log: fatal.
//
//   "SYNODINS" | version:int = 1 | zxid:long | snapshot's name | its size:long |
//   names of the files it replaces: count:int, count x string | CRC-32 of the bytes before it:int
//
// Recovery removes only what is listed. If a snapshot or log is there that is not, then somebody
// else (Java) ran here since, on the old state: the intent is void, and said so.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "storage/data_directory.h"
#include "storage/file_port.h"

namespace synod::storage {

// Blocks, for as long as listing two directories takes.
[[nodiscard]] Result<FileBatch> plan_install(FilePort& files, const DataDirectory& directory,
                                             const SnapshotFile& received,
                                             FileHandleSource& handles);

// For recovery, first of all: finishes or drops what a crash interrupted. Answers with what the
// operator should know; nothing: there was no intent.
[[nodiscard]] Result<std::optional<std::string>> finish_install(FilePort& files,
                                                                const DataDirectory& directory);

}  // namespace synod::storage
