#include "state/state.h"

#include <algorithm>
#include <utility>

#include "state/paths.h"

namespace synod::state {
namespace {

using jute::ErrorCode;
using jute::EventType;
using jute::OpCode;

Outcome refused(OpCode type, ErrorCode error) {
  return {.type = type, .error = error, .path = {}, .stat = {}};
}
Outcome done(OpCode type) { return refused(type, ErrorCode::kOk); }

// Below the root, which has no other name there than "".
bool may_exist(std::string_view path) {
  return path.starts_with('/') && path.size() > 1 && parent_of(path) != "/";
}

const jute::AclList& read_only_list() {
  static const jute::AclList kList{{jute::perms::kRead, "world", "anyone"}};
  return kList;
}

// The nodes that a server makes by itself carry no zxid and no time.
void add_fresh_nodes(Tree& tree) {
  const auto add = [&](std::string_view path, NullableView data, AclId acl, std::int32_t aversion) {
    if (tree.find(path) != nullptr) return;
    tree.create(path, data, acl, {.czxid = {}, .mzxid = {}, .aversion = aversion, .pzxid = {}});
  };
  add(kZookeeperPath, "", kOpenAcl, 0);
  add(kQuotaPath, "", kOpenAcl, 0);
  if (tree.find(kConfigPath) == nullptr) {
    add(kConfigPath, "", tree.acls().acquire(read_only_list()), -1);
  }
}

}  // namespace

State::State(OwnerRules rules) : tree_(rules), quotas_(tree_) { add_fresh_nodes(tree_); }

const ApplyResult& State::apply(const jute::Txn& txn) {
  tree_.acls().collect();
  changes_.clear();
  result_.parts.clear();
  result_.outcome = apply_record(txn.header, txn.record);
  applied_ = std::max(applied_, txn.header.zxid);
  result_.is_digest_mismatch =
      txn.digest && txn.digest->version == jute::kDigestVersion &&
      static_cast<std::uint64_t>(txn.digest->tree_digest) != tree_.digest();
  return result_;
}

void State::set_config(BytesView text, Zxid version, WallTimeMs now) {
  const Node* node = tree_.find(kConfigPath);
  if (node == nullptr) return;
  jute::StatPersisted stat = node->stat;
  stat.version = -1;
  stat.mzxid = version;
  stat.mtime = now.value;
  tree_.set_data(*node, text, stat);
}

BytesView State::config_text() const {
  const Node* node = tree_.find(kConfigPath);
  return node == nullptr ? BytesView{} : node->data.view().value_or(BytesView{});
}

Zxid State::config_version() const {
  const Node* node = tree_.find(kConfigPath);
  return node == nullptr ? Zxid{} : node->stat.mzxid;
}

void State::swap(State& other) noexcept {
  tree_.swap(other.tree_);
  quotas_.swap(other.quotas_);
  std::swap(sessions_, other.sessions_);
  std::swap(applied_, other.applied_);
  std::swap(changes_, other.changes_);
  std::swap(result_, other.result_);
}

Outcome State::apply_record(const jute::TxnHeader& header, const jute::TxnRecord& record) {
  struct Visitor {
    State& state;
    const jute::TxnHeader& header;

    Outcome operator()(const jute::CreateTxn& txn) const {
      return state.create(header, txn, txn.ephemeral ? header.client_id.value : 0);
    }
    Outcome operator()(const jute::CreateContainerTxn& txn) const {
      return state.create(header, {txn.path, txn.data, txn.acl, false, txn.parent_cversion},
                          kContainerOwner);
    }
    Outcome operator()(const jute::CreateTtlTxn& txn) const {
      // A ttl out of range stops Java at every start; here such a record changes nothing.
      if (!is_valid_ttl(txn.ttl_ms)) return refused(header.type, ErrorCode::kBadArguments);
      return state.create(header, {txn.path, txn.data, txn.acl, false, txn.parent_cversion},
                          owner_of_ttl(txn.ttl_ms));
    }
    Outcome operator()(const jute::DeleteTxn& txn) const { return state.remove(header, txn.path); }
    Outcome operator()(const jute::SetDataTxn& txn) const { return state.set_data(header, txn); }
    Outcome operator()(const jute::SetAclTxn& txn) const { return state.set_acl(txn); }
    Outcome operator()(const jute::CheckVersionTxn&) const { return done(header.type); }
    Outcome operator()(const jute::CreateSessionTxn& txn) const {
      state.sessions_[header.client_id] = txn.timeout_ms;
      return done(header.type);
    }
    Outcome operator()(const jute::CloseSessionTxn& txn) const {
      return state.close_session(header, txn);
    }
    Outcome operator()(const jute::ErrorTxn& txn) const { return refused(header.type, txn.error); }
    Outcome operator()(const jute::MultiTxn& txn) const {
      state.apply_multi(header, txn);
      return done(header.type);
    }
  };
  return std::visit(Visitor{*this, header}, record);
}

Outcome State::create(const jute::TxnHeader& header, const jute::CreateTxn& txn,
                      std::int64_t owner) {
  // No accepted request holds such a path, but a log is only bytes.
  if (!may_exist(txn.path)) return refused(header.type, ErrorCode::kNoNode);
  const Node* parent = tree_.find(parent_of(txn.path));
  if (parent == nullptr) return refused(header.type, ErrorCode::kNoNode);
  if (const Node* existing = tree_.find(txn.path)) return create_again(header, txn, *existing);
  raise_children_version(*parent, txn.parent_cversion, header.zxid);
  const Node& node = tree_.create(txn.path, txn.data, tree_.acls().acquire(txn.acl),
                                  {.czxid = header.zxid,
                                   .mzxid = header.zxid,
                                   .ctime = header.time_ms,
                                   .mtime = header.time_ms,
                                   .ephemeral_owner = owner,
                                   .pzxid = header.zxid});
  quotas_.created(node);
  changes_.add(EventType::kNodeCreated, txn.path, header.zxid, node.acl, parent->acl);
  return {header.type, ErrorCode::kOk, txn.path, tree_.client_stat(node)};
}

// Replay over a snapshot that already holds the node: only what the snapshot may have missed is
// set.
Outcome State::create_again(const jute::TxnHeader& header, const jute::CreateTxn& txn,
                            const Node& node) {
  tree_.set_acl(node, tree_.acls().acquire(txn.acl), node.stat);
  if (header.type == OpCode::kCreate) {
    raise_children_version(*node.parent, txn.parent_cversion, header.zxid);
  }
  return refused(header.type, ErrorCode::kNodeExists);
}

// The number never goes back: a replayed creation must not undo what the snapshot knows. -1 (logs
// of ZooKeeper 3.3) means one more than there is.
void State::raise_children_version(const Node& parent, std::int32_t cversion, Zxid zxid) {
  jute::StatPersisted stat = parent.stat;
  if (cversion == -1) {
    if (stat.cversion == INT32_MAX) return;
    cversion = stat.cversion + 1;
  }
  if (cversion <= stat.cversion) return;
  stat.cversion = cversion;
  stat.pzxid = zxid;
  tree_.set_stat(parent, stat);
}

Outcome State::remove(const jute::TxnHeader& header, BytesView path) {
  if (!path.starts_with('/') || is_protected(path)) return refused(header.type, ErrorCode::kNoNode);
  const Node* parent = tree_.find(parent_of(path));
  if (parent == nullptr) return refused(header.type, ErrorCode::kNoNode);
  if (header.zxid > parent->stat.pzxid) {  // even if the node itself is gone already
    jute::StatPersisted stat = parent->stat;
    stat.pzxid = header.zxid;
    tree_.set_stat(*parent, stat);
  }
  const Node* node = tree_.find(path);
  if (node == nullptr) return refused(header.type, ErrorCode::kNoNode);
  quotas_.deleting(*node);
  changes_.add(EventType::kNodeDeleted, path, header.zxid, node->acl, parent->acl);
  tree_.remove(*node);
  return done(header.type);
}

Outcome State::set_data(const jute::TxnHeader& header, const jute::SetDataTxn& txn) {
  const Node* node = tree_.find(txn.path);
  if (node == nullptr) return refused(header.type, ErrorCode::kNoNode);
  const std::int64_t bytes_before = node->data.size();
  jute::StatPersisted stat = node->stat;
  stat.version = txn.version;
  stat.mzxid = header.zxid;
  stat.mtime = header.time_ms;
  tree_.set_data(*node, txn.data, stat);
  quotas_.changed(*node, bytes_before);
  const AclId parent_acl = node->parent != nullptr ? node->parent->acl : kOpenAcl;
  changes_.add(EventType::kNodeDataChanged, node->client_path(), header.zxid, node->acl,
               parent_acl);
  return {header.type, ErrorCode::kOk, txn.path, tree_.client_stat(*node), txn.data};
}

Outcome State::set_acl(const jute::SetAclTxn& txn) {
  const Node* node = tree_.find(txn.path);
  if (node == nullptr) return refused(OpCode::kSetAcl, ErrorCode::kNoNode);
  jute::StatPersisted stat = node->stat;
  stat.aversion = txn.version;
  tree_.set_acl(*node, tree_.acls().acquire(txn.acl), stat);
  return {OpCode::kSetAcl, ErrorCode::kOk, txn.path, tree_.client_stat(*node)};
}

Outcome State::close_session(const jute::TxnHeader& header, const jute::CloseSessionTxn& txn) {
  for (const BytesView path : txn.paths) remove(header, path);
  // The list may be absent, and in a replay it may be older than the tree.
  for (const std::string& path : tree_.ephemerals_of(header.client_id)) remove(header, path);
  sessions_.erase(header.client_id);
  return done(header.type);
}

void State::apply_multi(const jute::TxnHeader& header, const jute::MultiTxn& txn) {
  const auto is_error = [](const jute::SubTxn& part) { return part.type == OpCode::kError; };
  const bool is_failed = std::ranges::any_of(txn.txns, is_error);
  bool is_past_error = false;
  for (const jute::SubTxn& part : txn.txns) {
    const auto record = jute::decode_txn_record(part.type, part.record);
    if (is_failed) {
      // As Java answers: 0 before the part that failed, its code, then what the log says (-2).
      ErrorCode error = is_past_error ? ErrorCode::kRuntimeInconsistency : ErrorCode::kOk;
      if (const auto* failure = record ? std::get_if<jute::ErrorTxn>(&*record) : nullptr) {
        error = failure->error;
        is_past_error = true;
      }
      result_.parts.push_back(refused(OpCode::kError, error));
    } else if (!record || std::holds_alternative<jute::MultiTxn>(*record)) {
      result_.parts.push_back(refused(OpCode::kError, ErrorCode::kRuntimeInconsistency));
    } else {
      jute::TxnHeader sub_header = header;
      sub_header.type = part.type;
      result_.parts.push_back(apply_record(sub_header, *record));
    }
  }
}

Loader::Loader(OwnerRules rules) : state_(std::make_unique<State>(rules)) {
  state_->tree_.remove(*state_->tree_.find(kZookeeperPath));
  state_->tree_.acls().collect();
}

void Loader::session(SessionId id, std::int32_t timeout_ms) { state_->sessions_[id] = timeout_ms; }

void Loader::acl(std::int64_t id, const jute::AclList& list) {
  if (id == kOpenAclOnDisk) return;
  const auto [entry, is_new] = acls_.try_emplace(id);
  if (is_new) entry->second = state_->tree_.acls().acquire(list);
}

bool Loader::node(std::string_view path, NullableView data, std::int64_t acl_id,
                  const jute::StatPersisted& stat) {
  AclId acl = kOpenAcl;
  if (acl_id != kOpenAclOnDisk) {
    const auto found = acls_.find(acl_id);
    if (found == acls_.end()) return false;
    acl = found->second;
  }
  Tree& tree = state_->tree_;
  const Node* existing = tree.find(path);
  if (existing == nullptr) {
    if (!may_exist(path) || tree.find(parent_of(path)) == nullptr) return false;
    tree.acls().acquire(acl);
    tree.create(path, data, acl, stat);
    return true;
  }
  tree.acls().acquire(acl);
  tree.set_data(*existing, data, existing->stat);
  tree.set_acl(*existing, acl, stat);
  return true;
}

void Loader::finish_snapshot(Zxid zxid) {
  for (const auto& [on_disk, id] : acls_) state_->tree_.acls().release(id);  // the loader's own use
  acls_.clear();
  state_->tree_.acls().collect();
  add_fresh_nodes(state_->tree_);  // before 3.5 there was no /zookeeper/config
  state_->applied_ = zxid;
  state_->quotas_.rebuild();
}

std::unique_ptr<State> Loader::finish() {
  for (const SessionId owner : state_->tree_.sessions_with_ephemerals()) {
    if (state_->sessions_.contains(owner)) continue;
    for (const std::string& path : state_->tree_.ephemerals_of(owner)) {
      const Node* node = state_->tree_.find(path);
      if (node == nullptr) continue;  // below another orphan
      state_->quotas_.deleting(*node);
      state_->tree_.remove(*node);
    }
  }
  return std::move(state_);
}

}  // namespace synod::state
