// Which process has files of a directory open: a server that takes no lock (Java's) shows by its
// log. Only as far as this user may look, and not before the log's first write.
#pragma once

#include <filesystem>
#include <optional>

namespace synod::server {

// Its process id; nothing: none is seen. Files of the directory itself and below count, the
// directory opened as such does not.
[[nodiscard]] std::optional<int> process_using(const std::filesystem::path& directory);

}  // namespace synod::server
