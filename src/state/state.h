// The replicated state: tree, access lists, quotas and sessions, and the one function that changes
// them, apply(). Live transactions and a log's replay take the same road, so every step tolerates
// effects that are already there (reference: DataTree.processTxn, FileTxnSnapLog).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "jute/opcode.h"
#include "jute/records.h"
#include "jute/txn.h"
#include "state/change_list.h"
#include "state/quota.h"
#include "state/tree.h"

namespace synod::state {

// What a transaction, or a part of a multi, came to: enough to answer whoever asked for it.
struct Outcome {
  jute::OpCode type{};
  jute::ErrorCode error = jute::ErrorCode::kOk;
  BytesView path;     // of a creation; points into the transaction
  jute::Stat stat;    // after the change; of creations, setData, setACL and reconfig
  NullableView data;  // of a reconfig; points into the transaction
};

struct ApplyResult {
  Outcome outcome;             // of the transaction itself
  std::vector<Outcome> parts;  // of a multi
  // The digest that the transaction carries differs from the tree's. Means nothing while a fuzzy
  // snapshot is being brought up to its own digest's zxid.
  bool is_digest_mismatch = false;
};

class State {
 public:
  // As a fresh server has it: /, /zookeeper, /zookeeper/quota, /zookeeper/config; zxid 0.
  explicit State(OwnerRules rules);

  // `txn` must be newer than applied(). The views in the result point into the transaction.
  const ApplyResult& apply(const jute::Txn& txn);

  // What this server itself says of its ensemble, in /zookeeper/config: no transaction, and outside
  // the digest (reference, quorum protocol section 1.5).
  void set_config(BytesView text, Zxid version, WallTimeMs now);

  [[nodiscard]] BytesView config_text() const;
  [[nodiscard]] Zxid config_version() const;  // its mzxid; 0: nothing was ever said

  // Everything changes sides, while references to the two objects stay good: a server's tree is
  // replaced under its readers. No snapshot may be under way in either.
  void swap(State& other) noexcept;

  [[nodiscard]] const Tree& tree() const { return tree_; }
  [[nodiscard]] Tree& tree() { return tree_; }  // for a snapshot's walk
  [[nodiscard]] const Quotas& quotas() const { return quotas_; }
  [[nodiscard]] Zxid applied() const { return applied_; }
  // Global sessions and their timeouts in ms.
  [[nodiscard]] const std::map<SessionId, std::int32_t>& sessions() const { return sessions_; }
  // What the last apply() changed.
  [[nodiscard]] const ChangeList& changes() const { return changes_; }

 private:
  friend class Loader;
  using Parts = std::vector<jute::SubTxn>;

  Outcome apply_record(const jute::TxnHeader& header, const jute::TxnRecord& record);
  Outcome create(const jute::TxnHeader& header, const jute::CreateTxn& txn, std::int64_t owner);
  Outcome create_again(const jute::TxnHeader& header, const jute::CreateTxn& txn, const Node& node);
  Outcome remove(const jute::TxnHeader& header, BytesView path);
  Outcome set_data(const jute::TxnHeader& header, const jute::SetDataTxn& txn);
  Outcome set_acl(const jute::SetAclTxn& txn);
  Outcome close_session(const jute::TxnHeader& header, const jute::CloseSessionTxn& txn);
  void apply_multi(const jute::TxnHeader& header, const jute::MultiTxn& txn);
  void raise_children_version(const Node& parent, std::int32_t cversion, Zxid zxid);

  Tree tree_;
  Quotas quotas_;
  std::map<SessionId, std::int32_t> sessions_;
  Zxid applied_;
  ChangeList changes_;
  ApplyResult result_;
};

// Fills a state from a snapshot and brings it to a consistent point.
class Loader {
 public:
  // The state is emptied: not even the nodes of a fresh server remain.
  explicit Loader(OwnerRules rules);

  void session(SessionId id, std::int32_t timeout_ms);
  void acl(std::int64_t id, const jute::AclList& list);
  // False: the parent is missing, or the list unknown; the snapshot is not loadable.
  [[nodiscard]] bool node(std::string_view path, NullableView data, std::int64_t acl_id,
                          const jute::StatPersisted& stat);
  // The snapshot is complete: everything up to `zxid` is in it. Called with 0 for an empty tree.
  // What a fresh server has and the snapshot lacks is added.
  void finish_snapshot(Zxid zxid);
  [[nodiscard]] State& state() { return *state_; }
  // After replay: drops the ephemerals of sessions that are not known.
  [[nodiscard]] std::unique_ptr<State> finish();

 private:
  std::unique_ptr<State> state_;
  boost::unordered_flat_map<std::int64_t, AclId> acls_;
};

}  // namespace synod::state
