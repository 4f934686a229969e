// Loads one snapshot file into a sink, whatever its compression and age.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/error.h"
#include "storage/data_directory.h"
#include "storage/file_port.h"
#include "storage/snapshot_format.h"

namespace synod::storage {

struct SnapshotReadOptions {
  std::size_t chunk_bytes = std::size_t{4} << 20;
  std::function<void(std::uint64_t bytes_read)> progress;  // after each chunk; may be empty
};

// On an error the sink holds a part. A digest older than the file's name is left out.
[[nodiscard]] Result<SnapshotTrailer> read_snapshot(FilePort& files, const std::string& directory,
                                                    const SnapshotFile& file, SnapshotSink& sink,
                                                    const SnapshotReadOptions& options = {});

// The highest zxid that may have gone into the content: a snapshot that was written while its
// server went on holds more than its name says. Where the trailer is silent, the name's.
[[nodiscard]] Zxid content_zxid(const SnapshotFile& file, const SnapshotTrailer& trailer);

}  // namespace synod::storage
