// A made-up service that is right by construction: one log, servers that lag behind it, clients
// whose connections break. What its clients see is a valid history, which mutations then spoil.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "sim/check/history.h"

namespace synod::sim::check::test {

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed), trees_(2), servers_(3, Zxid{1}), clients_(4) {
    for (std::size_t i = 0; i < clients_.size(); ++i) open(i);
  }

  History run(std::size_t steps) {
    for (std::size_t i = 0; i < steps; ++i) step();
    for (std::size_t i = 0; i < clients_.size(); ++i) lose(i);
    history_.final_tree = FinalTree{last(), {}};
    for (const auto& [path, node] : trees_.back()) history_.final_tree->nodes[path] = node;
    return std::move(history_);
  }

 private:
  using Tree = std::map<std::string, Node>;
  struct Pending {
    Operation operation;
    bool is_logged = false;
  };
  struct Client {
    SessionId session;
    std::int32_t xid = 0;
    std::size_t server = 0;
    std::deque<Pending> pending;
    Zxid seen;   // by the client
    Zxid heard;  // watches fired up to here
    std::set<std::string> data_watches, child_watches;
  };

  Zxid last() const { return {static_cast<std::int64_t>(trees_.size()) - 1}; }
  Moment tick() { return ++now_; }
  const Tree& tree_at(Zxid zxid) const { return trees_[static_cast<std::size_t>(zxid.value)]; }

  void open(std::size_t index) {
    Client& client = clients_[index];
    client = {.session = {++sessions_}, .server = random_.below(servers_.size())};
    client.heard = client.seen = servers_[client.server];
    note(index, SessionEvent::Kind::kOpened);
  }
  void note(std::size_t index, SessionEvent::Kind kind) {
    history_.session_events.push_back(
        {static_cast<std::int32_t>(index), clients_[index].session, kind, tick()});
  }

  void step() {
    const std::size_t index = random_.below(clients_.size());
    switch (random_.below(20)) {
      case 0:
        return random_.below(3) == 0 ? reconnect(index) : void();
      case 1:
        return random_.below(8) == 0 ? expire(index) : void();
      case 2:
      case 3:
      case 4:
      case 5:
        return catch_up(random_.below(servers_.size()));
      case 6:
      case 7:
      case 8:
      case 9:
      case 10:
        return clients_[index].pending.size() < 3 ? invoke(index) : void();
      case 11:
      case 12:
      case 13:
      case 14:
        return log_next(index);
      default:
        return answer(index);
    }
  }

  std::string some_path() {
    return "/" + std::string(1, static_cast<char>('a' + random_.below(4)));
  }

  void invoke(std::size_t index) {
    Client& client = clients_[index];
    static constexpr Kind kKinds[] = {Kind::kCreate,  Kind::kCreate,      Kind::kSetData,
                                      Kind::kSetData, Kind::kDelete,      Kind::kGetData,
                                      Kind::kExists,  Kind::kGetChildren, Kind::kSync};
    Operation operation;
    operation.kind = kKinds[random_.below(std::size(kKinds))];
    operation.client = static_cast<std::int32_t>(index);
    operation.session = client.session;
    operation.xid = ++client.xid;
    operation.path = operation.kind == Kind::kGetChildren ? "/" : some_path();
    operation.value = std::to_string(client.session.value) + "-" + std::to_string(operation.xid);
    if (operation.kind == Kind::kCreate) {
      operation.is_sequential = random_.below(3) == 0;
      operation.is_ephemeral = random_.below(3) == 0;
    }
    if (random_.below(3) == 0) operation.version = static_cast<std::int32_t>(random_.below(3));
    const bool is_read = !is_write(operation.kind) && operation.kind != Kind::kSync;
    if (is_read) operation.leaves_watch = random_.below(2) == 0;
    operation.invoked_at = tick();
    client.pending.push_back({operation});
  }

  // The next write of the client gets into the log, unless a read before it waits for its answer.
  void log_next(std::size_t index) {
    for (Pending& pending : clients_[index].pending) {
      if (!is_write(pending.operation.kind)) return;
      if (pending.is_logged) continue;
      pending.is_logged = true;
      apply(pending.operation);
      return;
    }
  }

  void apply(Operation& operation) {
    Tree tree = trees_.back();
    operation.zxid = last().next();
    operation.error = jute::ErrorCode::kOk;
    const bool is_any = operation.version == -1 || operation.kind == Kind::kCreate;
    std::string path = operation.path;
    if (operation.is_sequential) {
      const std::string digits = std::to_string(sequence_++);
      path += std::string(10 - digits.size(), '0') + digits;
    }
    const auto node = tree.find(path);
    if (operation.kind == Kind::kCreate && node != tree.end()) {
      operation.error = jute::ErrorCode::kNodeExists;
    } else if (operation.kind != Kind::kCreate && node == tree.end()) {
      operation.error = jute::ErrorCode::kNoNode;
    } else if (node != tree.end() && !is_any && node->second.stat.version != operation.version) {
      operation.error = jute::ErrorCode::kBadVersion;
    } else if (operation.kind == Kind::kDelete) {
      tree.erase(path);
    } else {
      write(operation, path, tree[path]);
    }
    operation.outcome = operation.error == jute::ErrorCode::kOk ? Outcome::kOk : Outcome::kError;
    trees_.push_back(std::move(tree));
  }

  static void write(Operation& operation, const std::string& path, Node& node) {
    if (operation.kind == Kind::kCreate) {
      operation.created_path = path;
      node.stat.czxid = operation.zxid;
      node.stat.ephemeral_owner = operation.is_ephemeral ? operation.session.value : 0;
    } else {
      ++node.stat.version;
    }
    node.stat.mzxid = operation.zxid;
    node.data = operation.value;
    operation.stat = node.stat;
  }

  // One more transaction at a server; those who watch there hear of it.
  void catch_up(std::size_t server) {
    if (servers_[server] == last()) return;
    servers_[server] = servers_[server].next();
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      if (clients_[i].server == server) fire(i, servers_[server]);
    }
  }

  void fire(std::size_t index, Zxid zxid) {
    Client& client = clients_[index];
    const Tree &before = tree_at({zxid.value - 1}), &after = tree_at(zxid);
    client.heard = zxid;
    if (before.size() != after.size() && client.child_watches.erase("/") > 0) {
      hear(index, jute::EventType::kNodeChildrenChanged, "/");
    }
    std::erase_if(client.data_watches, [&](const std::string& path) {
      return tell_difference(index, path, before, after);
    });
  }

  bool tell_difference(std::size_t index, const std::string& path, const Tree& before,
                       const Tree& after) {
    const auto old = before.find(path), now = after.find(path);
    if (old == before.end() && now == after.end()) return false;
    if (now == after.end()) {
      hear(index, jute::EventType::kNodeDeleted, path);
    } else if (old == before.end()) {
      hear(index, jute::EventType::kNodeCreated, path);
    } else if (old->second.stat.mzxid != now->second.stat.mzxid) {
      hear(index, jute::EventType::kNodeDataChanged, path);
    } else {
      return false;
    }
    return true;
  }

  void hear(std::size_t index, jute::EventType type, const std::string& path) {
    history_.watch_events.push_back(
        {static_cast<std::int32_t>(index), clients_[index].session, type, path, Zxid{}, tick()});
  }

  void answer(std::size_t index) {
    Client& client = clients_[index];
    if (client.pending.empty()) return;
    Pending& head = client.pending.front();
    const Zxid applied = servers_[client.server];
    if (is_write(head.operation.kind)) {
      if (!head.is_logged || head.operation.zxid > applied) return;
    } else if (head.operation.kind == Kind::kSync) {
      if (applied != last()) return;  // whatever was acknowledged before it began is in
      head.operation.zxid = applied;
      head.operation.outcome = Outcome::kOk;
    } else {
      read(client, head.operation, applied);
    }
    head.operation.completed_at = tick();
    client.seen = std::max(client.seen, head.operation.zxid);
    history_.operations.push_back(std::move(head.operation));
    client.pending.pop_front();
  }

  static bool is_root(const Operation& operation) { return operation.path == "/"; }

  void read(Client& client, Operation& operation, Zxid applied) const {
    const Tree& tree = tree_at(applied);
    operation.zxid = applied;
    operation.outcome = Outcome::kOk;
    if (is_root(operation)) {
      operation.children.emplace();
      for (const auto& [path, node] : tree) operation.children->push_back(path.substr(1));
      if (operation.leaves_watch) client.child_watches.insert("/");
      return;
    }
    const auto node = tree.find(operation.path);
    if (node == tree.end()) {
      operation.outcome = Outcome::kError;
      operation.error = jute::ErrorCode::kNoNode;
    } else {
      operation.stat = node->second.stat;
      if (operation.kind == Kind::kGetData) operation.data = node->second.data;
    }
    const bool is_left = node != tree.end() || operation.kind == Kind::kExists;
    if (operation.leaves_watch && is_left) client.data_watches.insert(operation.path);
  }

  // Replies are lost; what was on its way may still reach the log, in order, or not.
  void lose(std::size_t index) {
    Client& client = clients_[index];
    bool is_cut = false;
    for (Pending& pending : client.pending) {
      is_cut |= random_.below(2) == 0;
      if (is_write(pending.operation.kind) && !pending.is_logged && !is_cut) {
        apply(pending.operation);
      }
      Operation lost;
      static_cast<Action&>(lost) = pending.operation;
      lost.stat.reset();
      lost.created_path.clear();
      lost.client = pending.operation.client;
      lost.session = pending.operation.session;
      lost.xid = pending.operation.xid;
      lost.invoked_at = pending.operation.invoked_at;
      history_.operations.push_back(std::move(lost));
    }
    client.pending.clear();
    note(index, SessionEvent::Kind::kLost);
  }

  void reconnect(std::size_t index) {
    lose(index);
    Client& client = clients_[index];
    client.server = random_.below(servers_.size());
    while (servers_[client.server] < client.seen) catch_up(client.server);
    note(index, SessionEvent::Kind::kReconnected);
    const Zxid applied = servers_[client.server];
    // setWatches: what differs between what the watch was left on and now.
    const Tree& before = tree_at(client.heard);
    const Tree& after = tree_at(applied);
    bool are_children_changed = false;
    for (std::int64_t z = client.heard.value + 1; z <= applied.value; ++z) {
      are_children_changed |= tree_at({z}).size() != tree_at({z - 1}).size();
    }
    if (are_children_changed && client.child_watches.erase("/") > 0) {
      hear(index, jute::EventType::kNodeChildrenChanged, "/");
    }
    std::erase_if(client.data_watches, [&](const std::string& path) {
      return tell_difference(index, path, before, after);
    });
    client.heard = std::max(client.heard, applied);
  }

  void expire(std::size_t index) {
    lose(index);
    Tree tree = trees_.back();
    std::erase_if(tree, [&](const auto& node) {
      return node.second.stat.ephemeral_owner == clients_[index].session.value;
    });
    trees_.push_back(std::move(tree));
    note(index, SessionEvent::Kind::kExpired);
    open(index);
  }

  Random random_;
  std::vector<Tree> trees_;  // by zxid
  std::vector<Zxid> servers_;
  std::vector<Client> clients_;
  History history_;
  Moment now_ = 0;
  std::int64_t sessions_ = 0;
  int sequence_ = 0;
};

}  // namespace synod::sim::check::test
