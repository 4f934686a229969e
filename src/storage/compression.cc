#include "storage/compression.h"

#include <snappy.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/assert.h"
#include "jute/codec.h"

namespace synod::storage {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;  // what one call yields at most, or about
constexpr int kGzipWindow = 15 + 16;                       // the largest, in gzip's wrapping

std::unexpected<Error> broken(std::string_view format) {
  return fail(ErrorKind::kCorrupt, "the " + std::string(format) + " stream is damaged");
}

// ---- None

class Copier : public Compressor {
 public:
  void add(BytesView plain, bool /*is_last*/, Bytes& out) override { out.append(plain); }
};

class Passer : public Decompressor {
 public:
  Result<bool> add(BytesView packed, Bytes& plain) override {
    plain.append(packed);
    return false;
  }
};

// ---- Gzip

Bytef* input_of(BytesView bytes) {  // zlib reads through a pointer to non-const, and writes nothing
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
}

class GzipCompressor : public Compressor {
 public:
  // The fastest level: the core's own thread compresses, between requests.
  GzipCompressor() {
    const int made =
        ::deflateInit2(&stream_, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY);
    SYNOD_ASSERT(made == Z_OK);
  }
  ~GzipCompressor() override { ::deflateEnd(&stream_); }
  GzipCompressor(const GzipCompressor&) = delete;
  GzipCompressor& operator=(const GzipCompressor&) = delete;

  void add(BytesView plain, bool is_last, Bytes& out) override {
    SYNOD_ASSERT(plain.size() <= UINT32_MAX);
    stream_.next_in = input_of(plain);
    stream_.avail_in = static_cast<uInt>(plain.size());
    do {
      const std::size_t before = out.size();
      out.resize(before + kRoomBytes);
      stream_.next_out = reinterpret_cast<Bytef*>(out.data() + before);
      stream_.avail_out = kRoomBytes;
      const int done = ::deflate(&stream_, is_last ? Z_FINISH : Z_NO_FLUSH);
      SYNOD_ASSERT(done != Z_STREAM_ERROR);
      out.resize(before + (kRoomBytes - stream_.avail_out));
    } while (stream_.avail_out == 0);
  }

 private:
  static constexpr uInt kRoomBytes = 256 << 10;
  z_stream stream_{};
};

class GzipDecompressor : public Decompressor {
 public:
  GzipDecompressor() {
    const int made = ::inflateInit2(&stream_, kGzipWindow);
    SYNOD_ASSERT(made == Z_OK);
  }
  ~GzipDecompressor() override { ::inflateEnd(&stream_); }
  GzipDecompressor(const GzipDecompressor&) = delete;
  GzipDecompressor& operator=(const GzipDecompressor&) = delete;

  Result<bool> add(BytesView packed, Bytes& plain) override {
    if (is_done_) return false;
    if (!packed.empty()) {
      input_.erase(0, input_.size() - stream_.avail_in);
      input_.append(packed);
      stream_.next_in = input_of(input_);
      stream_.avail_in = static_cast<uInt>(input_.size());
    }
    const std::size_t before = plain.size();
    plain.resize(before + kPieceBytes);
    stream_.next_out = reinterpret_cast<Bytef*>(plain.data() + before);
    stream_.avail_out = kPieceBytes;
    const int done = ::inflate(&stream_, Z_NO_FLUSH);
    plain.resize(before + (kPieceBytes - stream_.avail_out));
    is_done_ = done == Z_STREAM_END;
    if (done != Z_OK && done != Z_STREAM_END && done != Z_BUF_ERROR) return broken("gzip");
    return stream_.avail_out == 0;
  }

 private:
  z_stream stream_{};
  Bytes input_;  // what stream_ is reading
  bool is_done_ = false;
};

// ---- Snappy

constexpr std::size_t kBlockBytes = std::size_t{32} << 10;
constexpr std::size_t kBlockBytesMax = std::size_t{64}
                                       << 20;  // snappy-java's own blocks are 32 KiB

class SnappyCompressor : public Compressor {
 public:
  void add(BytesView plain, bool is_last, Bytes& out) override {
    if (!has_begun_) begin(out);
    block_.append(plain);
    BytesView rest = block_;
    for (; rest.size() >= kBlockBytes; rest.remove_prefix(kBlockBytes)) {
      add_block(rest.substr(0, kBlockBytes), out);
    }
    block_.erase(0, block_.size() - rest.size());
    if (is_last && !block_.empty()) add_block(block_, out);
  }

 private:
  void begin(Bytes& out) {
    has_begun_ = true;
    out.append(kSnappyMagic);
    jute::Writer header(out);
    header.i32(1);  // version
    header.i32(1);  // the oldest version that can read it
  }
  static void add_block(BytesView plain, Bytes& out) {
    Bytes packed;
    snappy::Compress(plain.data(), plain.size(), &packed);
    jute::Writer(out).view(packed);
  }

  bool has_begun_ = false;
  Bytes block_;  // less than a block
};

class SnappyDecompressor : public Decompressor {
 public:
  Result<bool> add(BytesView packed, Bytes& plain) override {
    input_.append(packed);
    const std::size_t before = plain.size();
    BytesView rest = BytesView(input_).substr(at_);
    while (plain.size() - before < kPieceBytes) {
      const Result<bool> was_taken = has_header_ ? take_block(rest, plain) : take_header(rest);
      if (!was_taken) return was_taken;
      if (!*was_taken) {
        input_.erase(0, input_.size() - rest.size());
        at_ = 0;
        return false;
      }
    }
    at_ = input_.size() - rest.size();
    return true;
  }

 private:
  Result<bool> take_header(BytesView& rest) {
    constexpr std::size_t kHeaderBytes = kSnappyMagic.size() + 8;
    if (rest.size() < kHeaderBytes) return false;
    if (!rest.starts_with(kSnappyMagic)) return broken("snappy");
    rest.remove_prefix(kHeaderBytes);
    return has_header_ = true;
  }

  static Result<bool> take_block(BytesView& rest, Bytes& plain) {
    jute::Reader in(rest);
    const std::int32_t length = in.i32();
    if (!in.ok()) return false;
    if (length < 0 || static_cast<std::size_t>(length) > kBlockBytesMax) return broken("snappy");
    const BytesView packed = in.take(static_cast<std::size_t>(length));
    if (!in.ok()) return false;
    std::size_t plain_bytes = 0;
    if (!snappy::GetUncompressedLength(packed.data(), packed.size(), &plain_bytes) ||
        plain_bytes > kBlockBytesMax) {
      return broken("snappy");
    }
    const std::size_t before = plain.size();
    plain.resize(before + plain_bytes);
    if (!snappy::RawUncompress(packed.data(), packed.size(), plain.data() + before)) {
      return broken("snappy");
    }
    rest = in.rest();
    return true;
  }

  bool has_header_ = false;
  Bytes input_;
  std::size_t at_ = 0;  // what of it was taken
};

}  // namespace

std::unique_ptr<Compressor> make_compressor(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      break;
    case Compression::kGzip:
      return std::make_unique<GzipCompressor>();
    case Compression::kSnappy:
      return std::make_unique<SnappyCompressor>();
  }
  return std::make_unique<Copier>();
}

std::unique_ptr<Decompressor> make_decompressor(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      break;
    case Compression::kGzip:
      return std::make_unique<GzipDecompressor>();
    case Compression::kSnappy:
      return std::make_unique<SnappyDecompressor>();
  }
  return std::make_unique<Passer>();
}

}  // namespace synod::storage
