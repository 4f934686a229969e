#include "consensus/zab/test_cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "jute/codec.h"

namespace synod::consensus::zab {

// What survives a crash. The log from its beginning: `snapshot` says how much of it is left only as
// a tree.
struct TestCluster::Disk {
  std::vector<Entry> history;
  Zxid snapshot;
  std::uint32_t accepted = 0;
  std::uint32_t current = 0;
  bool has_epoch_files = false;
};

struct TestCluster::Node {
  NodeId id;
  Disk disk;
  std::unique_ptr<Zab> engine;  // while it is up
  std::uint64_t life = 0;       // events of an earlier one are void
  bool is_carrying_out = false;

  // Only while it is up.
  std::vector<Entry> log;   // as written, from the beginning
  std::size_t applied = 0;  // of the log's entries
  std::size_t committed = 0;
  std::deque<std::function<void(Node&)>> disk_ops;
  bool is_disk_busy = false;
  bool is_disk_stalled = false;
  std::uint64_t next_accepted_link = 2;
  std::map<LinkId, std::shared_ptr<Link>> links;
  struct Installing {
    LinkId link;
    Zxid zxid;
    Bytes bytes;
    bool is_writing = false;
  };
  std::optional<Installing> installing;
  std::map<std::uint64_t, Zxid> reads;
  std::optional<std::int64_t> woken_at;

  [[nodiscard]] Zxid last() const { return log.empty() ? disk.snapshot : log.back().zxid; }
};

struct TestCluster::Link {
  NodeId dialler, acceptor;
  LinkId dialler_link, acceptor_link;
  Port port;
  bool is_broken = false;
  std::int64_t last_arrival[2] = {0, 0};  // to the dialler, to the acceptor
  PacketReader watched[2];                // what the dialler, the acceptor sent
  bool is_watched[2] = {true, true};
  std::uint32_t epoch = 0;  // of LEADERINFO
  Bytes votes[2];           // unread

