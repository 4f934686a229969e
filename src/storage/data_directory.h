// Where things lie in a data directory, and what their names say. The names are ZooKeeper's:
//
//   <dataDir>/version-2/     snapshot.<zxid>[.gz|.snappy]  currentEpoch  acceptedEpoch
//   <dataLogDir>/version-2/  log.<zxid of its first record>  flushedMark (ours, see flushed_mark.h)
//   <dataLogDir>/            initialize (a marker, see recovery.h)
//
// A zxid in a name is lower-case hexadecimal without padding.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "storage/file_port.h"

namespace synod::storage {

enum class Compression : std::uint8_t { kNone, kGzip, kSnappy };

struct DataDirectory {
  std::string data_dir;      // as configured, without version-2
  std::string data_log_dir;  // equal to data_dir unless configured

  [[nodiscard]] std::string snapshots() const { return data_dir + "/version-2"; }
  [[nodiscard]] std::string logs() const { return data_log_dir + "/version-2"; }
  [[nodiscard]] bool is_split() const { return data_dir != data_log_dir; }
};

struct LogFile {
  std::string name;
  Zxid first_zxid;         // as the name says
  std::uint64_t size = 0;  // bytes, preallocated ones included
};

struct SnapshotFile {
  std::string name;
  Zxid zxid;  // as the name says; the content may be newer (fuzzy)
  Compression compression = Compression::kNone;
  std::uint64_t size = 0;  // bytes
};

[[nodiscard]] std::string hex(Zxid zxid);  // "100000001", as in file names
[[nodiscard]] std::string log_name(Zxid first_zxid);
[[nodiscard]] std::string snapshot_name(Zxid zxid, Compression compression);
// While it is being written; nothing that looks for snapshots sees it.
[[nodiscard]] std::string unfinished_snapshot_name(Zxid zxid);

// Oldest first. Names that are not of the kind are passed over.
[[nodiscard]] std::vector<LogFile> logs_among(const std::vector<DirectoryEntry>& entries);
[[nodiscard]] std::vector<SnapshotFile> snapshots_among(const std::vector<DirectoryEntry>& entries);
[[nodiscard]] std::vector<std::string> unfinished_among(const std::vector<DirectoryEntry>& entries);

// ZooKeeper's quick test, by the first or last bytes: is the file worth loading?
[[nodiscard]] Result<bool> looks_whole(FilePort& files, const std::string& directory,
                                       const SnapshotFile& file);

}  // namespace synod::storage
