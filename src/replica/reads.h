// Requests that change nothing and are answered from this server's tree (reference:
// FinalRequestProcessor). Paths are not validated: an unknown string is simply no node.
#pragma once

#include "base/bytes.h"
#include "jute/opcode.h"
#include "replica/lane.h"
#include "state/acl.h"
#include "state/watch_table.h"

namespace synod::replica {

// Who asks.
struct Reader {
  Lane& lane;
  state::Watcher& watcher;
  const state::AuthIds& ids;
  const state::AccessRule& access;
  SessionId session;

  [[nodiscard]] bool may(state::AclId acl, std::int32_t wanted) const {
    return access.allows(lane.state.tree().acls().list(acl), wanted, ids);
  }
};

[[nodiscard]] bool is_read(jute::OpCode type);
// Its reply says what the tree holds: such reads can be linearizable.
[[nodiscard]] bool shows_tree(jute::OpCode type);

// Appends the reply's body to `out`. With an error other than that of a multiRead the body does not
// count. setWatches and setWatches2 append the frames of events that were missed instead; their
// reply has no body.
[[nodiscard]] jute::ErrorCode read(const Reader& reader, jute::OpCode type, BytesView record,
                                   Bytes& out);

}  // namespace synod::replica