  [[nodiscard]] NodeId other(NodeId one) const { return one == dialler ? acceptor : dialler; }
  [[nodiscard]] LinkId link_at(NodeId one) const {
    return one == dialler ? dialler_link : acceptor_link;
  }
};

TestCluster::TestCluster(TestOptions options) : options_(options), random_(options.seed) {
  for (NodeId id = 1; id <= options.voters + options.observers; ++id) {
    const std::string host = fmt::format("s{}", id);
    membership_.members[ServerId{id}] = Member{
        .quorum = {{host, 2888}}, .election = {{host, 3888}}, .is_observer = id > options.voters};
    nodes_[id] = std::make_unique<Node>();
    nodes_[id]->id = id;
  }
}

TestCluster::~TestCluster() = default;

// ---- the world --------------------------------------------------------------------------------

void TestCluster::start(NodeId id) {
  Node& node = this->node(id);
  SYNOD_ASSERT(!node.engine);
  Options options{.self = ServerId{id},
                  .membership = membership_,
                  .tick_ms = 100,
                  .init_limit = 10,
                  .sync_limit = 4,
                  .commit_log_count = options_.commit_log_count,
                  .observer_delay_ms = 20,
                  .first_counter = options_.first_counter};
  options.election.min_notification_ms = 20;
  options.election.max_notification_ms = 500;
  options.election.finalize_wait_ms = 20;
  options.election.connect_timeout_ms = 300;
  options.election.handshake_timeout_ms = 300;
  node.engine = std::make_unique<Zab>(options);
  ++node.life;
  node.log = node.disk.history;
  node.applied = node.log.size();
  node.committed = 0;
  node.disk_ops.clear();
  node.is_disk_busy = false;
  node.installing.reset();
  node.reads.clear();
  node.woken_at.reset();
  std::vector<Entry> recent;
  for (const Entry& entry : node.log)
    if (entry.zxid > node.disk.snapshot) recent.push_back(entry);
  // As recovery does (Java would refuse to start).
  node.disk.current = std::max(node.disk.current, node.last().epoch());
  node.disk.accepted = std::max(node.disk.accepted, node.disk.current);
  const bool has_memory = node.disk.has_epoch_files || !node.log.empty();
  event(id, [&](Zab& engine) {
    engine.start({.last_logged = node.last(),
                  .recent = recent,
                  .accepted_epoch = node.disk.accepted,
                  .current_epoch = node.disk.current,
                  .has_memory = has_memory,
                  .now = {now_},
                  .seed = random_.next()});
  });
}

void TestCluster::start_all() {
  for (const auto& [id, node] : nodes_)
    if (!node->engine) start(id);
}

void TestCluster::crash(NodeId id) {
  Node& node = this->node(id);
  if (!node.engine) return;
  ++node.life;
  node.engine.reset();
  node.disk_ops.clear();
  for (const auto& link : std::vector(links_))
    if (!link->is_broken && (link->dialler == id || link->acceptor == id)) break_link(*link);
  node.links.clear();
}

void TestCluster::wipe(NodeId id) {
  SYNOD_ASSERT(!node(id).engine);
  node(id).disk = {};
}

void TestCluster::cut_off(NodeId a, NodeId b) {
  cut_off_.insert(std::minmax(a, b));
  for (const auto& link : std::vector(links_))
    if (!link->is_broken && std::minmax(link->dialler, link->acceptor) == std::minmax(a, b))
      break_link(*link);
}

void TestCluster::heal(NodeId a, NodeId b) { cut_off_.erase(std::minmax(a, b)); }

void TestCluster::isolate(NodeId id) {
  for (const auto& [other, unused] : nodes_)
    if (other != id) cut_off(id, other);
}

void TestCluster::heal_all() { cut_off_.clear(); }

bool TestCluster::are_cut_off(NodeId a, NodeId b) const {
  return cut_off_.contains(std::minmax(a, b));
}

void TestCluster::stall_disk(NodeId id, bool is_stalled) {
  node(id).is_disk_stalled = is_stalled;
  if (!is_stalled && node(id).engine) work_disk(id);
}

void TestCluster::purge_log(NodeId id) {
  Node& node = this->node(id);
  // Not ahead of the disk, and, while it is up, only of what is committed.
  std::size_t count = node.disk.history.size();
  if (node.engine) count = std::min(count, node.committed);
  if (count > 0)
    node.disk.snapshot = std::max(node.disk.snapshot, node.disk.history[count - 1].zxid);
}

void TestCluster::set_accepted_epoch(NodeId id, std::uint32_t epoch) {
  SYNOD_ASSERT(!node(id).engine);
  node(id).disk.accepted = epoch;
}

// ---- time -------------------------------------------------------------------------------------

void TestCluster::at(std::int64_t when, std::function<void()> run) {
  events_.emplace(std::pair(when, order_++), std::move(run));
}

void TestCluster::in_life(NodeId id, std::int64_t when, std::function<void()> run) {
  at(when, [this, id, life = node(id).life, run = std::move(run)] {
    if (node(id).engine && node(id).life == life) run();
  });
}

std::int64_t TestCluster::delay(std::int64_t least, std::int64_t most) {
  return least +
         static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most - least + 1)));
}

bool TestCluster::step() {
  if (events_.empty()) return false;
  auto first = events_.extract(events_.begin());
  now_ = std::max(now_, first.key().first);
  first.mapped()();
  return true;
}

void TestCluster::run_for(std::int64_t ms) {
  const std::int64_t end = now_ + ms;
  while (!events_.empty() && events_.begin()->first.first <= end) step();
  now_ = end;
}

bool TestCluster::run_until(const std::function<bool()>& condition, std::int64_t within_ms) {
  const std::int64_t end = now_ + within_ms;
  while (!condition()) {
    if (events_.empty() || events_.begin()->first.first > end) return false;
    step();
  }
  return true;
}

void TestCluster::event(NodeId id, const std::function<void(Zab&)>& what) {
  Node& node = this->node(id);
  if (!node.engine) return;
  what(*node.engine);
  carry_out(id);
}

// Effects may lead to further calls; those are made when the list is through.
void TestCluster::carry_out(NodeId id) {
  Node& node = this->node(id);
  if (node.is_carrying_out) return;
  node.is_carrying_out = true;
  while (node.engine) {
    Effects effects = node.engine->drain();
    if (effects.empty()) break;
    for (Effect& effect : effects)
      if (node.engine) carry_out(id, effect);
  }
  node.is_carrying_out = false;
  if (node.engine) wake(id);
}

