// A stream between two servers of our own engines, in any pieces: a greeting, then frames. What is
// read is written the same, and no more is held than one unfinished frame.
//
// Nobody guesses a checksum, so the first byte may ask for them to be put right.
#include "consensus/native/frames.h"
#include "fuzz_input.h"

namespace {

using synod::Bytes;
using synod::BytesView;
using synod::fuzz::require;
using namespace synod::consensus::native;

constexpr std::size_t kHeadBytes = 8;
constexpr std::size_t kCrcBytes = 4;
constexpr std::size_t kFlagsAt = 10;

Bytes crc_of(BytesView bytes) {
  return encode_frame(bytes).substr(kHeadBytes - kCrcBytes, kCrcBytes);
}

// As it came, but with the checksums that belong there.
Bytes put_right(BytesView stream) {
  Bytes out(stream.substr(0, kGreetingBytes));
  stream.remove_prefix(out.size());
  if (out.size() < kGreetingBytes) return out;
  out.replace(kGreetingBytes - kCrcBytes, kCrcBytes,
              crc_of(BytesView(out).substr(0, kGreetingBytes - kCrcBytes)));
  while (stream.size() >= kHeadBytes) {
    const std::size_t size = Fields(stream).u32();
    if (size > stream.size() - kHeadBytes) break;
    out += encode_frame(stream.substr(kHeadBytes, size));
    stream.remove_prefix(kHeadBytes + size);
  }
  return out.append(stream);
}

// Flags of a later release are read over; all else is kept.
void check_greeting(const Greeting& greeting, BytesView bytes) {
  const Bytes written = encode(greeting);
  require(written.size() == kGreetingBytes);
  require(written.substr(0, kFlagsAt) == bytes.substr(0, kFlagsAt));
  const auto body =
      BytesView(written).substr(kFlagsAt + 2, kGreetingBytes - kCrcBytes - kFlagsAt - 2);
  require(bytes.substr(kFlagsAt + 2).starts_with(body));
  require(greeting.oldest_version <= kNewestVersion && greeting.newest_version >= kOldestVersion);
  const auto again = decode_greeting(written);
  require(again && encode(*again) == written);
}

// True while the stream may go on.
bool read(FrameReader& reader, bool& is_greeted, BytesView& stream) {
  if (!is_greeted) {
    const auto greeting = reader.greeting();
    if (!greeting || !*greeting) return greeting.has_value();
    is_greeted = true;
    check_greeting(**greeting, stream);
    stream.remove_prefix(kGreetingBytes);
  }
  auto body = reader.next();
  for (; body && *body; body = reader.next()) {
    const Bytes frame = encode_frame(**body);
    require(stream.starts_with(frame));
    stream.remove_prefix(frame.size());
  }
  if (!body) require(!reader.next());
  return body.has_value();
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  synod::fuzz::Input input(data, size);
  const std::uint8_t how = input.byte();
  const std::size_t piece = 1U + input.byte();
  const Bytes bytes = (how & 1) != 0 ? put_right(input.rest()) : Bytes(input.rest());
  BytesView stream = bytes;
  FrameReader reader;
  bool is_greeted = false;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    reader.feed(BytesView(bytes).substr(at, piece));
    if (!read(reader, is_greeted, stream)) return 0;
  }
  require(reader.take_rest() == stream);
  return 0;
}
