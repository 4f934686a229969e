#include "consensus/omnipaxos/messages.h"

#include <memory>
#include <utility>

#include "consensus/native/frames.h"

namespace synod::consensus::omnipaxos {
namespace {

using native::Fields;
using native::put_bytes;
using native::put_server;
using native::put_u32;
using native::put_u64;
using native::put_u8;
using native::put_zxid;

// One list of a message's fields serves both ways: a Writer puts them, a Reader takes them.
struct Writer {
  Bytes& out;
  void operator()(std::uint64_t number) { put_u64(out, number); }
  void operator()(Zxid zxid) { put_zxid(out, zxid); }
  void operator()(ServerId server) { put_server(out, server); }
  void operator()(Ballot ballot) { put_u32(out, ballot.epoch); }
  void operator()(bool is_so) { put_u8(out, is_so ? 1 : 0); }
  void operator()(const std::string& text) { put_bytes(out, text); }
  void operator()(const std::vector<Zxid>& zxids) {
    put_u32(out, static_cast<std::uint32_t>(zxids.size()));
    for (const Zxid zxid : zxids) put_zxid(out, zxid);
  }
  void operator()(const std::vector<Entry>& entries) {
    put_u32(out, static_cast<std::uint32_t>(entries.size()));
    for (const Entry& entry : entries) {
      put_zxid(out, entry.zxid);
      put_bytes(out, *entry.bytes);
    }
  }
};

struct Reader {
  Fields in;
  bool makes_sense = true;
  void operator()(std::uint64_t& number) { number = in.u64(); }
  void operator()(Zxid& zxid) { zxid = in.zxid(); }
  void operator()(ServerId& server) { server = in.server(); }
  void operator()(Ballot& ballot) {
    ballot.epoch = in.u32();
    if (ballot.round() > Ballot::kLastRound) makes_sense = false;
  }
  void operator()(bool& is_so) {
    const std::uint8_t byte = in.u8();
    if (byte > 1) makes_sense = false;
    is_so = byte == 1;
  }
  void operator()(std::string& text) { text = in.bytes(); }
  // At least the log's end; falling.
  void operator()(std::vector<Zxid>& zxids) {
    const std::size_t count = in.u32();
    if (count == 0 || count > kMaxEnds) makes_sense = false;
    for (std::size_t i = 0; i < count && in.ok() && makes_sense; ++i) {
      const Zxid zxid = in.zxid();
      if (!zxids.empty() && zxid >= zxids.back()) makes_sense = false;
      zxids.push_back(zxid);
    }
  }
  // Rising.
  void operator()(std::vector<Entry>& entries) {
    const std::size_t count = in.u32();
    for (std::size_t i = 0; i < count && in.ok() && makes_sense; ++i) {
      const Zxid zxid = in.zxid();
      const BytesView bytes = in.bytes();
      if (!entries.empty() && zxid <= entries.back().zxid) makes_sense = false;
      if (in.ok()) entries.push_back({zxid, std::make_shared<const Bytes>(bytes)});
    }
  }
};

template <class Visitor, class M>
void visit_fields(Visitor& field, M& m) {
  using T = std::remove_const_t<M>;
  if constexpr (std::is_same_v<T, HeartbeatRequest> || std::is_same_v<T, HeartbeatReply>) {
    field(m.round), field(m.standing.ballot), field(m.standing.leader);
    field(m.standing.is_candidate), field(m.standing.is_happy), field(m.standing.has_memory);
  } else if constexpr (std::is_same_v<T, PrepareReq> || std::is_same_v<T, NotAccepted>) {
    field(m.promised);
  } else if constexpr (std::is_same_v<T, Prepare> || std::is_same_v<T, Resigned>) {
    field(m.ballot);
  } else if constexpr (std::is_same_v<T, Promise>) {
    field(m.ballot), field(m.number), field(m.accepted_round), field(m.ends);
    field(m.wants_tree), field(m.has_memory), field(m.covered_by);
  } else if constexpr (std::is_same_v<T, Fetch>) {
    field(m.ballot), field(m.number), field(m.after), field(m.wants_tree);
  } else if constexpr (std::is_same_v<T, Fetched>) {
    field(m.ballot), field(m.fetch), field(m.previous), field(m.is_end), field(m.entries);
  } else if constexpr (std::is_same_v<T, AcceptSync>) {
    field(m.ballot), field(m.promise), field(m.after), field(m.end), field(m.decided);
  } else if constexpr (std::is_same_v<T, AcceptDecide>) {
    field(m.ballot), field(m.previous), field(m.decided), field(m.entries);
  } else if constexpr (std::is_same_v<T, Decide>) {
    field(m.ballot), field(m.decided);
  } else if constexpr (std::is_same_v<T, Accepted>) {
    field(m.ballot), field(m.up_to);
  } else if constexpr (std::is_same_v<T, Settled>) {
    field(m.text), field(m.has_memory), field(m.names_you);
  } else if constexpr (std::is_same_v<T, Survey>) {
    field(m.number), field(m.ends);
  } else if constexpr (std::is_same_v<T, Surveyed>) {
    field(m.number), field(m.needs_tree), field(m.common), field(m.ends);
  } else if constexpr (std::is_same_v<T, Want>) {
    field(m.number), field(m.after), field(m.up_to);
  } else if constexpr (std::is_same_v<T, Segment>) {
    field(m.number), field(m.is_end), field(m.is_missing), field(m.entries);
  } else if constexpr (std::is_same_v<T, WantTree>) {
    field(m.number), field(m.up_to);
  } else if constexpr (std::is_same_v<T, SnapshotHead>) {
    field(m.ballot), field(m.number), field(m.zxid), field(m.decided);
  } else {
    static_assert(std::is_same_v<T, Confirm> || std::is_same_v<T, Confirmed>);
    field(m.ballot), field(m.number);
  }
}

template <class M>
std::optional<M> read(BytesView fields) {
  Reader reader{Fields(fields)};
  M message;
  visit_fields(reader, message);
  if (!reader.in.is_complete() || !reader.makes_sense) return std::nullopt;
  return message;
}

// The kind is the place in the variant's list: what is there keeps its place.
template <std::size_t kKind = 0>
std::optional<Message> read_kind(std::size_t kind, BytesView fields) {
  if constexpr (kKind == std::variant_size_v<Message>) {
    return std::nullopt;
  } else {
    if (kind != kKind) return read_kind<kKind + 1>(kind, fields);
    return read<std::variant_alternative_t<kKind, Message>>(fields);
  }
}

}  // namespace

Bytes encode(Zxid configuration, const Message& message) {
  Bytes out;
  put_zxid(out, configuration);
  put_u8(out, static_cast<std::uint8_t>(message.index()));
  Writer writer{out};
  std::visit([&](const auto& m) { visit_fields(writer, m); }, message);
  return out;
}

std::optional<Envelope> decode(BytesView body) {
  Fields in(body);
  const Zxid configuration = in.zxid();
  const std::uint8_t kind = in.u8();
  if (!in.ok()) return std::nullopt;
  auto message = read_kind(kind, in.rest());
  if (!message) return std::nullopt;
  return Envelope{configuration, *std::move(message)};
}

Bytes encode(const SnapshotHead& head) {
  Bytes out;
  Writer writer{out};
  visit_fields(writer, head);
  return out;
}

std::optional<SnapshotHead> decode_snapshot_head(BytesView head) {
  return read<SnapshotHead>(head);
}

}  // namespace synod::consensus::omnipaxos
