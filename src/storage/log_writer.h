// Writes transaction logs: records gathered since the last take become one write and one flush.
//
// The caller's duties: submit the batches in the order taken, on IoLane::kLog; report completed
// ones with note_flushed(); take no further batch after one failed. The first record after start
// always opens a file of its own, as in ZooKeeper: existing files are never appended to.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "storage/file_port.h"
#include "storage/flushed_mark.h"

namespace synod::storage {

class LogWriter {
 public:
  struct Options {
    std::string log_dir;                            // with version-2; it exists
    std::uint64_t preallocate_bytes = 64ULL << 20;  // 0: none
    std::uint64_t size_limit_bytes = 0;             // roll when a taken batch passed it; 0: never
    bool is_flushing = true;                        // false: forceSync=no
    std::size_t record_bytes_max = 0x7FFFFFFF;      // a longer body is a bug of the caller
    std::uint64_t mark_every_bytes = 1ULL << 20;    // how far the flushed mark may lag …
    std::uint64_t mark_every_records = 1000;        // … in the file, whichever comes first
  };
  LogWriter(Options options, FileHandleSource& handles);

  // Zxids rise. The bytes are copied into the batch under way.
  void append(Zxid zxid, const Bytes& body);
  void append(Zxid zxid, const SharedBytes& body) { append(zxid, *body); }

  [[nodiscard]] bool has_pending() const { return !segments_.empty(); }
  [[nodiscard]] std::size_t pending_bytes() const;
  // Everything appended since the last take, durable when the batch completes. Empty: nothing was.
  [[nodiscard]] FileBatch take_batch();

  // The next append opens a new file.
  void roll() { is_file_open_ = false; }
  // Length of the current file's records, pending ones included; 0 when the next append opens one.
  [[nodiscard]] std::uint64_t bytes_in_file() const { return is_file_open_ ? position_ : 0; }

  // Every batch up to this zxid has completed. Now and then the next batch then carries the mark.
  void note_flushed(Zxid up_to);
  // For a clean stop, after the last batch completed: the final mark, flushed, and files closed.
  [[nodiscard]] FileBatch stop();
  // The same before the log is cut (log_cut.h) or replaced (snapshot_install.h); submitted in one
  // batch with that. Afterwards the log ends at `last`, and the next append opens a file.
  [[nodiscard]] FileBatch end_at(Zxid last);

 private:
  struct Segment {  // the pending records of one file
    bool opens_file = false;
    Zxid log_first_zxid;
    Zxid last_zxid;
    std::uint64_t offset = 0;          // where the bytes go
    std::uint64_t preallocate_to = 0;  // the size to give the file before they do; 0: leave it
    std::uint64_t records = 0;
    Bytes bytes;
  };
  struct Taken {  // a segment on its way to the disk
    Zxid log_first_zxid;
    Zxid last_zxid;
    std::uint64_t end_offset = 0;
    std::uint64_t records = 0;
  };

  Segment& segment_for(Zxid zxid);
  void emit(FileBatch& batch, Segment segment);
  void emit_open(FileBatch& batch, const Segment& segment);
  void emit_mark(FileBatch& batch);

  Options options_;
  FileHandleSource& handles_;
  std::vector<Segment> segments_;
  std::deque<Taken> in_flight_;

  // The file that append() is at.
  bool is_file_open_ = false;
  Zxid log_first_zxid_;
  Zxid last_zxid_;
  std::uint64_t position_ = 0;   // behind the last record
  std::uint64_t file_size_ = 0;  // preallocated

  // The file that take_batch() is at; the handles are 0 before the first.
  FileHandle log_handle_;
  FileHandle mark_handle_;
  FlushedMark mark_;  // what is known flushed of it, and what of that the mark does not say yet:
  std::uint64_t unmarked_bytes_ = 0;
  std::uint64_t unmarked_records_ = 0;
};

}  // namespace synod::storage
