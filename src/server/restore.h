// A backup (backup.h) put back into a directory that holds no data, as it was at its end or after
// an earlier transaction. The directory is empty or whole after any crash: what is copied gets its
// name at the end. What a restore would do is found out in the same way, but for that name.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "base/ids.h"
#include "server/backup.h"
#include "storage/data_directory.h"
#include "storage/file_port.h"

namespace synod::server {

struct RestoreWish {
  std::optional<Zxid> until;  // the last transaction that counts; nothing: all
  // Every member of an ensemble that begins anew from this backup: its zxids begin above all that
  // were ever given out. On one member of an ensemble that lives it would win against the others.
  bool raises_epoch = false;
  bool only_looks = false;  // the target is as it was; it may hold data
};

struct Restored {
  LoadedTree tree;
  Zxid backup_last;                  // of the whole backup: what is above the tree's is left out
  std::optional<LoadedTree> before;  // what the target holds, if it was only looked at
  std::uint32_t epoch = 0;           // current, and the next leader opens one above
  std::string engine;
};

// kRefused: the target holds data, or the backup does not reach that zxid. Blocks.
[[nodiscard]] Result<Restored> restore_backup(storage::FilePort& files, const std::string& backup,
                                              const storage::DataDirectory& target,
                                              const RestoreWish& wish, const BackupWork& work);

}  // namespace synod::server