void TestCluster::wake(NodeId id) {
  Node& node = this->node(id);
  const auto deadline = node.engine->next_deadline();
  if (!deadline) return;
  const std::int64_t when = std::max(deadline->value, now_ + 1);
  if (node.woken_at && *node.woken_at <= when && *node.woken_at > now_) return;
  node.woken_at = when;
  in_life(id, when, [this, id] { event(id, [&](Zab& engine) { engine.tick({now_}); }); });
}

void TestCluster::carry_out(NodeId id, Effect& effect) {
  Node& node = this->node(id);
  if (auto* append = std::get_if<effect::Append>(&effect)) {
    this->append(node, append->entry);
  } else if (auto* cut = std::get_if<effect::Cut>(&effect)) {
    disk_op(id, [this, after = cut->after](Node& at) {
      Disk& disk = at.disk;
      // No older tree is left: nothing is touched.
      if (after < disk.snapshot)
        return event(at.id, [](Zab& engine) { engine.was_cut(std::nullopt); });
      std::erase_if(disk.history, [&](const Entry& entry) { return entry.zxid > after; });
      at.log = disk.history;
      at.applied = std::min(at.applied, at.log.size());
      event(at.id, [&](Zab& engine) { engine.was_cut(at.last()); });
    });
  } else if (auto* save = std::get_if<effect::SaveEpochs>(&effect)) {
    disk_op(id, [this, epochs = *save](Node& at) {
      if (epochs.accepted < at.disk.accepted || epochs.current < at.disk.current)
        violated(fmt::format("server {}: an epoch on disk decreases", at.id));
      at.disk.accepted = epochs.accepted;
      at.disk.current = epochs.current;
      at.disk.has_epoch_files = true;
      event(at.id, [](Zab& engine) { engine.epochs_saved(); });
    });
  } else if (auto* commit = std::get_if<effect::Commit>(&effect)) {
    this->commit(node, commit->up_to);
  } else if (auto* changed = std::get_if<effect::StatusChanged>(&effect)) {
    if (changed->status.role != Role::kLeading || !changed->status.is_serving) return;
    const auto [leader, is_first] = leader_of_.emplace(changed->status.epoch, id);
    if (!is_first) violated(fmt::format("epoch {} has two leaders", changed->status.epoch));
  } else if (auto* dial = std::get_if<effect::Dial>(&effect)) {
    this->dial(id, *dial);
  } else if (auto* send = std::get_if<effect::Send>(&effect)) {
    this->send(id, send->link, std::move(send->bytes));
  } else if (auto* close = std::get_if<effect::Close>(&effect)) {
    this->close(id, close->link);
  } else if (auto* snapshot = std::get_if<effect::SendSnapshot>(&effect)) {
    send_snapshot(id, *snapshot);
  } else if (auto* receive = std::get_if<effect::ReceiveSnapshot>(&effect)) {
    node.installing = Node::Installing{receive->link, receive->zxid, {}, false};
    receive_tree(id, receive->link, receive->first_bytes);
  } else if (auto* read = std::get_if<effect::ReadLog>(&effect)) {
    read_log(id, *read);
  } else if (auto* deliver = std::get_if<effect::Deliver>(&effect)) {
    if (on_deliver) on_deliver(id, *deliver);
    if (deliver->message.kind == ServiceMessage::Kind::kTouchesWanted)
      node.engine->send_to_leader({.kind = ServiceMessage::Kind::kTouches});
  } else if (auto* index = std::get_if<effect::ReadIndex>(&effect)) {
    node.reads[index->token] = index->zxid;
  } else if (auto* warn = std::get_if<effect::Warn>(&effect)) {
    warnings_.push_back(fmt::format("{}: {}", id, warn->text));
  }
}

// ---- links ------------------------------------------------------------------------------------

