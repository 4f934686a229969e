#include "primary/primary.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/mutation.h"
#include "jute/codec.h"
#include "state/digest.h"
#include "state/paths.h"

namespace synod::primary {
namespace {

using jute::ErrorCode;
using jute::OpCode;
using Refusal = std::unexpected<ErrorCode>;

template <class T>
Bytes record_of(const T& record) {
  return jute::encode(record);
}

std::vector<jute::AclView> views_of(const jute::AclList& list) {
  std::vector<jute::AclView> views;
  views.reserve(list.size());
  for (const jute::Acl& entry : list) views.push_back({entry.perms, entry.scheme, entry.id});
  return views;
}

// Wraps around, as Java's ints do.
std::int32_t next_version(std::int32_t version) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(version) + 1);
}

template <class T>
bool has_path(BytesView body) {
  const auto request = jute::decode<T>(body);
  return request && request->path;
}

bool is_ttl_mode(std::int32_t flags) { return flags == 5 || flags == 6; }
bool is_sequential_mode(std::int32_t flags) { return flags == 2 || flags == 3 || flags == 6; }
bool is_ephemeral_mode(std::int32_t flags) { return flags == 1 || flags == 3; }

// Reference, protocol section 6.1, steps 1 to 3.
std::optional<ErrorCode> mode_problem(OpCode type, std::int32_t flags, std::int64_t ttl_ms,
                                      bool has_extended_types) {
  if (flags < 0 || flags > 6) return ErrorCode::kBadArguments;
  if (is_ttl_mode(flags) && !has_extended_types) return ErrorCode::kUnimplemented;
  // createTTL without a TTL mode would crash Java's server; both must say the same.
  if (is_ttl_mode(flags) != (type == OpCode::kCreateTtl)) return ErrorCode::kBadArguments;
  if (is_ttl_mode(flags) && !state::is_valid_ttl(ttl_ms)) return ErrorCode::kBadArguments;
  return std::nullopt;
}

std::int64_t owner_of(OpCode type, std::int32_t flags, std::int64_t ttl_ms, SessionId session) {
  if (type == OpCode::kCreateContainer) return state::kContainerOwner;
  if (type == OpCode::kCreateTtl) return state::owner_of_ttl(ttl_ms);
  return is_ephemeral_mode(flags) ? session.value : 0;
}

}  // namespace

Primary::Primary(const state::State& state, Options options)
    : state_(state), options_(std::move(options)), overlay_(state) {}

bool is_well_formed(OpCode type, BytesView body) {
  switch (type) {
    case OpCode::kCreate:
    case OpCode::kCreate2:
    case OpCode::kCreateContainer:
      return has_path<jute::CreateRequest>(body);
    case OpCode::kCreateTtl:
      return has_path<jute::CreateTtlRequest>(body);
    case OpCode::kDelete:
      return has_path<jute::PathVersionRequest>(body);
    case OpCode::kSetData:
      return has_path<jute::SetDataRequest>(body);
    case OpCode::kSetAcl:
      return has_path<jute::SetAclRequest>(body);
    case OpCode::kMulti:
      return multi_types(body).has_value();
    case OpCode::kReconfig:
      return jute::decode<jute::ReconfigRequest>(body).has_value();
    case OpCode::kCreateSession:
      return jute::decode<jute::CreateSessionTxn>(body).has_value();
    case OpCode::kCloseSession:
      return true;
    default:
      return false;
  }
}

Prepared Primary::prepare(const Request& request, Zxid zxid, WallTimeMs now) {
  const Context context{request, zxid, now.value};
  if (request.refusal) return refusal(context, *request.refusal);
  const bool is_multi = request.type == OpCode::kMulti;
  if (is_multi || may_outgrow(request)) overlay_.begin();
  jute::Reader body(request.body);
  const Checked record = is_multi ? check_multi(context) : check(context, request.type, body);
  if (!record) {
    overlay_.take_back();  // only a multi can have staged something
    // Of what does not parse only a multi leaves its mark in the log, as in Java. And behind a
    // change of the membership that is not finished some engines log nothing.
    const bool is_traceless = (record.error() == ErrorCode::kMarshallingError && !is_multi) ||
                              record.error() == ErrorCode::kReconfigInProgress;
    return is_traceless ? Prepared{.txn = {}, .error = record.error()}
                        : refusal(context, record.error());
  }
  Prepared prepared;
  prepared.txn.reserve(jute::kTxnHeaderBytes + record->size() + jute::kTxnDigestBytes);
  jute::append(prepared.txn,
               jute::TxnHeader{request.session, request.cxid, zxid, now.value, request.type});
  prepared.txn.append(*record);
  if (options_.writes_digest) {
    jute::append(prepared.txn, jute::TxnDigest{jute::kDigestVersion,
                                               static_cast<std::int64_t>(overlay_.digest())});
  }
  if (prepared.txn.size() > options_.max_txn_bytes) {
    overlay_.take_back();
    return refusal(context, ErrorCode::kBadArguments);
  }
  overlay_.keep();
  return prepared;
}

