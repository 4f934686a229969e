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

  using ReadFault = std::function<std::optional<Error>(const std::string& path,
                                                       std::uint64_t offset, std::size_t count)>;
  using Phantom = std::function<bool(const FileOp&)>;

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
  // Asked before every read of a file's bytes (FilePort::read and op::Read), with the path and the
  // range: latent sector errors.
  void set_read_fault(ReadFault fault) { read_fault_ = std::move(fault); }
  // Asked before every write and flush: true makes it be reported as done and not be done.
  void set_phantom(Phantom phantom) { phantom_ = std::move(phantom); }
  void set_capacity(std::uint64_t bytes) { capacity_bytes_ = bytes; }

  // Around the port: whole files, flushed, their directories made.
  void put(const std::string& path, Bytes content);
  [[nodiscard]] std::optional<Bytes> get(const std::string& path) const;
  [[nodiscard]] std::vector<std::string> paths() const;  // of all files, sorted
  // Rot: this byte changes by `mask`, as the process sees it and on the disk, flushed or not.
  // False: there is no such byte.
  bool flip(const std::string& path, std::uint64_t offset, char mask);

  // A copy of the disk as it would survive a kill (not a power cut), to go back to later.
  class Image;
  [[nodiscard]] Image image() const;
  // kill(), and then the disk is what it was: a restored backup, flushed.
  void restore(const Image& image);
  // kill(), and then the disk is empty.
  void wipe();

 private:
  struct File;
  using FilePointer = std::shared_ptr<File>;
  using Names = std::map<std::string, FilePointer>;
  struct NameChange {  // the name now means this file; null: nothing
    std::string name;
    FilePointer file;
  };
  struct Directory {
    Names names;                                     // as the process sees them
    Names flushed_names;                             // as the disk has them
    std::vector<std::vector<NameChange>> unflushed;  // each entry survives whole or not
  };
  struct OpenFile {
    FilePointer file;
    bool has_failed = false;
  };
  struct Queued {
    IoToken token;
    FileBatch batch;
    std::size_t next = 0;  // operation of the batch
  };

  Result<void> apply(const FileOp& op);
  Result<void> dispatch(const FileOp& op);
  Result<void> apply_op(const op::MakeDirectory& op);
  Result<void> apply_op(const op::Create& op);
  Result<void> apply_op(const op::Open& op);
  Result<void> apply_op(const op::Write& op);
  Result<void> apply_op(const op::Flush& op);
  Result<void> apply_op(const op::Truncate& op);
  Result<void> apply_op(const op::Close& op);
  Result<void> apply_op(const op::Rename& op);
  Result<void> apply_op(const op::Remove& op);
  Result<void> apply_op(const op::FlushDirectory& op);
  Result<void> apply_op(const op::Read& op);

  [[nodiscard]] Result<Directory*> directory_of(const std::string& path);
  [[nodiscard]] Result<FilePointer> file_at(const std::string& path) const;
  [[nodiscard]] Result<OpenFile*> open_file(FileHandle handle);
  [[nodiscard]] std::deque<Queued>& queue(IoLane lane);
  [[nodiscard]] std::uint64_t used_bytes() const;
  static void rename_in(Directory& directory, std::vector<NameChange> changes);

  std::map<std::string, Directory> directories_;
  std::map<FileHandle, OpenFile> open_;
  std::deque<Queued> log_queue_;
  std::deque<Queued> background_queue_;
  Fault fault_;
  ReadFault read_fault_;
  Phantom phantom_;
  std::uint64_t capacity_bytes_ = UINT64_MAX;
};

// What a disk held: path and content.
class MemoryFiles::Image {
 public:
  [[nodiscard]] const std::map<std::string, Bytes>& files() const { return files_; }

 private:
  friend class MemoryFiles;
  std::map<std::string, Bytes> files_;
  std::vector<std::string> directories_;
};

}  // namespace synod::storage
