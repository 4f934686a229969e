// Files carried from one directory to another, durable, with the checksum of what went over.
// Blocks.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/error.h"
#include "storage/file_port.h"

namespace synod::server {

struct FileCopy {
  std::string from;
  std::string to;          // in a directory that exists; emptied if it exists
  std::uint64_t size = 0;  // bytes of it, from the beginning; kCorrupt if it has fewer
  std::function<void(std::uint64_t bytes)> progress;  // so many more are done; may be empty
};

// The checksum (SHA-256) of what was copied.
[[nodiscard]] Result<std::string> copy_file(storage::FilePort& files, const FileCopy& copy,
                                            storage::FileHandle handle);

// The same without a copy.
[[nodiscard]] Result<std::string> checksum_of_file(
    storage::FilePort& files, const std::string& path, std::uint64_t size,
    const std::function<void(std::uint64_t bytes)>& progress);

// The directory, without a file in it.
[[nodiscard]] Result<void> make_empty(storage::FilePort& files, const std::string& directory);

}  // namespace synod::server
