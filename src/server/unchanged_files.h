// A file port that changes nothing: what is written, renamed and removed is so for whoever looks
// through it, and the files below stay as they are. So a directory's recovery can be tried before
// anything is decided.
//
// It keeps whole what is written to new files, in memory, and drops what is written to old ones:
// meant for recovery, which writes epochs and cuts ends that it does not read again.
#pragma once

#include <map>
#include <set>
#include <string>

#include "storage/file_port.h"

namespace synod::server {

class UnchangedFiles final : public storage::FilePort {
 public:
  // The port below outlives this.
  explicit UnchangedFiles(storage::FilePort& below) : below_(below) {}

  // Never: nothing here is served.
  void submit(storage::IoLane lane, storage::IoToken token, storage::FileBatch batch) override;

  [[nodiscard]] Result<void> perform(storage::FileBatch batch) override;
  // A directory that was only made here is kNotFound still.
  [[nodiscard]] Result<std::vector<storage::DirectoryEntry>> list(const std::string& path) override;
  [[nodiscard]] Result<Bytes> read(const std::string& path, std::uint64_t offset,
                                   std::size_t count) override;
  [[nodiscard]] Result<std::uint64_t> free_space(const std::string& path) override {
    return below_.free_space(path);
  }

 private:
  void apply(const storage::FileOp& operation);
  void rename(const std::string& from, const std::string& to);
  void remove(const std::string& path);

  storage::FilePort& below_;
  std::map<storage::FileHandle, std::string> open_;  // new files only
  std::map<std::string, Bytes> written_;
  std::map<std::string, std::string> renamed_;  // to what it is below
  std::set<std::string> gone_;                  // names from below that mean nothing here
};

}  // namespace synod::server