void TestCluster::dial(NodeId from, const effect::Dial& dial) {
  const NodeId to = dial.server.value;
  const std::int64_t arrives = now_ + delay(options_.min_delay_ms, options_.max_delay_ms);
  in_life(from, arrives, [this, from, to, dialled = dial.link, port = dial.port] {
    if (!nodes_.contains(to) || !node(to).engine || are_cut_off(from, to))
      return event(from, [&](Zab& engine) { engine.unlinked(dialled); });
    auto link = std::make_shared<Link>();
    link->dialler = from;
    link->acceptor = to;
    link->dialler_link = dialled;
    link->acceptor_link = LinkId{node(to).next_accepted_link};
    node(to).next_accepted_link += 2;
    link->port = port;
    links_.push_back(link);
    node(from).links[dialled] = link;
    node(to).links[link->acceptor_link] = link;
    event(to, [&](Zab& engine) { engine.accepted(link->acceptor_link, port); });
    event(from, [&](Zab& engine) { engine.linked(dialled); });
  });
}

void TestCluster::send(NodeId from, LinkId id, Bytes bytes) {
  const auto found = node(from).links.find(id);
  if (found == node(from).links.end()) return;
  const std::shared_ptr<Link> link = found->second;
  if (link->port == Port::kQuorum)
    watch_packets(from, *link, bytes);
  else
    check_votes(from, *link, bytes);
  if (link->is_broken || !node(from).engine) return;
  const NodeId to = link->other(from);
  std::int64_t& last = link->last_arrival[to == link->dialler ? 0 : 1];
  last = std::max(last, now_ + delay(options_.min_delay_ms, options_.max_delay_ms));
  in_life(to, last, [this, to, link, bytes = std::move(bytes)] {
    if (link->is_broken || !node(to).links.contains(link->link_at(to))) return;
    const LinkId at = link->link_at(to);
    if (node(to).installing && node(to).installing->link == at) return receive_tree(to, at, bytes);
    event(to, [&](Zab& engine) { engine.received(at, bytes); });
  });
}

void TestCluster::watch_packets(NodeId from, Link& link, BytesView bytes) {
  const int side = from == link.dialler ? 0 : 1;
  if (!link.is_watched[side]) return;
  link.watched[side].feed(bytes);
  while (true) {
    const auto packet = link.watched[side].next();
    if (!packet || !*packet) return;
    const NodeId to = link.other(from);
    transcript_.push_back(
        fmt::format("{}->{} {} {:#x}", from, to, name_of((*packet)->type), (*packet)->zxid.value));
    const PacketType type = (*packet)->type;
    check_claims(from, link, **packet);
    if (type == PacketType::kSnap) {  // a tree follows: what comes is not looked at
      link.watched[side] = PacketReader();
    }
    if (on_packet) on_packet(from, to, type);
  }
}

// G8: no message claims more than a crash would leave (consensus.md 5.5).
void TestCluster::check_claims(NodeId from, Link& link, const QuorumPacket& packet) {
  const Disk& disk = node(from).disk;
  const Zxid zxid = packet.zxid;
  bool is_true = true;
  if (packet.type == PacketType::kLeaderInfo) {
    link.epoch = zxid.epoch();
    is_true = disk.accepted >= link.epoch;
  } else if (packet.type == PacketType::kAckEpoch) {
    is_true = disk.accepted >= link.epoch && zxid <= last_durable(from);
  } else if (packet.type == PacketType::kNewLeader) {
    is_true = disk.current >= link.epoch;
  } else if (packet.type == PacketType::kAck && zxid.counter() == 0) {
    is_true = disk.current >= link.epoch && disk.history.size() >= node(from).committed;
  } else if (packet.type == PacketType::kAck) {
    is_true = last_durable(from) >= zxid;
  }
  if (!is_true)
    violated(fmt::format("server {} sends {} {:#x} before it is on disk", from,
                         name_of(packet.type), zxid.value));
}

