// What travels between two servers of an engine of our own: first a greeting each way, then frames.
//
//   greeting   magic, versions, engine, flags, purpose, who, to whom        crc of all that
//   frame      length, crc, body                                           length is the body's
//
// All numbers are little-endian. Pure; a reader belongs to one link.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"

namespace synod::consensus::native {

// ---- numbers in messages ----------------------------------------------------------------------

void put_u8(Bytes& out, std::uint8_t value);
void put_u32(Bytes& out, std::uint32_t value);
void put_u64(Bytes& out, std::uint64_t value);
void put_zxid(Bytes& out, Zxid zxid);
void put_server(Bytes& out, ServerId server);
void put_bytes(Bytes& out, BytesView bytes);  // with their length

// Reads what was put. Past the end, and from then on, everything is zero and ok() false.
class Fields {
 public:
  explicit Fields(BytesView in) : in_(in) {}
  std::uint8_t u8();
  std::uint32_t u32();
  std::uint64_t u64();
  Zxid zxid() { return {static_cast<std::int64_t>(u64())}; }
  ServerId server() { return {static_cast<std::int64_t>(u64())}; }
  BytesView bytes();  // points into the input
  [[nodiscard]] BytesView rest() const { return in_; }
  [[nodiscard]] bool ok() const { return is_ok_; }
  [[nodiscard]] bool is_complete() const { return is_ok_ && in_.empty(); }

 private:
  std::uint64_t number(std::size_t size);

  BytesView in_;
  bool is_ok_ = true;
};

// ---- greetings --------------------------------------------------------------------------------

// Which versions of the messages this release speaks. Neighbouring releases share one.
inline constexpr std::uint16_t kOldestVersion = 1;
inline constexpr std::uint16_t kNewestVersion = 1;

enum class EngineTag : std::uint8_t { kRaft = 1, kOmniPaxos = 2 };
enum class Purpose : std::uint8_t { kMessages, kSnapshot };

struct Greeting {
  EngineTag engine{};
  Purpose purpose = Purpose::kMessages;
  ServerId from;
  ServerId to;
  bool is_new = false;  // the sender has no memory: see Beginning::has_memory
  std::uint16_t oldest_version = kOldestVersion;
  std::uint16_t newest_version = kNewestVersion;
};

inline constexpr std::size_t kGreetingBytes = 32;
[[nodiscard]] Bytes encode(const Greeting& greeting);
// Of exactly kGreetingBytes. The error says why it is none.
[[nodiscard]] std::expected<Greeting, std::string> decode_greeting(BytesView bytes);

// ---- frames -----------------------------------------------------------------------------------

inline constexpr std::size_t kMaxFrameBytes = std::size_t{64} << 20;

[[nodiscard]] Bytes encode_frame(BytesView body);

// Finds greeting and frames in a stream.
class FrameReader {
 public:
  void feed(BytesView bytes);
  // The greeting, once it is whole; before any frame.
  [[nodiscard]] std::expected<std::optional<Greeting>, std::string> greeting();
  // The next body, valid until feed() or take_rest(). After an error nothing more is found.
  [[nodiscard]] std::expected<std::optional<BytesView>, std::string> next();
  [[nodiscard]] Bytes take_rest();

 private:
  Bytes buffer_;
  std::size_t start_ = 0;
  std::string problem_;
};

}  // namespace synod::consensus::native
