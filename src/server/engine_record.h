// Which consensus engine a data directory belongs to: the file `consensus` beside `myid`. What one
// engine promised or accepted another would read wrongly, so no member may start with another one
// by accident. Zab's directories need no such file: they are ZooKeeper's.
//
//   raft                        the engine; or `converting`, and nobody may start
//   conversion 4e0c52f1a9d3b786 the last conversion that this directory took part in, if any
//   from zab                    these two while `converting`: whose it was, and is to be; where
//   to raft                     they are the same, a recovery of the ensemble is under way
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/error.h"
#include "storage/data_directory.h"
#include "storage/file_port.h"

namespace synod::server {

inline constexpr char kEngineRecordName[] = "consensus";

struct EngineRecord {
  std::string engine;            // while it is converted: the one it belonged to
  std::string becomes;           // empty: no conversion is under way
  std::uint64_t conversion = 0;  // 0: none
  [[nodiscard]] bool is_converting() const { return !becomes.empty(); }  // or recovering
  [[nodiscard]] bool is_recovering() const { return is_converting() && becomes == engine; }
  friend bool operator==(const EngineRecord&, const EngineRecord&) = default;
};

// Nothing: there is no record. An error: there is one, and it says nothing that is understood.
// Blocks.
[[nodiscard]] Result<std::optional<EngineRecord>> read_engine_record(storage::FilePort& files,
                                                                     const std::string& data_dir);

// Durable, and the old record or the new one after any crash.
[[nodiscard]] storage::FileBatch write_engine_record(const std::string& data_dir,
                                                     const EngineRecord& record,
                                                     storage::FileHandle handle);

// Whether a server ever logged or promised anything in it. Blocks.
[[nodiscard]] Result<bool> holds_data(storage::FilePort& files,
                                      const storage::DataDirectory& directory);

// For a start as a server on its own, which asks for no engine: an error where a conversion is
// under way. Blocks.
[[nodiscard]] Result<void> check_not_converting(const std::filesystem::path& data_dir);

// For a member's start: notes the engine in an empty directory; an error where the directory is
// another's. Blocks.
[[nodiscard]] Result<void> record_engine(const std::filesystem::path& data_dir,
                                         const std::filesystem::path& data_log_dir,
                                         const std::string& engine);

}  // namespace synod::server
