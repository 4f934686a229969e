// What leader and learners of an ensemble say to each other beside the log, as it stands in
// ServiceMessage::data (reference, quorum protocol section 4.1).
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"
#include "jute/codec.h"
#include "jute/opcode.h"
#include "state/acl.h"

namespace synod::replica {

// A forwarded request; the client's record follows.
struct RequestPrefix {
  SessionId session;
  std::int32_t cxid = 0;
  jute::OpCode type{};
  static void fields(auto& self, auto&& visit) { visit(self.session, self.cxid, self.type); }
};

// One session a learner heard of; a message holds any number, without a count.
struct Touch {
  SessionId session;
  std::int32_t timeout_ms = 0;
  static void fields(auto& self, auto&& visit) { visit(self.session, self.timeout_ms); }
};

// May the session go on at the server that asks?
struct Revalidation {
  SessionId session;
  std::int32_t timeout_ms = 0;
  static void fields(auto& self, auto&& visit) { visit(self.session, self.timeout_ms); }
};
struct RevalidationReply {
  SessionId session;
  bool is_valid = false;
  static void fields(auto& self, auto&& visit) { visit(self.session, self.is_valid); }
};

// A client's identities: count:int, count x (scheme, id); count -1: none were given.
inline void append_identities(Bytes& out, const state::AuthIds* ids) {
  jute::Writer writer(out);
  if (ids == nullptr) return writer.i32(-1);
  writer.i32(static_cast<std::int32_t>(ids->size()));
  for (const state::AuthId& id : *ids) {
    writer.view(BytesView(id.scheme));
    writer.view(BytesView(id.id));
  }
}
[[nodiscard]] inline state::AuthIds identities_of(BytesView encoded) {
  state::AuthIds ids;
  jute::Reader in(encoded);
  for (std::int32_t left = in.i32(); left > 0; --left) {
    const BytesView scheme = in.view().value_or("");
    const BytesView id = in.view().value_or("");
    if (!in.ok()) break;
    ids.push_back({std::string(scheme), std::string(id)});
  }
  return ids;
}

}  // namespace synod::replica
