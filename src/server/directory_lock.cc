#include "server/directory_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace synod::server {
namespace {

bool is_same_file(int left, int right) {
  struct stat a{};
  struct stat b{};
  return fstat(left, &a) == 0 && fstat(right, &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

}  // namespace

DirectoryLock::~DirectoryLock() {
  for (const int descriptor : descriptors_) close(descriptor);
}

Result<DirectoryLock> DirectoryLock::take(const std::vector<std::filesystem::path>& directories) {
  DirectoryLock lock;
  for (const std::filesystem::path& directory : directories) {
    if (auto added = lock.add(directory); !added) return std::unexpected(added.error());
  }
  return lock;
}

Result<void> DirectoryLock::add(const std::filesystem::path& directory) {
  const int descriptor = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return {};  // recovery says what is wrong with it
  // A second descriptor of one directory would conflict with the first.
  if (std::ranges::any_of(descriptors_, [&](int held) { return is_same_file(held, descriptor); })) {
    close(descriptor);
    return {};
  }
  descriptors_.push_back(descriptor);
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return {};
  if (errno == EWOULDBLOCK) {
    return fail(ErrorKind::kRefused,
                fmt::format("{}: another Synod is serving this data directory. Stop that one, or "
                            "choose another dataDir and dataLogDir.",
                            directory.string()));
  }
  return fail(ErrorKind::kIo,
              fmt::format("{}: cannot be locked ({}): nothing keeps a second server away from it",
                          directory.string(), std::generic_category().message(errno)));
}

}  // namespace synod::server