void TestCluster::check_votes(NodeId from, Link& link, BytesView bytes) {
  Bytes& unread = link.votes[from == link.dialler ? 0 : 1];
  unread.append(bytes);
  if (const auto greeting = find_initial_message(unread)) unread.erase(0, greeting->size);
  while (unread.size() > 4) {
    const auto length = jute::load_big_endian<std::int32_t>(unread.data());
    if (unread.size() < 4 + static_cast<std::size_t>(length)) return;
    const auto said =
        decode_notification(BytesView(unread).substr(4, static_cast<std::size_t>(length)));
    unread.erase(0, 4 + static_cast<std::size_t>(length));
    if (!said || said->state != Role::kLooking || said->vote.leader != ServerId{from}) continue;
    if (said->vote.zxid > std::max(last_durable(from), Zxid{0}))
      violated(fmt::format("server {} votes for {:#x}, which is not on its disk", from,
                           said->vote.zxid.value));
  }
}

// What was sent before still arrives; the other end notices behind it.
void TestCluster::close(NodeId from, LinkId id) {
  const auto found = node(from).links.find(id);
  if (found == node(from).links.end()) return;
  const std::shared_ptr<Link> link = found->second;
  node(from).links.erase(found);
  if (node(from).installing && node(from).installing->link == id) node(from).installing.reset();
  const NodeId to = link->other(from);
  const std::int64_t last = link->last_arrival[to == link->dialler ? 0 : 1];
  const LinkId there = link->link_at(to);
  if (link->is_broken) return;
  in_life(to, std::max(last, now_ + 1), [this, to, there, link] {
    link->is_broken = true;
    notice_break(to, there);
  });
}

// What is on its way is lost; both ends notice, each in its own time.
void TestCluster::break_link(Link& link) {
  link.is_broken = true;
  for (const NodeId end : {link.dialler, link.acceptor}) {
    if (!node(end).engine) continue;
    in_life(end, now_ + delay(1, 50),
            [this, end, at = link.link_at(end)] { notice_break(end, at); });
  }
  std::erase_if(links_, [&](const auto& other) { return other.get() == &link; });
}

void TestCluster::notice_break(NodeId id, LinkId link) {
  if (node(id).links.erase(link) == 0) return;
  auto& installing = node(id).installing;
  if (installing && installing->link == link) {
    if (installing->is_writing) return;  // too late: it will be installed
    installing.reset();
  }
  event(id, [&](Zab& engine) { engine.unlinked(link); });
}

// ---- the disk ---------------------------------------------------------------------------------

// One after the other, in order.
void TestCluster::disk_op(NodeId id, std::function<void(Node&)> done) {
  node(id).disk_ops.push_back(std::move(done));
  work_disk(id);
}

void TestCluster::work_disk(NodeId id) {
  Node& node = this->node(id);
  if (node.is_disk_busy || node.is_disk_stalled || node.disk_ops.empty()) return;
  node.is_disk_busy = true;
  in_life(id, now_ + delay(options_.min_flush_ms, options_.max_flush_ms), [this, id] {
    Node& at = this->node(id);
    at.is_disk_busy = false;
    if (at.is_disk_stalled) return;
    auto op = std::move(at.disk_ops.front());
    at.disk_ops.pop_front();
    op(at);
    work_disk(id);
  });
}

void TestCluster::append(Node& node, const Entry& entry) {
  const auto [known, is_new] = chain_.try_emplace(entry.zxid, std::pair(node.last(), *entry.bytes));
  if (!is_new && known->second != std::pair(node.last(), *entry.bytes))
    violated(fmt::format("server {}: {:#x} after {:#x}, elsewhere after {:#x}", node.id,
                         entry.zxid.value, node.last().value, known->second.first.value));
  node.log.push_back(entry);
  disk_op(node.id, [this, entry](Node& at) {
    at.disk.history.push_back(entry);
    event(at.id, [&](Zab& engine) { engine.durable(entry.zxid); });
  });
}

void TestCluster::commit(Node& node, Zxid up_to) {
  while (node.committed < node.log.size() && node.log[node.committed].zxid <= up_to) {
    const Entry& entry = node.log[node.committed];
    if (node.committed < committed_.size()) {
      if (committed_[node.committed].zxid != entry.zxid)
        violated(fmt::format("server {} commits {:#x} where {:#x} was committed", node.id,
                             entry.zxid.value, committed_[node.committed].zxid.value));
    } else {
      committed_.push_back(entry);
      Servers holders;
      for (const auto& [id, other] : nodes_)
        if (membership_.is_voter(ServerId{id}) &&
            std::ranges::any_of(other->disk.history,
                                [&](const Entry& held) { return held.zxid == entry.zxid; }))
          add_to(holders, ServerId{id});
      if (!membership_.is_quorum(holders))
        violated(fmt::format("server {} commits {:#x}, which is on {} disks only", node.id,
                             entry.zxid.value, holders.size()));
    }
    ++node.committed;
  }
  node.applied = std::max(node.applied, node.committed);
}