// A transaction may be longer than its request: counters, and an `auth` entry that becomes one
// entry for each of the caller's identities. What could pass the limit must be possible to take
// back.
bool Primary::may_outgrow(const Request& request) const {
  if (request.type == OpCode::kCloseSession) return false;  // minds its length itself
  const std::size_t identities = request.ids ? request.ids->size() : 0;
  return request.body.size() * (identities + 1) > options_.max_txn_bytes / 4;
}

Prepared Primary::refusal(const Context& context, ErrorCode error) const {
  const jute::TxnHeader header{context.request.session, context.request.cxid, context.zxid,
                               context.time_ms, OpCode::kError};
  return {jute::encode_txn(header, jute::ErrorTxn{error}, std::nullopt), error};
}

// What comes from the client, or from the server itself, except a multi.
Primary::Checked Primary::check(const Context& context, OpCode type, jute::Reader& body) {
  const auto parsed = [&]<class T>(T request, auto&& next) -> Checked {
    jute::read(body, request);
    if (!body.ok()) return Refusal(ErrorCode::kMarshallingError);
    return next(request);
  };
  switch (type) {
    case OpCode::kCreate:
    case OpCode::kCreate2:
    case OpCode::kCreateContainer:
      return parsed(jute::CreateRequest{}, [&](const auto& r) {
        return check_create(context, {type, r.path, r.data, r.acl, r.flags});
      });
    case OpCode::kCreateTtl:
      return parsed(jute::CreateTtlRequest{}, [&](const auto& r) {
        return check_create(context, {type, r.path, r.data, r.acl, r.flags, r.ttl_ms});
      });
    case OpCode::kDelete:
      return parsed(jute::PathVersionRequest{},
                    [&](const auto& r) { return check_delete(context, r); });
    case OpCode::kDeleteContainer:
      return check_delete_container(context, context.request.body);
    case OpCode::kSetData:
      return parsed(jute::SetDataRequest{},
                    [&](const auto& r) { return check_set_data(context, r); });
    case OpCode::kSetAcl:
      return parsed(jute::SetAclRequest{},
                    [&](const auto& r) { return check_set_acl(context, r); });
    case OpCode::kCheck:
      return parsed(jute::PathVersionRequest{},
                    [&](const auto& r) { return check_version(context, r); });
    case OpCode::kReconfig: {
      jute::ReconfigRequest request;
      jute::read(body, request);
      return body.ok() ? check_reconfig(context) : Refusal(ErrorCode::kMarshallingError);
    }
    case OpCode::kCreateSession:
      return open_session(context, body);
    case OpCode::kCloseSession:
      return close_session(context);
    default:
      return Refusal(ErrorCode::kMarshallingError);
  }
}

