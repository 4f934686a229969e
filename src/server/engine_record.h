// Which consensus engine a data directory belongs to: the file `consensus` beside `myid`. What one
// engine promised or accepted another would read wrongly, so no member may start with another one
// by accident. Zab's directories carry no such file: they are ZooKeeper's.
#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"

namespace synod::server {

// Notes the engine in an empty directory; an error where the directory is another's. Blocks.
[[nodiscard]] Result<void> record_engine(const std::filesystem::path& data_dir,
                                         const std::filesystem::path& data_log_dir,
                                         const std::string& engine);

}  // namespace synod::server
