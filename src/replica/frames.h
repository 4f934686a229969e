// Frames to a client: i32 length | ReplyHeader | body.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"
#include "jute/codec.h"
#include "jute/opcode.h"
#include "jute/records.h"

namespace synod::replica {

inline constexpr std::size_t kLengthBytes = 4;
inline constexpr std::size_t kReplyHeaderBytes = 16;

// Writes one frame in place, at the end of `out`; the length follows when the body is complete.
class Frame {
 public:
  Frame(Bytes& out, std::int32_t xid, Zxid zxid, jute::ErrorCode error = jute::ErrorCode::kOk)
      : out_(out), start_(out.size()) {
    out_.append(kLengthBytes, '\0');
    jute::append(out_, jute::ReplyHeader{xid, zxid, static_cast<std::int32_t>(error)});
  }
  [[nodiscard]] Bytes& body() { return out_; }
  // The body so far goes, and the header says why.
  void fail(jute::ErrorCode error) {
    out_.resize(start_ + kLengthBytes + kReplyHeaderBytes);
    set_error(error);
  }
  void set_error(jute::ErrorCode error) {
    jute::store_big_endian(out_.data() + start_ + kLengthBytes + 12,
                           static_cast<std::int32_t>(error));
  }
  void finish() {
    jute::store_big_endian(out_.data() + start_,
                           static_cast<std::int32_t>(out_.size() - start_ - kLengthBytes));
  }

 private:
  Bytes& out_;
  std::size_t start_;
};

inline void append_notification(Bytes& out, jute::EventType type, std::string_view path,
                                Zxid zxid) {
  Frame frame(out, jute::kNotificationXid, zxid);
  jute::append(
      out, jute::WatcherEvent{static_cast<std::int32_t>(type), jute::kSyncConnectedState, path});
  frame.finish();
}

}  // namespace synod::replica