// Reference, protocol section 6.1.
Primary::Checked Primary::check_create(const Context& context, const Creation& creation) {
  const bool has_extended_types = state_.tree().rules().extended_types;
  if (const auto problem =
          mode_problem(creation.type, creation.flags, creation.ttl_ms, has_extended_types))
    return Refusal(*problem);
  if (const auto problem = session_problem(context.request, is_ephemeral_mode(creation.flags)))
    return Refusal(*problem);
  if (!creation.path) return Refusal(ErrorCode::kMarshallingError);
  std::string path(*creation.path);
  if (path.find('/') == std::string::npos || path.find('\0') != std::string::npos)
    return Refusal(ErrorCode::kBadArguments);
  const auto acl = resolve_acl(creation.acl, *context.request.ids, options_.schemes);
  if (!acl) return Refusal(ErrorCode::kInvalidAcl);
  const std::string parent_path(state::parent_of(path));
  auto parent = overlay_.find(parent_path);
  if (!parent) return Refusal(ErrorCode::kNoNode);
  if (!may(context, *parent, jute::perms::kCreate)) return Refusal(ErrorCode::kNoAuth);
  if (is_sequential_mode(creation.flags)) path += fmt::format("{:010}", parent->stat.cversion);
  if (!state::is_valid_path(path)) return Refusal(ErrorCode::kBadArguments);
  if (state::is_poisonous_quota(path, creation.data)) return Refusal(ErrorCode::kBadArguments);
  if (overlay_.find(path)) return Refusal(ErrorCode::kNodeExists);
  if (state_.tree().rules().kind(parent->stat.ephemeral_owner) == state::OwnerKind::kEphemeral)
    return Refusal(ErrorCode::kNoChildrenForEphemerals);
  const auto data_size = static_cast<std::uint32_t>(creation.data.value_or("").size());
  if (const auto problem = quota_problem(path, data_size, 1)) return Refusal(*problem);

  // The counter sticks at its end: the tree would ignore a smaller one.
  if (parent->stat.cversion != INT32_MAX) {
    ++parent->stat.cversion;
    parent->stat.pzxid = context.zxid;
  }
  ++parent->child_count;
  const std::int32_t parent_cversion = parent->stat.cversion;
  const std::int64_t owner =
      owner_of(creation.type, creation.flags, creation.ttl_ms, context.request.session);
  overlay_.stage(context.zxid, parent_path, std::move(parent));
  overlay_.stage(context.zxid, path,
                 NodeView{.stat = {.czxid = context.zxid,
                                   .mzxid = context.zxid,
                                   .ctime = context.time_ms,
                                   .mtime = context.time_ms,
                                   .ephemeral_owner = owner,
                                   .pzxid = context.zxid},
                          .data_size = data_size,
                          .prefix_crc = state::digest_prefix(path, creation.data),
                          .acl_id = {},
                          .acl = std::make_shared<const jute::AclList>(*acl)});
  const auto views = views_of(*acl);
  if (creation.type == OpCode::kCreateContainer)
    return record_of(jute::CreateContainerTxn{path, creation.data, views, parent_cversion});
  if (creation.type == OpCode::kCreateTtl)
    return record_of(
        jute::CreateTtlTxn{path, creation.data, views, parent_cversion, creation.ttl_ms});
  return record_of(jute::CreateTxn{path, creation.data, views, is_ephemeral_mode(creation.flags),
                                   parent_cversion});
}

// Reference, protocol section 6.2. The path is not validated in full: "/a/" is simply not there.
Primary::Checked Primary::check_delete(const Context& context,
                                       const jute::PathVersionRequest& request) {
  if (const auto problem = session_problem(context.request)) return Refusal(*problem);
  if (!request.path) return Refusal(ErrorCode::kMarshallingError);
  const std::string_view path = *request.path;
  if (path.find('/') == std::string_view::npos || path.find('\0') != std::string_view::npos ||
      state::is_protected(path))
    return Refusal(ErrorCode::kBadArguments);
  const auto parent = overlay_.find(state::parent_of(path));
  if (!parent) return Refusal(ErrorCode::kNoNode);
  if (!may(context, *parent, jute::perms::kDelete)) return Refusal(ErrorCode::kNoAuth);
  const auto node = overlay_.find(path);
  if (!node) return Refusal(ErrorCode::kNoNode);
  if (request.version != -1 && request.version != node->stat.version)
    return Refusal(ErrorCode::kBadVersion);
  if (node->child_count > 0) return Refusal(ErrorCode::kNotEmpty);
  overlay_.stage(context.zxid, path, std::nullopt);
  stage_child_gone(context, path);
  return record_of(jute::DeleteTxn{path});
}

// The server's own request: no session, no access list.
Primary::Checked Primary::check_delete_container(const Context& context, std::string_view path) {
  const auto node = overlay_.find(path);
  if (!node || path.empty() || state::is_protected(path)) return Refusal(ErrorCode::kNoNode);
  if (node->child_count > 0) return Refusal(ErrorCode::kNotEmpty);
  if (state_.tree().rules().kind(node->stat.ephemeral_owner) == state::OwnerKind::kEphemeral)
    return Refusal(ErrorCode::kBadVersion);
  overlay_.stage(context.zxid, path, std::nullopt);
  stage_child_gone(context, path);
  return record_of(jute::DeleteTxn{path});
}

