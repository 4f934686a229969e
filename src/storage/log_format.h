// The transaction log's bytes (reference: FileTxnLog, Util). All integers are big-endian.
//
//   header, 16 bytes   "ZKLG" | version:int = 2 | dbid:long = 0
//   record, repeated   checksum:long | length:int | body[length] | 'B'
//   padding            zero bytes
//
// The checksum is the Adler-32 of the body alone. A body is a transaction (jute/txn.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"

namespace synod::storage {

inline constexpr BytesView kLogHeader{"ZKLG\0\0\0\2\0\0\0\0\0\0\0\0", 16};
inline constexpr std::size_t kRecordPrefixBytes = 12;  // checksum and length
inline constexpr char kRecordEnd = 'B';
inline constexpr std::size_t kRecordFrameBytes = kRecordPrefixBytes + 1;

// Adler-32 of `bytes`, continued from `start`.
[[nodiscard]] std::uint32_t adler32_of(BytesView bytes, std::uint32_t start = 1);

// The size a preallocated file has before a record is appended at `position`, by Java's rule: grow
// when less than 4 KiB are left.
[[nodiscard]] std::uint64_t padded_size(std::uint64_t position, std::uint64_t size,
                                        std::uint64_t preallocate_bytes);

// Zxids are dense within an epoch, and epochs begin with counter 1: could it be the very next one?
[[nodiscard]] constexpr bool follows(Zxid zxid, Zxid last) {
  return zxid == last.next() || (zxid.epoch() > last.epoch() && zxid.counter() <= 1);
}

}  // namespace synod::storage
