#include "consensus/raft/messages.h"

#include <array>
#include <memory>
#include <type_traits>

#include "consensus/native/frames.h"

namespace synod::consensus::raft {
namespace {

using native::Fields;

// The first byte of a body.
constexpr std::array kNames{"RequestVote",    "Vote",         "AppendEntries",
                            "Appended",       "Refused",      "Heartbeat",
                            "HeartbeatReply", "SnapshotHead", "TimeoutNow"};
static_assert(kNames.size() == std::variant_size_v<Message>);

constexpr std::uint32_t kLastTerm = 0x7fffffff;  // zxids are signed
constexpr std::size_t kEntryHeadBytes = 12;      // its zxid and length

// ---- writing ----------------------------------------------------------------------------------

std::uint8_t flags(bool first, bool second) {
  return static_cast<std::uint8_t>((first ? 1 : 0) | (second ? 2 : 0));
}

struct Put {
  Bytes& out;

  void operator()(const message::RequestVote& it) {
    native::put_zxid(out, it.last_logged);
    native::put_zxid(out, it.configuration);
    native::put_u8(out, flags(it.is_pre, it.is_transfer));
  }
  void operator()(const message::Vote& it) { native::put_u8(out, flags(it.is_pre, it.is_granted)); }
  void operator()(const message::AppendEntries& it) {
    native::put_zxid(out, it.prev);
    native::put_zxid(out, it.commit);
    native::put_u8(out, flags(it.wants_answer, false));
    native::put_u32(out, static_cast<std::uint32_t>(it.entries.size()));
    for (const Entry& entry : it.entries) {
      native::put_zxid(out, entry.zxid);
      native::put_bytes(out, *entry.bytes);
    }
  }
  void operator()(const message::Appended& it) {
    native::put_zxid(out, it.match);
    native::put_u8(out, flags(it.has_memory, false));
  }
  void operator()(const message::Refused& it) {
    native::put_zxid(out, it.prev);
    native::put_zxid(out, it.hint);
    native::put_u8(out, flags(it.needs_tree, it.has_memory));
  }
  void operator()(const message::Heartbeat& it) {
    native::put_u64(out, it.round);
    native::put_zxid(out, it.commit);
    native::put_zxid(out, it.leader_commit);
    native::put_u8(out, flags(it.is_synchronised, false));
  }
  void operator()(const message::HeartbeatReply& it) {
    native::put_u64(out, it.round);
    native::put_u8(out, flags(it.has_memory, false));
  }
  void operator()(const message::SnapshotHead& it) {
    native::put_zxid(out, it.zxid);
    native::put_bytes(out, it.settled);
  }
  void operator()(const message::TimeoutNow&) {}
};

// ---- reading ----------------------------------------------------------------------------------

struct Flags {
  bool first;
  bool second;
};

// Takes what Put wrote; `problem` says what makes no sense.
struct Take {
  Fields& in;
  std::uint32_t term;
  std::string problem = {};

  Flags flags() {
    const std::uint8_t bits = in.u8();
    if (bits > 3) problem = "flags that are not known";
    return {(bits & 1) != 0, (bits & 2) != 0};
  }
  bool flag() {
    const Flags both = flags();
    if (both.second) problem = "flags that are not known";
    return both.first;
  }
  void operator()(message::RequestVote& it) {
    it.last_logged = in.zxid();
    it.configuration = in.zxid();
    const Flags set = flags();
    it.is_pre = set.first;
    it.is_transfer = set.second;
  }
  void operator()(message::Vote& it) {
    const Flags set = flags();
    it.is_pre = set.first;
    it.is_granted = set.second;
  }
  void operator()(message::AppendEntries& it) {
    it.prev = in.zxid();
    it.commit = in.zxid();
    it.wants_answer = flag();
    const std::size_t count = in.u32();
    if (count > in.rest().size() / kEntryHeadBytes) {
      problem = "more entries than bytes";
      return;
    }
    it.entries.reserve(count);
    Zxid last = it.prev;
    for (std::size_t i = 0; i < count && in.ok(); ++i) {
      const Zxid zxid = in.zxid();
      const bool is_behind = zxid > last && zxid.epoch() <= term;  // so `last` has a next
      if (!is_behind || (zxid != last.next() && zxid.epoch() <= last.epoch())) {
        problem = "entries out of order";
        return;
      }
      last = zxid;
      it.entries.push_back({zxid, std::make_shared<const Bytes>(in.bytes())});
    }
  }
  void operator()(message::Appended& it) {
    it.match = in.zxid();
    it.has_memory = flag();
  }
  void operator()(message::Refused& it) {
    it.prev = in.zxid();
    it.hint = in.zxid();
    const Flags set = flags();
    it.needs_tree = set.first;
    it.has_memory = set.second;
  }
  void operator()(message::Heartbeat& it) {
    it.round = in.u64();
    it.commit = in.zxid();
    it.leader_commit = in.zxid();
    it.is_synchronised = flag();
  }
  void operator()(message::HeartbeatReply& it) {
    it.round = in.u64();
    it.has_memory = flag();
  }
  void operator()(message::SnapshotHead& it) {
    it.zxid = in.zxid();
    it.settled = in.bytes();
  }
  void operator()(message::TimeoutNow&) {}
};

template <std::size_t kKind = 0>
Message make(std::size_t kind) {
  if constexpr (kKind + 1 < std::variant_size_v<Message>)
    if (kind != kKind) return make<kKind + 1>(kind);
  return Message(std::in_place_index<kKind>);
}

}  // namespace

std::uint32_t term_of(const Message& message) {
  return std::visit([](const auto& it) { return it.term; }, message);
}

const char* name_of(const Message& message) { return kNames.at(message.index()); }

Bytes encode(const Message& message) {
  Bytes out;
  native::put_u8(out, static_cast<std::uint8_t>(message.index()));
  native::put_u32(out, term_of(message));
  std::visit(Put{out}, message);
  return out;
}

std::expected<Message, std::string> decode(BytesView bytes) {
  Fields in(bytes);
  const std::size_t kind = in.u8();
  const std::uint32_t term = in.u32();
  if (kind >= kNames.size()) return std::unexpected("a message of a kind that is not known");
  if (term > kLastTerm) return std::unexpected("a term that no zxid can have");
  Message message = make(kind);
  Take take{in, term};
  std::visit([&](auto& it) { it.term = term; }, message);
  std::visit(take, message);
  if (!take.problem.empty()) return std::unexpected(kNames.at(kind) + (": " + take.problem));
  if (!in.is_complete())
    return std::unexpected(kNames.at(kind) + std::string(" of a wrong length"));
  return message;
}

}  // namespace synod::consensus::raft
