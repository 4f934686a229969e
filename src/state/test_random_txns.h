// Random transactions over a small set of names, so that they meet; and the whole tree as a value.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/random.h"
#include "jute/txn.h"
#include "state/state.h"

namespace synod::state {

class RandomTxns {
 public:
  // Sensible ones are those that a leader would have written over that state.
  enum class Kind : std::uint8_t { kSensible, kAny };

  explicit RandomTxns(std::uint64_t seed, Kind kind = Kind::kAny) : random_(seed), kind_(kind) {}

  Bytes next(const State& state, Zxid zxid) {
    const Bytes txn = draw(state, zxid);
    if (kind_ == Kind::kAny || is_sensible(state, *jute::decode_txn(txn))) return txn;
    return this->txn({{1}, 0, zxid, 1000 + zxid.value, {}}, jute::OpCode::kError,
                     jute::ErrorTxn{jute::ErrorCode::kNoNode});
  }

 private:
  Bytes draw(const State& state, Zxid zxid) {
    const SessionId session{static_cast<std::int64_t>(random_.below(3)) + 1};
    const jute::TxnHeader header{session, 0, zxid, 1000 + zxid.value, {}};
    const std::string path = random_path(state);
    const std::string data(random_.below(40), 'd');
    const NullableView maybe_data = random_.below(8) == 0 ? NullableView() : NullableView(data);
    const std::vector<jute::AclView> acl{
        {static_cast<std::int32_t>(random_.below(4)) + 1, "world", "anyone"}};
    switch (random_.below(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return txn(header, jute::OpCode::kCreate,
                   jute::CreateTxn{path, maybe_data, acl, random_.below(3) == 0,
                                   next_cversion(state, path)});
      case 4:
        return txn(header, jute::OpCode::kCreateContainer,
                   jute::CreateContainerTxn{path, maybe_data, acl, next_cversion(state, path)});
      case 5:
      case 6:
        return is_leaf(state, path)
                   ? txn(header, jute::OpCode::kDelete, jute::DeleteTxn{path})
                   : txn(header, jute::OpCode::kError, jute::ErrorTxn{jute::ErrorCode::kNotEmpty});
      case 7:
      case 8:
        return txn(header, jute::OpCode::kSetData,
                   jute::SetDataTxn{path, maybe_data, next_version(state, path)});
      case 9:
        return txn(header, jute::OpCode::kSetAcl,
                   jute::SetAclTxn{path, acl, static_cast<std::int32_t>(random_.below(9))});
      case 10:
        if (random_.below(4) == 0) {
          const std::vector<std::string> paths = state.tree().ephemerals_of(session);
          return txn(header, jute::OpCode::kCloseSession,
                     jute::CloseSessionTxn{{paths.begin(), paths.end()}});
        }
        return txn(header, jute::OpCode::kCreateSession, jute::CreateSessionTxn{1000});
      default:
        return multi(header, path, maybe_data, acl, state);
    }
  }
  static bool is_there(const State& state, BytesView path) {
    return state.tree().find(path) != nullptr;
  }
  static bool may_create(const State& state, BytesView path) {
    return !is_there(state, path) && is_there(state, path.substr(0, path.rfind('/')));
  }
  static bool is_sensible(const State& state, const jute::Txn& txn) {
    return std::visit(
        [&](const auto& record) {
          using T = std::decay_t<decltype(record)>;
          if constexpr (std::is_same_v<T, jute::CreateTxn> ||
                        std::is_same_v<T, jute::CreateContainerTxn>)
            return may_create(state, record.path);
          else if constexpr (std::is_same_v<T, jute::MultiTxn>)
            return may_create(state, jute::decode<jute::CreateTxn>(record.txns[0].record)->path);
          else if constexpr (requires { record.path; })
            return is_there(state, record.path);
          else
            return true;
        },
        txn.record);
  }
  template <class T>
  static Bytes txn(jute::TxnHeader header, jute::OpCode type, const T& record) {
    header.type = type;
    return jute::encode_txn(header, record, std::nullopt);
  }
  Bytes multi(const jute::TxnHeader& header, const std::string& path, NullableView data,
              const std::vector<jute::AclView>& acl, const State& state) {
    const std::string below = path + "/m";
    const Bytes create =
        jute::encode(jute::CreateTxn{path, data, acl, false, next_cversion(state, path)});
    const Bytes create_below =
        jute::encode(jute::CreateTxn{below, data, acl, false, next_cversion(state, below)});
    const Bytes set = jute::encode(jute::SetDataTxn{path, "multi", next_version(state, path)});
    const Bytes remove = jute::encode(jute::DeleteTxn{below});
    jute::MultiTxn txns{{{jute::OpCode::kCreate, create}, {jute::OpCode::kSetData, set}}};
    if (state.tree().find(below) == nullptr && random_.below(2) == 0) {
      txns.txns.push_back({jute::OpCode::kCreate, create_below});
      txns.txns.push_back({jute::OpCode::kDelete, remove});
    }
    return txn(header, jute::OpCode::kMulti, txns);
  }
  std::string random_path(const State& state) {
    std::string path;
    do {
      path += "/" + std::string(1, static_cast<char>('a' + random_.below(4)));
    } while (random_.below(2) == 0 && path.size() < 12);
    // A parent that is there, more often than chance would have it.
    while (path.size() > 2 && state.tree().find(path.substr(0, path.size() - 2)) == nullptr &&
           random_.below(4) != 0) {
      path.resize(path.size() - 2);
    }
    return path;
  }
  static bool is_leaf(const State& state, std::string_view path) {
    const Node* node = state.tree().find(path);
    return node == nullptr || !node->children;
  }
  static std::int32_t next_cversion(const State& state, std::string_view path) {
    const Node* parent = state.tree().find(path.substr(0, path.rfind('/')));
    return parent == nullptr ? 1 : parent->stat.cversion + 1;
  }
  static std::int32_t next_version(const State& state, std::string_view path) {
    const Node* node = state.tree().find(path);
    return node == nullptr ? 1 : node->stat.version + 1;
  }

  Random random_;
  Kind kind_;
};

struct SeenNode {
  std::optional<std::string> data;
  jute::AclList acl;
  Bytes stat;
  friend bool operator==(const SeenNode&, const SeenNode&) = default;
};
using SeenTree = std::map<std::string, SeenNode>;

inline SeenNode seen(NullableView data, const jute::AclList& acl, const jute::StatPersisted& stat) {
  return {data ? std::optional<std::string>(*data) : std::nullopt, acl, jute::encode(stat)};
}

inline SeenTree seen_tree(const Tree& tree) {
  SeenTree nodes;
  std::vector<const Node*> open{tree.find("/")};
  while (!open.empty()) {
    const Node& node = *open.back();
    open.pop_back();
    nodes[std::string(node.path())] = seen(node.data.view(), tree.acls().list(node.acl), node.stat);
    if (node.children) open.insert(open.end(), node.children->begin(), node.children->end());
  }
  return nodes;
}

// Everything that two states can differ in, but for the order of their nodes.
inline auto everything(const State& state) {
  std::vector<std::vector<std::string>> owned;
  for (const SessionId session : state.tree().sessions_with_ephemerals()) {
    owned.push_back(state.tree().ephemerals_of(session));
  }
  return std::tuple(seen_tree(state.tree()), state.sessions(), owned, state.tree().digest(),
                    state.tree().node_count(), state.tree().data_size(), state.applied());
}

}  // namespace synod::state
