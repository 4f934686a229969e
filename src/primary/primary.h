// Request -> transaction: what the leader decides before anything is proposed (reference:
// PrepRequestProcessor). Checks run against the tree plus all outstanding proposals, in ZooKeeper's
// order of precedence; whatever is not a function of the tree (time, sequence number, new version,
// expanded access lists) is fixed here and written into the transaction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "jute/opcode.h"
#include "jute/records.h"
#include "jute/txn.h"
#include "primary/access.h"
#include "primary/overlay.h"
#include "state/state.h"

namespace synod::primary {

struct Request {
  SessionId session;      // 0 for the server's own (deleteContainer)
  std::int32_t cxid = 0;  // the client's xid; 0 for the server's own
  jute::OpCode type{};
  Bytes body;  // the request record, header not included
  std::shared_ptr<const state::AuthIds> ids;
  // Refused already, for a reason that is not of the tree; the record of it is still to be made.
  std::optional<jute::ErrorCode> refusal;
  // Of a reconfig in an ensemble: the text of the new membership, or why it can't be. None: there
  // is no ensemble.
  std::optional<std::expected<std::string, jute::ErrorCode>> membership;
  // A local session: its server alone knows of it, and it owns nothing (quorum protocol 5.9).
  bool is_local_session = false;
};

// Would the body be read to its end? What is not must be answered where it came in: a Java leader
// that is sent such a request never commits again (reference, quorum protocol section 5.2).
[[nodiscard]] bool is_well_formed(jute::OpCode type, BytesView body);
// Does the request, or a part of it, ask for an ephemeral node?
[[nodiscard]] bool wants_ephemeral(jute::OpCode type, BytesView body);

// What the parts of a multi are, as its reply calls them. Nothing: the body is no well-formed multi
// of writes.
[[nodiscard]] std::optional<std::vector<jute::OpCode>> multi_types(BytesView body);

struct Options {
  state::AccessRule access;
  AccessSchemes schemes;
  bool enforces_quota = false;
  bool allows_reconfig = false;
  bool writes_digest = true;
  bool writes_closed_paths = true;        // zookeeper.closeSessionTxn.enabled
  std::size_t max_txn_bytes = 2'097'150;  // what a restarting Java server still reads
};

struct Prepared {
  Bytes txn;  // empty: nothing to propose, answer `error` once all earlier requests are answered
  jute::ErrorCode error =
      jute::ErrorCode::kOk;  // why the transaction is only the record of a refusal
};

class Primary {
 public:
  Primary(const state::State& state, Options options);

  // Every write becomes a transaction, refused ones too; only a request that does not parse leaves
  // no trace.
  [[nodiscard]] Prepared prepare(const Request& request, Zxid zxid, WallTimeMs now);

  // Transactions up to here are in the tree: their share of the overlay is dropped.
  void applied(Zxid up_to);

  // The lead is lost: nothing is outstanding any more.
  void forget() { applied(Zxid{INT64_MAX}); }

  // Known and not about to be closed, all proposals considered.
  [[nodiscard]] bool is_open(SessionId session) const;

 private:
  using ErrorCode = jute::ErrorCode;
  // The record of the transaction, or why not.
  using Checked = std::expected<Bytes, ErrorCode>;
  struct Context {
    const Request& request;
    Zxid zxid;
    std::int64_t time_ms = 0;
  };
  struct Creation {
    jute::OpCode type{};
    NullableView path;
    NullableView data;
    const jute::NullableAclViews& acl;
    std::int32_t flags = 0;
    std::int64_t ttl_ms = -1;
  };

  Checked check(const Context& context, jute::OpCode type, jute::Reader& body);
  Checked check_create(const Context& context, const Creation& creation);
  Checked check_delete(const Context& context, const jute::PathVersionRequest& request);
  Checked check_delete_container(const Context& context, std::string_view path);
  Checked check_set_data(const Context& context, const jute::SetDataRequest& request);
  Checked check_set_acl(const Context& context, const jute::SetAclRequest& request);
  Checked check_version(const Context& context, const jute::PathVersionRequest& request);
  Checked check_reconfig(const Context& context);
  Checked open_session(const Context& context, jute::Reader& body);
  Checked close_session(const Context& context);
  Checked check_multi(const Context& context);

  [[nodiscard]] std::optional<ErrorCode> session_problem(const Request& request,
                                                         bool for_ephemeral = false) const;
  [[nodiscard]] bool may(const Context& context, const NodeView& node, std::int32_t wanted) const;
  [[nodiscard]] std::optional<ErrorCode> quota_problem(std::string_view path, std::int64_t bytes,
                                                       std::int64_t count) const;
  void stage_child_gone(const Context& context, std::string_view path);
  [[nodiscard]] Prepared refusal(const Context& context, ErrorCode error) const;
  [[nodiscard]] bool may_outgrow(const Request& request) const;

  const state::State& state_;
  Options options_;
  Overlay overlay_;
  std::map<SessionId, Zxid> opening_;  // proposed, not applied
  std::map<SessionId, Zxid> closing_;
};

}  // namespace synod::primary
