// A disk in memory, deterministic: for tests, and the simulator's disk. It tells what a machine has
// written from what it has flushed, and a power cut keeps the first only by chance.
//
// The model: a file's size and bytes reach the disk with Flush; until then each 512-byte sector of
// each write, and each change of size, survives on its own or not. Names (creations, renames,
// removals) reach it with FlushDirectory; until then a prefix of them, directory by directory,
// survives. Directories themselves are durable at once.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/file_port.h"

namespace synod::storage {

class MemoryFiles : public FilePort {
 public:
  struct Completion {
    IoToken token;
    Result<void> result;
  };
  // A number below `bound`, which is at least 1.
  using Chance = std::function<std::uint64_t(std::uint64_t bound)>;
  // Asked before every operation; an error makes it fail.
  using Fault = std::function<std::optional<Error>(const FileOp&)>;

  MemoryFiles();
  ~MemoryFiles() override;

  // FilePort. A submitted batch waits until run() or step().
  void submit(IoLane lane, IoToken token, FileBatch batch) override;
  [[nodiscard]] Result<void> perform(FileBatch batch) override;
  [[nodiscard]] Result<std::vector<DirectoryEntry>> list(const std::string& path) override;
  [[nodiscard]] Result<Bytes> read(const std::string& path, std::uint64_t offset,
                                   std::size_t count) override;
  [[nodiscard]] Result<std::uint64_t> free_space(const std::string& path) override;

  // The lane's next operation; its completion if that ended a batch.
  std::optional<Completion> step(IoLane lane);
  // The rest of the lane's oldest batch; nothing if the lane is idle.
  std::optional<Completion> run(IoLane lane);
  [[nodiscard]] bool is_idle(IoLane lane) const;

  // The process dies: queued batches are gone, what was written stays.
  void kill();
  // The machine dies: also what was not flushed, but for what chance leaves.
  void power_cut(const Chance& chance);

  void set_fault(Fault fault) { fault_ = std::move(fault); }
  void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }

  // For tests, around the port: whole files, in cache and on disk at once.
  void put(const std::string& path, Bytes content);
  [[nodiscard]] std::optional<Bytes> get(const std::string& path) const;

 private:
  struct File;
  struct Directory;
  struct Queued;
  using FilePointer = std::shared_ptr<File>;

  Result<void> apply(const FileOp& op);
  // … details follow with the implementation.

  std::map<std::string, Directory> directories_;
  std::map<FileHandle, FilePointer> open_;
  std::deque<Queued> log_queue_;
  std::deque<Queued> background_queue_;
  Fault fault_;
  std::uint64_t capacity_ = UINT64_MAX;
};

}  // namespace synod::storage
