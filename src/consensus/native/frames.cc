#include "consensus/native/frames.h"

#include <fmt/format.h>
#include <libdeflate.h>

#include <utility>

namespace synod::consensus::native {
namespace {

constexpr std::uint32_t kMagic = 0x444f4e59;  // "YNOD"
constexpr std::size_t kFrameHeadBytes = 8;
constexpr std::size_t kCrcBytes = 4;

std::uint32_t crc_of(BytesView bytes) { return libdeflate_crc32(0, bytes.data(), bytes.size()); }

void put_number(Bytes& out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

}  // namespace

// ---- numbers in messages ----------------------------------------------------------------------

void put_u8(Bytes& out, std::uint8_t value) { put_number(out, value, 1); }
void put_u32(Bytes& out, std::uint32_t value) { put_number(out, value, 4); }
void put_u64(Bytes& out, std::uint64_t value) { put_number(out, value, 8); }
void put_zxid(Bytes& out, Zxid zxid) { put_u64(out, static_cast<std::uint64_t>(zxid.value)); }
void put_server(Bytes& out, ServerId server) {
  put_u64(out, static_cast<std::uint64_t>(server.value));
}
void put_bytes(Bytes& out, BytesView bytes) {
  put_u32(out, static_cast<std::uint32_t>(bytes.size()));
  out.append(bytes);
}

std::uint64_t Fields::number(std::size_t size) {
  if (in_.size() < size) {
    is_ok_ = false;
    in_ = {};
    return 0;
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i)
    value |= std::uint64_t{static_cast<unsigned char>(in_[i])} << (8 * i);
  in_.remove_prefix(size);
  return value;
}

std::uint8_t Fields::u8() { return static_cast<std::uint8_t>(number(1)); }
std::uint32_t Fields::u32() { return static_cast<std::uint32_t>(number(4)); }
std::uint64_t Fields::u64() { return number(8); }

BytesView Fields::bytes() {
  const std::size_t size = u32();
  if (in_.size() < size) {
    is_ok_ = false;
    in_ = {};
    return {};
  }
  const BytesView found = in_.substr(0, size);
  in_.remove_prefix(size);
  return found;
}

// ---- greetings --------------------------------------------------------------------------------

Bytes encode(const Greeting& greeting) {
  Bytes out;
  put_u32(out, kMagic);
  put_number(out, greeting.oldest_version, 2);
  put_number(out, greeting.newest_version, 2);
  put_u8(out, static_cast<std::uint8_t>(greeting.engine));
  put_u8(out, static_cast<std::uint8_t>(greeting.purpose));
  put_number(out, greeting.is_new ? 1 : 0, 2);
  put_server(out, greeting.from);
  put_server(out, greeting.to);
  put_u32(out, crc_of(out));
  return out;
}

std::expected<Greeting, std::string> decode_greeting(BytesView bytes) {
  Fields in(bytes);
  if (in.u32() != kMagic) return std::unexpected("it does not greet as a server of this kind");
  Greeting greeting;
  const std::uint32_t versions = in.u32();
  greeting.oldest_version = static_cast<std::uint16_t>(versions);
  greeting.newest_version = static_cast<std::uint16_t>(versions >> 16);
  greeting.engine = static_cast<EngineTag>(in.u8());
  greeting.purpose = static_cast<Purpose>(in.u8());
  const std::uint32_t flags = in.u8();
  in.u8();
  greeting.is_new = (flags & 1) != 0;
  greeting.from = in.server();
  greeting.to = in.server();
  const std::uint32_t crc = in.u32();
  if (!in.is_complete() || crc != crc_of(bytes.substr(0, bytes.size() - kCrcBytes)))
    return std::unexpected("its greeting is damaged");
  if (greeting.oldest_version > kNewestVersion || greeting.newest_version < kOldestVersion)
    return std::unexpected(fmt::format(
        "it speaks versions {} to {} of the peer protocol, this server {} to {}: upgrade in steps "
        "of one release",
        greeting.oldest_version, greeting.newest_version, kOldestVersion, kNewestVersion));
  if (greeting.purpose > Purpose::kSnapshot) return std::unexpected("it wants what is not known");
  return greeting;
}

// ---- frames -----------------------------------------------------------------------------------

Bytes encode_frame(BytesView body) {
  Bytes out;
  out.reserve(kFrameHeadBytes + body.size());
  put_u32(out, static_cast<std::uint32_t>(body.size()));
  put_u32(out, crc_of(body));
  out.append(body);
  return out;
}

void FrameReader::feed(BytesView bytes) {
  buffer_.erase(0, start_);
  start_ = 0;
  if (problem_.empty()) buffer_.append(bytes);
}

std::expected<std::optional<Greeting>, std::string> FrameReader::greeting() {
  const BytesView rest = BytesView(buffer_).substr(start_);
  if (rest.size() < kGreetingBytes) return std::nullopt;
  auto greeting = decode_greeting(rest.substr(0, kGreetingBytes));
  if (!greeting) return std::unexpected(greeting.error());
  start_ += kGreetingBytes;
  return *greeting;
}

std::expected<std::optional<BytesView>, std::string> FrameReader::next() {
  if (!problem_.empty()) return std::unexpected(problem_);
  const BytesView rest = BytesView(buffer_).substr(start_);
  if (rest.size() < kFrameHeadBytes) return std::nullopt;
  Fields head(rest.substr(0, kFrameHeadBytes));
  const std::size_t size = head.u32();
  const std::uint32_t crc = head.u32();
  if (size > kMaxFrameBytes) {
    problem_ = fmt::format("a frame of {} bytes, when {} are the most", size, kMaxFrameBytes);
    return std::unexpected(problem_);
  }
  if (rest.size() - kFrameHeadBytes < size) return std::nullopt;
  const BytesView body = rest.substr(kFrameHeadBytes, size);
  if (crc_of(body) != crc) {
    problem_ = "a frame whose checksum is wrong";
    return std::unexpected(problem_);
  }
  start_ += kFrameHeadBytes + size;
  return body;
}

Bytes FrameReader::take_rest() {
  Bytes rest = buffer_.substr(start_);
  buffer_.clear();
  start_ = 0;
  return rest;
}

}  // namespace synod::consensus::native
