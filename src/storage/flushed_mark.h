// How far the log is known flushed: a side file of ours that recovery uses to tell damage from an
// unfinished write. Damage below the mark was once safe on disk, so it is corruption; damage at or
// above it may be what a crash left of a write nobody was promised.
//
//   flushedMark, in the log directory: two slots of 512 bytes, at 0 and at 4096, zeros between
//   slot: "SYNODMRK" | version:int = 1 | log's first zxid:long | offset:long | last zxid:long |
//         CRC-32 of the bytes before it:int
//
// Slot 0 is made durable before its log file is created, says "nothing yet" (or, when the log was
// cut, where its end is now), and is never written again; slot 1 follows lazily, without a flush of
// its own, and may be lost or torn. Java ZooKeeper knows no such file and leaves it alone; if it
// ran here since, the newest log is another one and the mark no longer counts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/ids.h"
#include "storage/file_port.h"

namespace synod::storage {

struct FlushedMark {
  Zxid log_first_zxid;       // names the log file
  std::uint64_t offset = 0;  // bytes of it known flushed
  Zxid last_zxid;            // of the last record below the offset; 0 when there is none
  friend bool operator==(const FlushedMark&, const FlushedMark&) = default;
};

inline constexpr char kFlushedMarkName[] = "flushedMark";
inline constexpr char kUnfinishedMarkName[] = "flushedMark.tmp";
inline constexpr std::uint64_t kMarkSlotOffset = 4096;  // of slot 1

[[nodiscard]] Bytes encode_mark(const FlushedMark& mark);
[[nodiscard]] std::optional<FlushedMark> decode_mark(BytesView slot);

// Replaces the mark file, durably, with this one; {.log_first_zxid} alone says "nothing of that log
// is flushed". Leaves it open as `handle`.
void append_new_mark(FileBatch& batch, const std::string& log_directory, FileHandle handle,
                     const FlushedMark& mark);

// The best valid slot; nothing if there is none.
[[nodiscard]] Result<std::optional<FlushedMark>> read_mark(FilePort& files,
                                                           const std::string& log_directory);

}  // namespace synod::storage
