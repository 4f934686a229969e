// Writes one snapshot file, in slices: call add() for some nodes, take_batch(), submit, and go on
// when it completed. The file has a temporary name until publish(), and is durable before it is
// renamed.
//
//   begin() · add()… · take_batch() … · finish() · take_batch() · wait until the log is durable up
//   to the highest zxid that went in · publish()
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "storage/data_directory.h"
#include "storage/file_port.h"
#include "storage/snapshot_format.h"

namespace synod::storage {

class Compressor;

class SnapshotWriter {
 public:
  struct Options {
    std::string directory;  // with version-2; it exists
    Zxid zxid;              // goes into the name: the last one applied when the snapshot began
    Compression compression = Compression::kNone;
    bool with_digest = true;     // write the digest given to finish() …
    bool with_last_zxid = true;  // … and 3.9's last section
    std::uint64_t flush_every_bytes = 16ULL
                                      << 20;  // so that the log's flush never waits for all of it
  };
  SnapshotWriter(Options options, FileHandleSource& handles);
  ~SnapshotWriter();
  SnapshotWriter(SnapshotWriter&&) noexcept;
  SnapshotWriter& operator=(SnapshotWriter&&) = delete;

  void begin(const std::vector<SnapshotSession>& sessions, const std::vector<SnapshotAcl>& acls);
  void add(std::string_view path, const NodeImage& node);
  void finish(std::optional<SnapshotDigest> digest);

  // Bytes, before compression, that the next batch will carry: when to take one.
  [[nodiscard]] std::size_t pending_bytes() const { return encoder_.pending_bytes(); }
  // What was produced since the last take; the batch after finish() ends with a flush.
  [[nodiscard]] FileBatch take_batch();
  // Gives the flushed file its name.
  [[nodiscard]] FileBatch publish();
  // Instead of publish(): the flushed file is closed and keeps its unfinished name, for
  // snapshot_install.h.
  [[nodiscard]] FileBatch release();
  // Instead of publish(), at any time, also after a failed batch.
  [[nodiscard]] FileBatch abandon();

  [[nodiscard]] SnapshotFile file() const;  // as it is, or will be, named; size as taken so far

 private:
  enum class Stage : std::uint8_t { kNew, kWriting, kFinished, kTaken, kPublishing, kClosed };

  [[nodiscard]] std::string temporary_path() const;

  Options options_;
  FileHandle handle_;
  SnapshotEncoder encoder_;
  std::unique_ptr<Compressor> compressor_;
  Stage stage_ = Stage::kNew;
  bool is_created_ = false;
  std::uint64_t offset_ = 0;
  std::uint64_t unflushed_bytes_ = 0;
};

}  // namespace synod::storage
