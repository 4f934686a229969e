// currentEpoch and acceptedEpoch: a decimal number each, in the snapshot directory of a server that
// is, or was, part of an ensemble.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "storage/file_port.h"

namespace synod::storage {

inline constexpr char kCurrentEpochName[] = "currentEpoch";
inline constexpr char kAcceptedEpochName[] = "acceptedEpoch";

// Nothing: there is no such file. An error: it holds no number.
[[nodiscard]] Result<std::optional<std::int64_t>> read_epoch(FilePort& files,
                                                             const std::string& directory,
                                                             const std::string& name);

// Durable, and the old value or the new one after any crash.
[[nodiscard]] FileBatch write_epoch(const std::string& directory, const std::string& name,
                                    std::int64_t epoch, FileHandle handle);

}  // namespace synod::storage
