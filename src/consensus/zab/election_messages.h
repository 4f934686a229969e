// What travels on the election port (reference, quorum protocol 2.2, 2.3, 3.1): first, from who
// dialled, an initial message; then, both ways, notifications in frames (int length | payload).
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "consensus/engine.h"

namespace synod::consensus::zab {

// A claim to leadership: the order of votes is (peer_epoch, zxid, leader), the larger wins.
struct Vote {
  ServerId leader;
  Zxid zxid;
  std::int64_t round = 0;  // of elections, the voter's logical clock
  std::int64_t peer_epoch = 0;
  friend bool operator==(const Vote&, const Vote&) = default;
};
[[nodiscard]] bool is_better(const Vote& candidate, const Vote& than);

// What a server that may not vote puts in place of leader, zxid and peer epoch.
inline constexpr std::int64_t kNoVote = std::numeric_limits<std::int64_t>::min();
// The zxid in the vote of a server without memory: it is not counted.
inline constexpr Zxid kNoMemoryZxid{-1};

// ---- notifications ----------------------------------------------------------------------------

//   int state | long leader | long zxid | long round | long peer epoch | int version | int length,
//   config
struct Notification {
  Role state = Role::kLooking;  // of the sender
  Vote vote;
  std::int32_t version = 2;
  std::string config;  // the sender's membership as text
};
[[nodiscard]] Bytes encode_notification(const Notification& notification);
// Nothing if it has to be ignored: a length that no version has, an unknown state.
[[nodiscard]] std::optional<Notification> decode_notification(BytesView payload);

inline constexpr std::size_t kMaxFrameBytes = 524'288;  // of payload; the least is 1

[[nodiscard]] Bytes framed(BytesView payload);

// ---- the initial message ----------------------------------------------------------------------

//   long version | long server | int length | host:port, more behind '|'
struct InitialMessage {
  ServerId server;
  std::vector<Endpoint> addresses;  // without wildcards: only what can be dialled
};
// Who does not give its number: an observer without one.
inline constexpr ServerId kAnonymous{std::numeric_limits<std::int64_t>::max()};

[[nodiscard]] Bytes encode_initial_message(ServerId server, const std::vector<Endpoint>& addresses);

struct InitialMessageFound {
  InitialMessage message;
  std::size_t size;  // of the message; frames follow it
};
enum class InitialMessageProblem { kIncomplete, kMalformed };
[[nodiscard]] std::expected<InitialMessageFound, InitialMessageProblem> find_initial_message(
    BytesView bytes);

}  // namespace synod::consensus::zab
