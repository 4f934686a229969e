// The records of the transaction log (zookeeper.jute, package txn): what changed, after all checks.
// Decoded records hold views into the log's bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "jute/codec.h"
#include "jute/opcode.h"
#include "jute/records.h"

namespace synod::jute {

struct TxnHeader {
  SessionId client_id;
  std::int32_t cxid = 0;
  Zxid zxid;
  std::int64_t time_ms = 0;  // the leader's wall clock
  OpCode type{};
  static void fields(auto& self, auto&& visit) {
    visit(self.client_id, self.cxid, self.zxid, self.time_ms, self.type);
  }
};
inline constexpr std::size_t kTxnHeaderBytes = 32;

inline void read(Reader& in, OpCode& field) { field = static_cast<OpCode>(in.i32()); }
inline void write(Writer& out, OpCode field) { out.i32(static_cast<std::int32_t>(field)); }
inline void read(Reader& in, ErrorCode& field) { field = static_cast<ErrorCode>(in.i32()); }
inline void write(Writer& out, ErrorCode field) { out.i32(static_cast<std::int32_t>(field)); }

// Digest of the whole tree after the transaction. Version 2 is the only one compared.
struct TxnDigest {
  std::int32_t version = 0;
  std::int64_t tree_digest = 0;
  static void fields(auto& self, auto&& visit) { visit(self.version, self.tree_digest); }
};
inline constexpr std::int32_t kDigestVersion = 2;
inline constexpr std::size_t kTxnDigestBytes = 12;

// create, create2. Its 3.3 form lacks the last field, which then reads as -1.
struct CreateTxn {
  BytesView path;
  NullableView data;
  std::vector<AclView> acl;
  bool ephemeral = false;
  std::int32_t parent_cversion = 0;  // the parent's new stored cversion; -1: one more than it has
  static void fields(auto& self, auto&& visit) {
    visit(self.path, self.data, self.acl, self.ephemeral, self.parent_cversion);
  }
};

struct CreateContainerTxn {
  BytesView path;
  NullableView data;
  std::vector<AclView> acl;
  std::int32_t parent_cversion = 0;
  static void fields(auto& self, auto&& visit) {
    visit(self.path, self.data, self.acl, self.parent_cversion);
  }
};

struct CreateTtlTxn {
  BytesView path;
  NullableView data;
  std::vector<AclView> acl;
  std::int32_t parent_cversion = 0;
  std::int64_t ttl_ms = 0;
  static void fields(auto& self, auto&& visit) {
    visit(self.path, self.data, self.acl, self.parent_cversion, self.ttl_ms);
  }
};

// delete, deleteContainer.
struct DeleteTxn {
  BytesView path;
  static void fields(auto& self, auto&& visit) { visit(self.path); }
};

// setData, reconfig. The version is the new one.
struct SetDataTxn {
  BytesView path;
  NullableView data;
  std::int32_t version = 0;
  static void fields(auto& self, auto&& visit) { visit(self.path, self.data, self.version); }
};

struct SetAclTxn {
  BytesView path;
  std::vector<AclView> acl;
  std::int32_t version = 0;  // the new aversion
  static void fields(auto& self, auto&& visit) { visit(self.path, self.acl, self.version); }
};

struct CheckVersionTxn {
  BytesView path;
  std::int32_t version = 0;
  static void fields(auto& self, auto&& visit) { visit(self.path, self.version); }
};

struct CreateSessionTxn {
  std::int32_t timeout_ms = 0;
  static void fields(auto& self, auto&& visit) { visit(self.timeout_ms); }
};

// Logs before 3.6 have no list; neither has one whose list would not have fitted. The session's
// ephemerals go all the same.
struct CloseSessionTxn {
  std::vector<BytesView> paths;
  static void fields(auto& self, auto&& visit) { visit(self.paths); }
};

struct ErrorTxn {
  ErrorCode error{};
  static void fields(auto& self, auto&& visit) { visit(self.error); }
};

}  // namespace synod::jute