// The tree is the list of its entries: long count, then (long zxid, buffer) each.
void TestCluster::send_snapshot(NodeId id, const effect::SendSnapshot& snapshot) {
  Node& node = this->node(id);
  Bytes tree;
  jute::Writer out(tree);
  out.i64(static_cast<std::int64_t>(node.applied));
  for (std::size_t i = 0; i < node.applied; ++i) {
    out.i64(node.log[i].zxid.value);
    out.view(*node.log[i].bytes);
  }
  if (node.applied > 0 && node.log[node.applied - 1].zxid != snapshot.zxid)
    violated(fmt::format("server {}: a tree of {:#x} is sent as one of {:#x}", id,
                         node.log[node.applied - 1].zxid.value, snapshot.zxid.value));
  const auto link = node.links.find(snapshot.link);
  if (link == node.links.end()) return;
  const int side = link->second->dialler == id ? 0 : 1;
  link->second->is_watched[side] = false;
  send(id, snapshot.link, tree);
  link->second->is_watched[side] = true;
}

void TestCluster::receive_tree(NodeId id, LinkId link, BytesView bytes) {
  auto& installing = node(id).installing;
  installing->bytes.append(bytes);
  if (installing->is_writing) return;
  jute::Reader in(installing->bytes);
  std::vector<Entry> tree;
  const std::int64_t count = in.i64();
  for (std::int64_t i = 0; i < count && in.ok(); ++i) {
    const Zxid zxid{in.i64()};
    tree.push_back({zxid, std::make_shared<const Bytes>(in.view().value_or(""))});
  }
  if (!in.ok()) return;
  installing->is_writing = true;
  const std::size_t size = installing->bytes.size() - in.remaining();
  disk_op(id, [this, tree, size, link](Node& at) {
    at.disk.history = at.log = tree;
    at.applied = tree.size();
    const auto done = *std::exchange(at.installing, {});
    at.disk.snapshot = done.zxid;
    event(at.id, [&](Zab& engine) {
      engine.snapshot_installed(link, done.zxid, BytesView(done.bytes).substr(size));
    });
    if (!at.links.contains(link)) event(at.id, [&](Zab& engine) { engine.unlinked(link); });
  });
}

void TestCluster::read_log(NodeId id, const effect::ReadLog& wanted) {
  in_life(id, now_ + delay(options_.min_flush_ms, options_.max_flush_ms), [this, id, wanted] {
    Node& node = this->node(id);
    std::vector<Entry> entries;
    for (const Entry& entry : node.log)
      if (entry.zxid > wanted.after && entry.zxid <= wanted.up_to) entries.push_back(entry);
    const bool is_there = options_.is_log_kept && wanted.after >= node.disk.snapshot &&
                          std::ranges::any_of(node.log, [&](const Entry& entry) {
                            return entry.zxid == wanted.after;
                          });
    if (!is_there)
      return event(id, [&](Zab& engine) { engine.log_read(wanted.link, std::nullopt, true); });
    const std::size_t half = entries.size() / 2;
    std::vector<Entry> first(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(half));
    std::vector<Entry> second(entries.begin() + static_cast<std::ptrdiff_t>(half), entries.end());
    if (!first.empty())
      event(id, [&](Zab& engine) { engine.log_read(wanted.link, std::move(first), false); });
    in_life(id, now_ + 2, [this, id, wanted, second] {
      event(id, [&](Zab& engine) { engine.log_read(wanted.link, second, true); });
    });
  });
}

// ---- clients, looking -------------------------------------------------------------------------

