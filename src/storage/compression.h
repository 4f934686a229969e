// The three wrappings of a snapshot file, as streams: none, gzip, and snappy-java's block stream
// ("\202SNAPPY\0" | version:int = 1 | compatible:int = 1 | blocks of length:int, raw snappy; 32 KiB
// of input each).
#pragma once

#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "storage/data_directory.h"

namespace synod::storage {

inline constexpr BytesView kGzipMagic{"\x1F\x8B", 2};
inline constexpr BytesView kSnappyMagic{"\x82SNAPPY\0", 8};

class Compressor {
 public:
  virtual ~Compressor() = default;
  // Appends to `out` what became ready; the last piece completes the stream.
  virtual void add(BytesView plain, bool is_last, Bytes& out) = 0;
};
[[nodiscard]] std::unique_ptr<Compressor> make_compressor(Compression compression);

class Decompressor {
 public:
  virtual ~Decompressor() = default;
  // Takes a piece of the file; appends a bounded part of the plain bytes it yields and says whether
  // to call again, with an empty piece, for more.
  [[nodiscard]] virtual Result<bool> add(BytesView packed, Bytes& plain) = 0;
};
[[nodiscard]] std::unique_ptr<Decompressor> make_decompressor(Compression compression);

}  // namespace synod::storage
