// The port: all that storage knows of files. The server implements it with the operating system and
// threads, the simulator with a disk that loses and tears. Storage itself never blocks on a device
// while serving: it submits batches and gets their completion as an event.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/strong_id.h"

namespace synod::storage {

// A file that a batch opened. The submitter picks the number, unused at the time, so that a batch
// can open, write and close without waiting for an answer in between.
using FileHandle = StrongId<struct FileHandleTag, std::uint32_t>;

// Numbers that were never used before. One for all who submit to the same port.
class FileHandleSource {
 public:
  [[nodiscard]] FileHandle next() { return {++last_}; }

 private:
  std::uint32_t last_ = 0;
};

// Names a submitted batch in its completion.
using IoToken = StrongId<struct IoTokenTag>;

// Batches of one lane run in the order submitted; lanes run beside each other, so that a snapshot
// on its way to the disk never delays the log.
enum class IoLane : std::uint8_t { kLog, kBackground };

namespace op {
struct MakeDirectory {  // with its parents; no error if it exists
  std::string path;
};
struct Create {  // for writing; an existing file is emptied
  FileHandle handle;
  std::string path;
};
struct Open {  // for writing; fails if it does not exist
  FileHandle handle;
  std::string path;
};
struct Write {  // all of it, or the batch fails
  FileHandle handle;
  std::uint64_t offset = 0;  // bytes
  SharedBytes bytes;
};
struct Flush {  // fdatasync
  FileHandle handle;
};
struct Truncate {  // cuts or extends (with zeros) to this size
  FileHandle handle;
  std::uint64_t size = 0;  // bytes
};
struct Close {
  FileHandle handle;
};
struct Rename {
  std::string from;
  std::string to;
};
struct Remove {  // no error if it does not exist
  std::string path;
};
struct FlushDirectory {  // makes creations, renames and removals in it durable
  std::string path;
};
struct Read {  // as FilePort::read(), into bytes that the submitter looks at after the completion
  std::string path;
  std::uint64_t offset = 0;
  std::size_t count = 0;
  std::shared_ptr<Bytes> into;
};
}  // namespace op

using FileOp =
    std::variant<op::MakeDirectory, op::Create, op::Open, op::Write, op::Flush, op::Truncate,
                 op::Close, op::Rename, op::Remove, op::FlushDirectory, op::Read>;

// Operations done in order; the first that fails ends the batch. A file on which an operation
// failed takes no further write or flush: it must be closed, and whatever it held is in doubt.
using FileBatch = std::vector<FileOp>;

struct DirectoryEntry {
  std::string name;
  std::uint64_t size = 0;  // bytes
};

class FilePort {
 public:
  virtual ~FilePort() = default;

  // Starts the batch and returns at once. Its completion is delivered exactly once, as an event to
  // the replica (Replica::io_done), never from within this call.
  virtual void submit(IoLane lane, IoToken token, FileBatch batch) = 0;

  // The blocking half, for start and recovery, before anything is served.
  [[nodiscard]] virtual Result<void> perform(FileBatch batch) = 0;
  // Regular files in the directory, sorted by name. kNotFound if there is no such directory.
  [[nodiscard]] virtual Result<std::vector<DirectoryEntry>> list(const std::string& path) = 0;
  // Up to `count` bytes from `offset`; fewer only at the end of the file. kNotFound: no such file.
  [[nodiscard]] virtual Result<Bytes> read(const std::string& path, std::uint64_t offset,
                                           std::size_t count) = 0;
  // Bytes that can still be written to the file system that holds `path`.
  [[nodiscard]] virtual Result<std::uint64_t> free_space(const std::string& path) = 0;
};

}  // namespace synod::storage
