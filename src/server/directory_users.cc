#include "server/directory_users.h"

#include <charconv>
#include <string>
#include <system_error>

namespace synod::server {
namespace {

namespace fs = std::filesystem;

// Processes come and go while this looks: whatever cannot be read is passed over.
bool has_open(const fs::path& process, const std::string& below) {
  std::error_code ignored;
  for (fs::directory_iterator at(process / "fd", ignored), end; at != end; at.increment(ignored)) {
    const fs::path target = fs::read_symlink(at->path(), ignored);
    if (!ignored && target.string().starts_with(below)) return true;
  }
  return false;
}

}  // namespace

std::optional<int> process_using(const fs::path& directory) {
  std::error_code ignored;
  const std::string below = fs::canonical(directory, ignored).string() + "/";
  if (ignored) return std::nullopt;
  for (fs::directory_iterator at("/proc", ignored), end; at != end; at.increment(ignored)) {
    const std::string name = at->path().filename().string();
    int process = 0;
    const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), process);
    const bool is_process = error == std::errc{} && stop == name.data() + name.size();
    if (is_process && has_open(at->path(), below)) return process;
  }
  return std::nullopt;
}

}  // namespace synod::server