void Primary::stage_child_gone(const Context& context, std::string_view path) {
  const std::string_view parent_path = state::parent_of(path);
  auto parent = overlay_.find(parent_path);
  if (!parent) return;
  --parent->child_count;
  parent->stat.pzxid = std::max(parent->stat.pzxid, context.zxid);
  overlay_.stage(context.zxid, parent_path, std::move(parent));
}

// Reference, protocol section 6.3: quota before version.
Primary::Checked Primary::check_set_data(const Context& context,
                                         const jute::SetDataRequest& request) {
  const std::string_view path = request.path.value_or("");  // null is as little a path as ""
  if (const auto problem = session_problem(context.request)) return Refusal(*problem);
  if (!state::is_valid_path(path)) return Refusal(ErrorCode::kBadArguments);
  if (state::is_poisonous_quota(path, request.data)) return Refusal(ErrorCode::kBadArguments);
  auto node = overlay_.find(path);
  if (!node) return Refusal(ErrorCode::kNoNode);
  if (!may(context, *node, jute::perms::kWrite)) return Refusal(ErrorCode::kNoAuth);
  const auto data_size = static_cast<std::uint32_t>(request.data.value_or("").size());
  const std::int64_t growth = static_cast<std::int64_t>(data_size) - node->data_size;
  if (const auto problem = quota_problem(path, growth, 0)) return Refusal(*problem);
  if (request.version != -1 && request.version != node->stat.version)
    return Refusal(ErrorCode::kBadVersion);
  const std::int32_t version = next_version(node->stat.version);
  node->stat.version = version;
  node->stat.mzxid = context.zxid;
  node->stat.mtime = context.time_ms;
  node->data_size = data_size;
  node->prefix_crc = state::digest_prefix(path == "/" ? "" : path, request.data);
  overlay_.stage(context.zxid, path, std::move(node));
  return record_of(jute::SetDataTxn{path, request.data, version});
}

// Reference, protocol section 6.4.
Primary::Checked Primary::check_set_acl(const Context& context,
                                        const jute::SetAclRequest& request) {
  const std::string_view path = request.path.value_or("");  // null is as little a path as ""
  if (const auto problem = session_problem(context.request)) return Refusal(*problem);
  if (!state::is_valid_path(path)) return Refusal(ErrorCode::kBadArguments);
  const auto acl = resolve_acl(request.acl, *context.request.ids, options_.schemes);
  if (!acl) return Refusal(ErrorCode::kInvalidAcl);
  auto node = overlay_.find(path);
  if (!node) return Refusal(ErrorCode::kNoNode);
  if (!may(context, *node, jute::perms::kAdmin)) return Refusal(ErrorCode::kNoAuth);
  if (request.version != -1 && request.version != node->stat.aversion)
    return Refusal(ErrorCode::kBadVersion);
  const std::int32_t version = next_version(node->stat.aversion);
  node->stat.aversion = version;
  node->acl = std::make_shared<const jute::AclList>(*acl);
  overlay_.stage(context.zxid, path, std::move(node));
  return record_of(jute::SetAclTxn{path, views_of(*acl), version});
}

// Reference, protocol section 6.5; only inside a multi.
Primary::Checked Primary::check_version(const Context& context,
                                        const jute::PathVersionRequest& request) {
  if (const auto problem = session_problem(context.request)) return Refusal(*problem);
  const std::string_view path = request.path.value_or("");
  if (!state::is_valid_path(path)) return Refusal(ErrorCode::kBadArguments);
  const auto node = overlay_.find(path);
  if (!node) return Refusal(ErrorCode::kNoNode);
  if (!may(context, *node, jute::perms::kRead)) return Refusal(ErrorCode::kNoAuth);
  if (request.version != -1 && request.version != node->stat.version)
    return Refusal(ErrorCode::kBadVersion);
  return record_of(jute::CheckVersionTxn{path, next_version(node->stat.version)});
}

