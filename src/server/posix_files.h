// The file port on a real file system: one thread per lane, so that the log's flush and a snapshot
// on its way to the disk run beside each other, and beside the core.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "storage/file_port.h"

namespace synod::server {

class PosixFiles : public storage::FilePort {
 public:
  // Called on the lane's thread, once per batch, in the lane's order. It must not block: it posts
  // the completion to the core's loop.
  using Done = std::function<void(storage::IoToken, Result<void>)>;

  explicit PosixFiles(Done done);
  // What was submitted is done first; then threads end and descriptors close.
  ~PosixFiles() override;
  PosixFiles(const PosixFiles&) = delete;
  PosixFiles& operator=(const PosixFiles&) = delete;

  void submit(storage::IoLane lane, storage::IoToken token, storage::FileBatch batch) override;

  [[nodiscard]] Result<void> perform(storage::FileBatch batch) override;
  [[nodiscard]] Result<std::vector<storage::DirectoryEntry>> list(const std::string& path) override;
  [[nodiscard]] Result<Bytes> read(const std::string& path, std::uint64_t offset,
                                   std::size_t count) override;
  [[nodiscard]] Result<std::uint64_t> free_space(const std::string& path) override;

 private:
  class OpenFile;
  struct Submitted {
    storage::IoToken token;
    storage::FileBatch batch;
  };
  // A queue and the thread that empties it. Whoever finds the thread busy need not wake it.
  struct Lane {
    std::mutex mutex;
    std::condition_variable is_wanted;
    std::deque<Submitted> waiting;
    bool is_asleep = false;
    bool is_stopping = false;
    std::thread thread;
  };

  [[nodiscard]] Lane& lane(storage::IoLane which);
  void run(Lane& lane);
  void stop(Lane& lane);

  [[nodiscard]] Result<void> apply(const storage::FileBatch& batch);
  [[nodiscard]] Result<void> open(storage::FileHandle handle, const std::string& path, int flags);
  [[nodiscard]] Result<std::shared_ptr<OpenFile>> find(storage::FileHandle handle);
  [[nodiscard]] Result<void> write(const storage::FileBatch& batch, std::size_t& next);
  [[nodiscard]] Result<void> apply_one(const storage::FileOp& op);

  Done done_;
  std::mutex open_mutex_;
  std::map<storage::FileHandle, std::shared_ptr<OpenFile>> open_;  // under open_mutex_
  Lane log_lane_;
  Lane background_lane_;
};

}  // namespace synod::server
