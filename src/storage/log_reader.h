// Reads one log file, record by record, in chunks: the preallocated rest is never fetched. Decides
// nothing about damage; it tells where and how the records end, and recovery judges.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "base/bytes.h"
#include "base/error.h"
#include "jute/txn.h"
#include "storage/file_port.h"

namespace synod::storage {

// Views are good until the next call of the reader.
struct LogRecord {
  std::uint64_t offset = 0;      // of the record's checksum
  std::uint64_t end_offset = 0;  // behind its 'B'
  BytesView body;
  jute::Txn txn;
};

enum class LogEndKind : std::uint8_t {
  kFileEnd,      // right behind the last record
  kPadding,      // a record of length 0 or -1
  kTorn,         // the last record is not all there, or lacks its 'B'
  kBadChecksum,  // a whole record that does not match its checksum
  kBadLength,    // a length below -1
  kBadRecord,    // its checksum is right, its content is no transaction
  kNoHeader,     // the file is shorter than its header
  kBadHeader,    // the header is not that of a log
};

struct LogEnd {
  LogEndKind kind = LogEndKind::kFileEnd;
  std::uint64_t offset = 0;  // where a record would begin
  std::string text;  // what is wrong with `file` at `offset`; empty for kFileEnd and kPadding
  [[nodiscard]] bool is_clean() const {
    return kind == LogEndKind::kFileEnd || kind == LogEndKind::kPadding;
  }
};

using LogStep = std::variant<LogRecord, LogEnd>;

class LogReader {
 public:
  // A record that is longer than a chunk is read whole.
  LogReader(FilePort& files, std::string path, std::uint64_t file_size,
            std::size_t chunk_bytes = std::size_t{1} << 20);

  // An error means that the operating system refused. After a LogEnd, the same again.
  [[nodiscard]] Result<LogStep> next();
  [[nodiscard]] std::uint64_t offset() const { return offset_; }

  // Looks behind a damaged place, byte by byte, for a whole record with a zxid above `after`.
  [[nodiscard]] Result<std::optional<std::uint64_t>> find_whole_record(std::uint64_t from,
                                                                       Zxid after);
  // Was the record there, which is not complete now, whole before its length or its end were
  // damaged? What is behind its prefix matches its checksum, or a whole record follows.
  [[nodiscard]] Result<bool> was_whole(std::uint64_t offset, Zxid last);

 private:
  // Up to `count` bytes, fewer only at the end of the file; good until the next call.
  [[nodiscard]] Result<BytesView> bytes_at(std::uint64_t offset, std::size_t count);
  [[nodiscard]] Result<LogStep> read_header();
  [[nodiscard]] Result<LogStep> read_record();
  [[nodiscard]] LogStep end(LogEndKind kind, const std::string& what = "");
  [[nodiscard]] Result<bool> is_whole_record(std::uint64_t offset, Zxid after);

  FilePort& files_;
  std::string path_;
  std::uint64_t file_size_;
  std::size_t chunk_bytes_;
  std::uint64_t offset_ = 0;  // of the next record; 0 before the header was read
  std::optional<LogEnd> end_;

  std::uint64_t chunk_offset_ = 0;
  Bytes chunk_;
};

}  // namespace synod::storage