// Reference, protocol section 6.6: a standalone server has no membership to change. The access list
// comes last.
Primary::Checked Primary::check_reconfig(const Context& context) {
  if (!options_.allows_reconfig) return Refusal(ErrorCode::kReconfigDisabled);
  if (const auto problem = session_problem(context.request)) return Refusal(*problem);
  const auto& membership = context.request.membership;
  if (!membership) return Refusal(ErrorCode::kUnimplemented);
  if (!*membership) return Refusal(membership->error());
  const auto node = overlay_.find(state::kConfigPath);
  if (!node || !may(context, *node, jute::perms::kWrite)) return Refusal(ErrorCode::kNoAuth);
  return record_of(jute::SetDataTxn{state::kConfigPath, **membership, -1});
}

Primary::Checked Primary::open_session(const Context& context, jute::Reader& body) {
  jute::CreateSessionTxn txn;
  jute::read(body, txn);
  if (!body.ok()) return Refusal(ErrorCode::kMarshallingError);
  opening_[context.request.session] = context.zxid;
  return record_of(txn);
}

// The list is a service to readers of the log. Where it would not fit it stays empty: applying the
// record removes all of the session's ephemerals all the same.
Primary::Checked Primary::close_session(const Context& context) {
  const SessionId session = context.request.session;
  const std::vector<std::string> paths = overlay_.ephemerals_of(session);
  for (const std::string& path : paths) {
    overlay_.stage(context.zxid, path, std::nullopt);
    stage_child_gone(context, path);
  }
  closing_[session] = context.zxid;
  if (!options_.writes_closed_paths) return Bytes();
  jute::CloseSessionTxn txn;
  txn.paths.assign(paths.begin(), paths.end());
  Bytes record = record_of(txn);
  const std::size_t room = options_.max_txn_bytes - jute::kTxnHeaderBytes - jute::kTxnDigestBytes;
  return record.size() <= room ? record : record_of(jute::CloseSessionTxn{});
}

std::optional<ErrorCode> Primary::session_problem(const Request& request,
                                                  bool for_ephemeral) const {
  if (request.is_local_session && !for_ephemeral) return std::nullopt;
  const SessionId session = request.session;
  if (is_mutated(Mutation::kClosedSessionWrites)) return std::nullopt;
  if (closing_.contains(session)) return ErrorCode::kSessionExpired;
  if (!is_open(session)) return ErrorCode::kUnknownSession;
  return std::nullopt;
}

bool Primary::is_open(SessionId session) const {
  return !closing_.contains(session) &&
         (state_.sessions().contains(session) || opening_.contains(session));
}

bool Primary::may(const Context& context, const NodeView& node, std::int32_t wanted) const {
  return options_.access.allows(overlay_.acl_of(node), wanted, *context.request.ids);
}

// Counts what is applied, not what is outstanding, as ZooKeeper does.
std::optional<ErrorCode> Primary::quota_problem(std::string_view path, std::int64_t bytes,
                                                std::int64_t count) const {
  if (!options_.enforces_quota) return std::nullopt;
  const std::string_view prefix = state_.quotas().prefix_of(path);
  if (prefix.empty()) return std::nullopt;
  const state::Node* limits_node = state_.quotas().limits_node(prefix);
  const state::Node* stats_node = state_.quotas().stats_node(prefix);
  if (limits_node == nullptr || stats_node == nullptr) return std::nullopt;
  const auto limits = state::QuotaText::parse(limits_node->data.view().value_or(""));
  const auto usage = state::QuotaText::parse(stats_node->data.view().value_or(""));
  if (!limits || !usage) return ErrorCode::kMarshallingError;
  const auto exceeds = [](std::int64_t hard_limit, std::int64_t used, std::int64_t more) {
    return hard_limit > -1 && more != 0 && used + more > hard_limit;
  };
  if (exceeds(limits->count_hard_limit, usage->count, count) ||
      exceeds(limits->byte_hard_limit, usage->bytes, bytes))
    return ErrorCode::kQuotaExceeded;
  return std::nullopt;
}

void Primary::applied(Zxid up_to) {
  overlay_.applied(up_to);
  const auto is_applied = [&](const auto& entry) { return entry.second <= up_to; };
  if (!opening_.empty()) std::erase_if(opening_, is_applied);
  if (!closing_.empty()) std::erase_if(closing_, is_applied);
}

}  // namespace synod::primary
