// Raft's messages (paper, figure 2), as frames' bodies. A position is a zxid: it says index and
// term at once, so that "do you have the entry at prev?" is one comparison (consensus.md 2).
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "consensus/engine.h"

namespace synod::consensus::raft {

namespace message {

// Also PreVote: then `term` is the one that the sender would campaign in, and nothing is changed by
// asking.
struct RequestVote {
  std::uint32_t term = 0;
  Zxid last_logged;
  Zxid configuration;  // the version of the newest in the sender's log; 0: its own files'
  bool is_pre = false;
  bool is_transfer = false;  // its leader wants it: whoever hears that leader listens all the same
  friend bool operator==(const RequestVote&, const RequestVote&) = default;
};
// A granted PreVote carries the term that was asked about, everything else the sender's own.
struct Vote {
  std::uint32_t term = 0;
  bool is_pre = false;
  bool is_granted = false;
  friend bool operator==(const Vote&, const Vote&) = default;
};
struct AppendEntries {
  std::uint32_t term = 0;
  Zxid prev;
  Zxid commit;
  bool wants_answer = false;  // also if there is nothing new in it
  std::vector<Entry> entries;
};
// Everything up to `match` is as the leader has it, and on disk.
struct Appended {
  std::uint32_t term = 0;
  Zxid match;
  bool has_memory = false;  // it counts: see Beginning::has_memory
  friend bool operator==(const Appended&, const Appended&) = default;
};
// There is no entry at `prev`; `hint` is the last one before it.
struct Refused {
  std::uint32_t term = 0;
  Zxid prev;
  Zxid hint;
  bool needs_tree = false;  // entries cannot repair this log
  bool has_memory = false;
  friend bool operator==(const Refused&, const Refused&) = default;
};
struct Heartbeat {
  std::uint32_t term = 0;
  std::uint64_t round = 0;
  Zxid commit;                   // of what the receiver is known to have
  Zxid leader_commit;            // of all
  bool is_synchronised = false;  // who had no memory has one again
  friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};
// Also what an older term's AppendEntries or Heartbeat gets: so its leader learns of the newer.
struct HeartbeatReply {
  std::uint32_t term = 0;
  std::uint64_t round = 0;
  bool has_memory = false;
  friend bool operator==(const HeartbeatReply&, const HeartbeatReply&) = default;
};
// On a link of its own, ahead of the tree. InstallSnapshot of the paper.
struct SnapshotHead {
  std::uint32_t term = 0;
  Zxid zxid;
  std::string settled;  // what the tree's own configuration, if it is joint, is joint with
  friend bool operator==(const SnapshotHead&, const SnapshotHead&) = default;
};
// Leadership transfer: campaign, now.
struct TimeoutNow {
  std::uint32_t term = 0;
  friend bool operator==(const TimeoutNow&, const TimeoutNow&) = default;
};

}  // namespace message

using Message = std::variant<message::RequestVote, message::Vote, message::AppendEntries,
                             message::Appended, message::Refused, message::Heartbeat,
                             message::HeartbeatReply, message::SnapshotHead, message::TimeoutNow>;

[[nodiscard]] std::uint32_t term_of(const Message& message);
[[nodiscard]] const char* name_of(const Message& message);

[[nodiscard]] Bytes encode(const Message& message);
// The error says what is wrong with it. What is accepted makes sense in itself: entries follow one
// another without a gap inside a term, and none is of a later term than the message.
[[nodiscard]] std::expected<Message, std::string> decode(BytesView bytes);

}  // namespace synod::consensus::raft
