// What two servers say to each other (consensus.md 4.3, 4.6, 4.11), in the bodies of native frames:
// the configuration that the sender is in, a byte for the kind, then the fields in order. Positions
// are zxids; an index or a length is never sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "consensus/engine.h"
#include "consensus/omnipaxos/ballot.h"

namespace synod::consensus::omnipaxos {

// ---- ballot leader election, all to all ---------------------------------------------------------

// A server's own, never what it heard: gossiped ballots bring the livelock of the chained case.
struct Standing {
  Ballot ballot;  // that it stands with
  Ballot leader;  // that it last elected or promised
  bool is_candidate = false;
  bool is_happy = false;  // it heard its leader in the last round
  bool has_memory = true;
  friend bool operator==(const Standing&, const Standing&) = default;
};

struct HeartbeatRequest {
  std::uint64_t round = 0;
  Standing standing;
  friend bool operator==(const HeartbeatRequest&, const HeartbeatRequest&) = default;
};
struct HeartbeatReply {
  std::uint64_t round = 0;
  Standing standing;
  friend bool operator==(const HeartbeatReply&, const HeartbeatReply&) = default;
};

// ---- taking over --------------------------------------------------------------------------------

// "Prepare me anew": something is missing between us.
struct PrepareReq {
  Ballot promised;
  friend bool operator==(const PrepareReq&, const PrepareReq&) = default;
};
struct Prepare {
  Ballot ballot;
  friend bool operator==(const Prepare&, const Prepare&) = default;
};
//
// A server numbers its promises and its fetches, and what answers one says its number: a server
// that has meanwhile got on is asked, or told, anew, and must not take the answer before for that.
struct Promise {
  Ballot ballot;
  std::uint64_t number = 0;
  Ballot accepted_round;
  // The end of the log, then the end of each epoch before, newest first, as far as memory goes: two
  // logs that share an epoch's entry share all before it, so that the last position of both is
  // found without asking again.
  std::vector<Zxid> ends;
  bool wants_tree = false;  // its log cannot be cut
  bool has_memory = true;
  // Nobody: what it accepted it still has. Otherwise this server has all of that which was chosen.
  ServerId covered_by{};
  friend bool operator==(const Promise&, const Promise&) = default;
};
// The leader lacks what follows on this in the log of who promised.
struct Fetch {
  Ballot ballot;
  std::uint64_t number = 0;
  Zxid after;
  bool wants_tree = false;
  friend bool operator==(const Fetch&, const Fetch&) = default;
};
struct Fetched {
  Ballot ballot;
  std::uint64_t fetch = 0;
  Zxid previous;
  bool is_end = false;
  std::vector<Entry> entries;
};

// ---- accepting ----------------------------------------------------------------------------------

// What the follower has behind `after` is not in the leader's log; what it lacks follows, at least
// up to `end`: with that it has accepted the round.
struct AcceptSync {
  Ballot ballot;
  std::uint64_t promise = 0;
  Zxid after;
  Zxid end;      // of what the leader took over
  Zxid decided;  // now
  friend bool operator==(const AcceptSync&, const AcceptSync&) = default;
};
struct AcceptDecide {
  Ballot ballot;
  Zxid previous;
  Zxid decided;
  std::vector<Entry> entries;
};
struct Decide {
  Ballot ballot;
  Zxid decided;
  friend bool operator==(const Decide&, const Decide&) = default;
};
struct Accepted {
  Ballot ballot;
  Zxid up_to;
  friend bool operator==(const Accepted&, const Accepted&) = default;
};
struct NotAccepted {
  Ballot promised;
  friend bool operator==(const NotAccepted&, const NotAccepted&) = default;
};
// The leader of this round leads no more.
struct Resigned {
  Ballot ballot;
  friend bool operator==(const Resigned&, const Resigned&) = default;
};

// ---- reads --------------------------------------------------------------------------------------

// Have you promised nothing higher?
struct Confirm {
  Ballot ballot;
  std::uint64_t number = 0;
  friend bool operator==(const Confirm&, const Confirm&) = default;
};
struct Confirmed {
  Ballot ballot;
  std::uint64_t number = 0;
  friend bool operator==(const Confirmed&, const Confirmed&) = default;
};

// ---- between configurations: whatever either end is in ------------------------------------------

// On every new connection, and whenever it changes: which membership is decided here. Whatever was
// before it has stopped.
struct Settled {
  std::string text;         // Membership::to_text()
  bool has_memory = false;  // the sender
  bool names_you = false;   // the newest in the sender's log, decided or not, has you
  friend bool operator==(const Settled&, const Settled&) = default;
};
// Where do our logs part, and how much of yours is decided?
struct Survey {
  std::uint64_t number = 0;
  std::vector<Zxid> ends;  // as in a Promise
  friend bool operator==(const Survey&, const Survey&) = default;
};
struct Surveyed {
  std::uint64_t number = 0;
  bool needs_tree = false;  // memory says that nothing is common
  Zxid common;
  std::vector<Zxid> ends;  // of what is decided: its end, then those of the epochs before
  friend bool operator==(const Surveyed&, const Surveyed&) = default;
};
// A part of what is decided: the entries in (after, up_to].
struct Want {
  std::uint64_t number = 0;
  Zxid after;
  Zxid up_to;
  friend bool operator==(const Want&, const Want&) = default;
};
struct Segment {
  std::uint64_t number = 0;
  bool is_end = false;
  bool is_missing = false;  // no more of it can be had here
  std::vector<Entry> entries;
};
// The tree: one that holds only what is decided, or has all of that up to here.
struct WantTree {
  std::uint64_t number = 0;
  Zxid up_to;
  friend bool operator==(const WantTree&, const WantTree&) = default;
};

using Message =
    std::variant<HeartbeatRequest, HeartbeatReply, PrepareReq, Prepare, Promise, Fetch, Fetched,
                 AcceptSync, AcceptDecide, Decide, Accepted, NotAccepted, Resigned, Confirm,
                 Confirmed, Settled, Survey, Surveyed, Want, Segment, WantTree>;

// The configuration is named by the zxid of the stop-sign that began it, which is its membership's
// version; 0: the first.
struct Envelope {
  Zxid configuration;
  Message message;
};
[[nodiscard]] Bytes encode(Zxid configuration, const Message& message);
// Nothing: these bytes are no message.
[[nodiscard]] std::optional<Envelope> decode(BytesView body);

// Ahead of a tree on its own link.
struct SnapshotHead {
  Ballot ballot;             // none: for who comes from another configuration
  std::uint64_t number = 0;  // of the promise, fetch or wish that it answers
  Zxid zxid;
  Zxid decided;  // so much at least; what it holds beyond was accepted by the sender
  friend bool operator==(const SnapshotHead&, const SnapshotHead&) = default;
};
[[nodiscard]] Bytes encode(const SnapshotHead& head);
[[nodiscard]] std::optional<SnapshotHead> decode_snapshot_head(BytesView head);

inline constexpr std::size_t kMaxEnds = 1024;
inline constexpr std::size_t kMaxBatchBytes = std::size_t{1} << 20;

}  // namespace synod::consensus::omnipaxos
