#include "sim/models/messages.h"

#include <memory>

#include "consensus/native/frames.h"

namespace synod::sim::models {

namespace native = consensus::native;

Bytes encode(const Message& message) {
  Bytes out;
  native::put_u8(out, static_cast<std::uint8_t>(message.kind));
  native::put_u32(out, message.epoch);
  native::put_u32(out, message.accepted);
  native::put_zxid(out, message.position);
  native::put_zxid(out, message.committed);
  native::put_u64(out, message.round);
  for (const consensus::Entry& entry : message.entries) {
    native::put_zxid(out, entry.zxid);
    native::put_bytes(out, *entry.bytes);
  }
  return out;
}

std::expected<Message, std::string> decode(BytesView bytes) {
  native::Fields in(bytes);
  Message message;
  message.kind = static_cast<Message::Kind>(in.u8());
  message.epoch = in.u32();
  message.accepted = in.u32();
  message.position = in.zxid();
  message.committed = in.zxid();
  message.round = in.u64();
  while (in.ok() && !in.rest().empty()) {
    const Zxid zxid = in.zxid();
    message.entries.push_back({zxid, std::make_shared<const Bytes>(in.bytes())});
  }
  if (!in.ok() || message.kind > Message::Kind::kRefused)
    return std::unexpected("a message that makes no sense");
  return message;
}

}  // namespace synod::sim::models
