// What the models say to each other, in native frames. One form for all: they are compared by who
// leads, not by their bytes.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "consensus/engine.h"

namespace synod::sim::models {

struct Message {
  enum class Kind : std::uint8_t {
    kPrepare,          // p1a: promise me this ballot; also its sender's sign of life
    kStartViewChange,  // this view should begin
    kPromise,          // p1b, DoViewChange: `accepted`, `position` (the log's end), `committed`
    kFetch,            // entries after `position` are wanted of who has the log to take over
    kFetched,          // they are
    kSync,             // StartView, or all p2a at once: what follows on `position`, `committed`
    kAppend,           // p2a, Prepare: what follows on `position`, `committed`
    kAppended,         // p2b, PrepareOk: everything up to `position` is on disk
    kBeat,             // the leader's sign of life: `round`, `committed`
    kBeatReply,        // `round`
    kRefused,          // `epoch`, which is higher, is promised
  } kind{};
  std::uint32_t epoch = 0;     // a ballot, a view
  std::uint32_t accepted = 0;  // under which the log was last made a leader's
  Zxid position;
  Zxid committed;
  std::uint64_t round = 0;
  std::vector<consensus::Entry> entries;
};

[[nodiscard]] Bytes encode(const Message& message);
// The error says what is wrong with it.
[[nodiscard]] std::expected<Message, std::string> decode(BytesView bytes);

}  // namespace synod::sim::models
