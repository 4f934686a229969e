#include "storage/log_format.h"

#include <libdeflate.h>

namespace synod::storage {

namespace {
// While at least so much is left behind the last record, the file is not extended.
constexpr std::uint64_t kPaddingLeftMin = 4096;
}  // namespace

std::uint32_t adler32_of(BytesView bytes, std::uint32_t start) {
  if (bytes.empty()) return start;  // a null pointer would start anew
  return libdeflate_adler32(start, bytes.data(), bytes.size());
}

std::uint64_t padded_size(std::uint64_t position, std::uint64_t size,
                          std::uint64_t preallocate_bytes) {
  if (preallocate_bytes == 0 || position + kPaddingLeftMin < size) return size;
  if (position <= size) return size + preallocate_bytes;
  const std::uint64_t wanted = position + preallocate_bytes;
  return wanted - wanted % preallocate_bytes;
}

}  // namespace synod::storage
