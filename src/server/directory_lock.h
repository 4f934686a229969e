// Keeps a second Synod away from a data directory for as long as this object lives. (Java's server
// takes no such lock, and does not look at ours.)
#pragma once

#include <filesystem>
#include <utility>
#include <vector>

#include "base/error.h"

namespace synod::server {

class DirectoryLock {
 public:
  DirectoryLock() = default;
  DirectoryLock(DirectoryLock&& other) noexcept
      : descriptors_(std::exchange(other.descriptors_, {})) {}
  DirectoryLock& operator=(DirectoryLock&& other) noexcept {
    std::swap(descriptors_, other.descriptors_);
    return *this;
  }
  ~DirectoryLock();

  // All of them, or an error: kRefused when another process serves one, kIo when this file system
  // has no locks. The same directory may be named twice; one that does not exist is passed over.
  [[nodiscard]] static Result<DirectoryLock> take(
      const std::vector<std::filesystem::path>& directories);

 private:
  [[nodiscard]] Result<void> add(const std::filesystem::path& directory);

  std::vector<int> descriptors_;
};

}  // namespace synod::server
