// The records of the client protocol, in ZooKeeper's field order (zookeeper.jute).
// Requests hold views into the frame they were read from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "jute/codec.h"

namespace synod::jute {

// An entry of an access list. As a request carries it, null scheme or id included.
struct AclView {
  std::int32_t perms = 0;
  NullableView scheme;
  NullableView id;
  static void fields(auto& self, auto&& visit) { visit(self.perms, self.scheme, self.id); }
};

// The same, owned: what the tree stores.
struct Acl {
  std::int32_t perms = 0;
  std::string scheme;
  std::string id;
  static void fields(auto& self, auto&& visit) { visit(self.perms, self.scheme, self.id); }
  friend auto operator<=>(const Acl&, const Acl&) = default;
};
using AclList = std::vector<Acl>;
using NullableAclViews = std::optional<std::vector<AclView>>;

// What a client sees of a node.
struct Stat {
  Zxid czxid;
  Zxid mzxid;
  std::int64_t ctime = 0;  // ms since 1970
  std::int64_t mtime = 0;  // ms since 1970
  std::int32_t version = 0;
  std::int32_t cversion = 0;
  std::int32_t aversion = 0;
  std::int64_t ephemeral_owner = 0;
  std::int32_t data_length = 0;
  std::int32_t num_children = 0;
  Zxid pzxid;
  static void fields(auto& self, auto&& visit) {
    visit(self.czxid, self.mzxid, self.ctime, self.mtime, self.version, self.cversion,
          self.aversion, self.ephemeral_owner, self.data_length, self.num_children, self.pzxid);
  }
  friend bool operator==(const Stat&, const Stat&) = default;
};

// What disks and digests see of a node: cversion counts creations only, the owner is encoded.
struct StatPersisted {
  Zxid czxid;
  Zxid mzxid;
  std::int64_t ctime = 0;
  std::int64_t mtime = 0;
  std::int32_t version = 0;
  std::int32_t cversion = 0;
  std::int32_t aversion = 0;
  std::int64_t ephemeral_owner = 0;
  Zxid pzxid;
  static void fields(auto& self, auto&& visit) {
    visit(self.czxid, self.mzxid, self.ctime, self.mtime, self.version, self.cversion,
          self.aversion, self.ephemeral_owner, self.pzxid);
  }
  friend bool operator==(const StatPersisted&, const StatPersisted&) = default;
};

struct ConnectRequest {
  std::int32_t protocol_version = 0;
  Zxid last_zxid_seen;
  std::int32_t timeout_ms = 0;
  SessionId session_id;
  NullableView password;
  static void fields(auto& self, auto&& visit) {
    visit(self.protocol_version, self.last_zxid_seen, self.timeout_ms, self.session_id,
          self.password);
  }
};

struct ConnectResponse {
  std::int32_t protocol_version = 0;
  std::int32_t timeout_ms = 0;
  SessionId session_id;
  NullableView password;
  static void fields(auto& self, auto&& visit) {
    visit(self.protocol_version, self.timeout_ms, self.session_id, self.password);
  }
};

struct RequestHeader {
  std::int32_t xid = 0;
  std::int32_t type = 0;
  static void fields(auto& self, auto&& visit) { visit(self.xid, self.type); }
};

struct ReplyHeader {
  std::int32_t xid = 0;
  Zxid zxid;
  std::int32_t err = 0;
  static void fields(auto& self, auto&& visit) { visit(self.xid, self.zxid, self.err); }
};

struct MultiHeader {
  std::int32_t type = 0;
  bool done = false;
  std::int32_t err = 0;
  static void fields(auto& self, auto&& visit) { visit(self.type, self.done, self.err); }
};
inline constexpr MultiHeader kMultiEnd{.type = -1, .done = true, .err = -1};

struct AuthPacket {
  std::int32_t type = 0;
  NullableView scheme;
  NullableView auth;
  static void fields(auto& self, auto&& visit) { visit(self.type, self.scheme, self.auth); }
};

struct CreateRequest {
  NullableView path;
  NullableView data;
  NullableAclViews acl;
  std::int32_t flags = 0;
  static void fields(auto& self, auto&& visit) {
    visit(self.path, self.data, self.acl, self.flags);
  }
};

struct CreateTtlRequest {
  NullableView path;
  NullableView data;
  NullableAclViews acl;
  std::int32_t flags = 0;
  std::int64_t ttl_ms = 0;
  static void fields(auto& self, auto&& visit) {
    visit(self.path, self.data, self.acl, self.flags, self.ttl_ms);
  }
};

// delete, check and any other request that is a path and a version.
struct PathVersionRequest {
  NullableView path;
  std::int32_t version = 0;
  static void fields(auto& self, auto&& visit) { visit(self.path, self.version); }
};

struct SetDataRequest {
  NullableView path;
  NullableView data;
  std::int32_t version = 0;
  static void fields(auto& self, auto&& visit) { visit(self.path, self.data, self.version); }
};

struct SetAclRequest {
  NullableView path;
  NullableAclViews acl;
  std::int32_t version = 0;
  static void fields(auto& self, auto&& visit) { visit(self.path, self.acl, self.version); }
};

// exists, getData, getChildren, getChildren2.
struct PathWatchRequest {
  NullableView path;
  bool watch = false;
  static void fields(auto& self, auto&& visit) { visit(self.path, self.watch); }
};

// getACL, sync, getEphemerals, getAllChildrenNumber, and the reply of sync and create.
struct PathRecord {
  NullableView path;
  static void fields(auto& self, auto&& visit) { visit(self.path); }
};

// checkWatches and removeWatches (type), addWatch (mode).
struct PathNumberRequest {
  NullableView path;
  std::int32_t number = 0;
  static void fields(auto& self, auto&& visit) { visit(self.path, self.number); }
};

using NullablePaths = std::optional<std::vector<NullableView>>;

struct SetWatchesRequest {
  Zxid relative_zxid;
  NullablePaths data_watches;
  NullablePaths exist_watches;
  NullablePaths child_watches;
  static void fields(auto& self, auto&& visit) {
    visit(self.relative_zxid, self.data_watches, self.exist_watches, self.child_watches);
  }
};

struct SetWatches2Request {
  Zxid relative_zxid;
  NullablePaths data_watches;
  NullablePaths exist_watches;
  NullablePaths child_watches;
  NullablePaths persistent_watches;
  NullablePaths persistent_recursive_watches;
  static void fields(auto& self, auto&& visit) {
    visit(self.relative_zxid, self.data_watches, self.exist_watches, self.child_watches,
          self.persistent_watches, self.persistent_recursive_watches);
  }
};

struct ReconfigRequest {
  NullableView joining_servers;
  NullableView leaving_servers;
  NullableView new_members;
  std::int64_t current_config_id = 0;
  static void fields(auto& self, auto&& visit) {
    visit(self.joining_servers, self.leaving_servers, self.new_members, self.current_config_id);
  }
};

struct WatcherEvent {
  std::int32_t type = 0;
  std::int32_t state = 0;
  BytesView path;
  static void fields(auto& self, auto&& visit) { visit(self.type, self.state, self.path); }
};

}  // namespace synod::jute