std::optional<std::string> TestCluster::write_at(NodeId id) {
  Node& node = this->node(id);
  if (!node.engine || node.engine->status().role != Role::kLeading ||
      !node.engine->status().is_serving)
    return std::nullopt;
  std::string bytes = fmt::format("w{}", ++writes_);
  event(id, [&](Zab& engine) {
    engine.propose({engine.next_zxid(), std::make_shared<const Bytes>(bytes)});
  });
  return bytes;
}

std::optional<std::string> TestCluster::write() {
  const auto leader = serving_leader();
  return leader ? write_at(*leader) : std::nullopt;
}

bool TestCluster::write_and_wait(std::int64_t within_ms) {
  const auto bytes = write();
  return bytes && run_until([&] { return is_committed(*bytes); }, within_ms);
}

void TestCluster::read_index(NodeId id, std::uint64_t token) {
  event(id, [&](Zab& engine) { engine.read_index(token); });
}

void TestCluster::send_to_leader(NodeId id, const ServiceMessage& message) {
  event(id, [&](Zab& engine) { engine.send_to_leader(message); });
}

void TestCluster::send_to_learner(NodeId id, LinkId link, const ServiceMessage& message) {
  event(id, [&](Zab& engine) { engine.send_to_learner(link, message); });
}

// Of several that think so, the one with the newest epoch.
std::optional<NodeId> TestCluster::serving_leader() const {
  std::optional<NodeId> leader;
  for (const auto& [id, node] : nodes_) {
    if (!node->engine) continue;
    const Status& status = node->engine->status();
    if (status.role != Role::kLeading || !status.is_serving) continue;
    if (!leader || status.epoch > this->status(*leader).epoch) leader = id;
  }
  return leader;
}

bool TestCluster::is_up(NodeId id) const { return node(id).engine != nullptr; }
const Status& TestCluster::status(NodeId id) const { return node(id).engine->status(); }

std::vector<Zxid> TestCluster::applied(NodeId id) const {
  std::vector<Zxid> zxids;
  for (std::size_t i = 0; i < node(id).applied; ++i) zxids.push_back(node(id).log[i].zxid);
  return zxids;
}

Zxid TestCluster::last_applied(NodeId id) const {
  return node(id).applied == 0 ? Zxid{} : node(id).log[node(id).applied - 1].zxid;
}

Zxid TestCluster::last_durable(NodeId id) const {
  return node(id).disk.history.empty() ? Zxid{} : node(id).disk.history.back().zxid;
}

bool TestCluster::are_all_serving_and_equal() const {
  for (const auto& [id, node] : nodes_) {
    if (!node->engine) continue;
    if (!node->engine->status().is_serving || node->committed != committed_.size()) return false;
    if (node->applied != committed_.size()) return false;
  }
  return true;
}

bool TestCluster::is_committed(const std::string& bytes) const {
  return std::ranges::any_of(committed_, [&](const Entry& entry) { return *entry.bytes == bytes; });
}

std::string TestCluster::describe() const {
  std::string text = fmt::format("at {} ms, {} committed\n", now_, committed_.size());
  for (const auto& [id, node] : nodes_) {
    text += fmt::format("{}: disk {:#x} epochs {} {}", id, last_durable(id).value,
                        node->disk.accepted, node->disk.current);
    if (node->engine)
      text +=
          fmt::format(", role {} of {} in {}, {}, {} committed", static_cast<int>(status(id).role),
                      status(id).leader.value, status(id).epoch,
                      status(id).is_serving ? "serving" : "not serving", node->committed);
    text += "\n";
  }
  const auto last = [&](const std::vector<std::string>& lines) {
    for (std::size_t i = lines.size() > 30 ? lines.size() - 30 : 0; i < lines.size(); ++i)
      text += lines[i] + "\n";
  };
  last(warnings_);
  last(transcript_);
  return text;
}

int TestCluster::count_sent(const std::string& packet) const {
  return static_cast<int>(std::ranges::count_if(transcript_, [&](const std::string& line) {
    return line.find(" " + packet + " ") != std::string::npos;
  }));
}

const std::map<std::uint64_t, Zxid>& TestCluster::reads(NodeId id) const { return node(id).reads; }

}  // namespace synod::consensus::zab
