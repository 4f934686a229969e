#include "consensus/cluster/cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "jute/codec.h"

namespace synod::consensus::cluster {

// What survives a crash. The log from its beginning: `snapshot` says how much of it is left only as
// a tree.
struct Cluster::Disk {
  std::vector<Entry> history;
  Zxid snapshot;
  std::uint32_t accepted = 0;
  std::uint32_t current = 0;
  ServerId voted_for{};
  bool has_accepted = false;  // an acceptedEpoch file
  bool has_current = false;   // and the other, without which it has no memory
  Membership membership;      // its own files; they outlive a wiped directory
};

struct Cluster::Node {
  NodeId id;
  Disk disk;
  std::unique_ptr<Engine> engine;  // while it is up
  std::uint64_t life = 0;          // events of an earlier one are void
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

struct Cluster::Link {
  NodeId dialler, acceptor;
  LinkId dialler_link, acceptor_link;
  Port port;
  std::uint64_t connection;
  bool is_broken = false;
  std::int64_t last_arrival[2] = {0, 0};           // to the dialler, to the acceptor
  std::deque<std::function<void()>> held[2] = {};  // by a silence, on the way to them

  [[nodiscard]] NodeId other(NodeId one) const { return one == dialler ? acceptor : dialler; }
  [[nodiscard]] int side_of(NodeId one) const { return one == dialler ? 0 : 1; }
  [[nodiscard]] LinkId link_at(NodeId one) const {
    return one == dialler ? dialler_link : acceptor_link;
  }
};

// ---- entries ----------------------------------------------------------------------------------

SharedBytes TestForms::write(EntryKind kind, Zxid /*zxid*/, BytesView payload) const {
  Bytes bytes(1, static_cast<char>(kind));
  bytes.append(payload);
  return std::make_shared<const Bytes>(std::move(bytes));
}

EntryForms::Form TestForms::read(BytesView entry) const {
  if (entry.empty() || entry.front() > static_cast<char>(EntryKind::kConfiguration)) return {};
  return {static_cast<EntryKind>(entry.front()), entry.substr(1)};
}

namespace {

Member member(NodeId id, bool is_observer) {
  const std::string host = fmt::format("s{}", id);
  return {.quorum = {{host, 2888}}, .election = {{host, 3888}}, .is_observer = is_observer};
}

}  // namespace

Cluster::Cluster(Options options, MakeEngine make_engine)
    : options_(options), make_engine_(std::move(make_engine)), random_(options.seed) {
  const NodeId members = options.voters + options.observers;
  Membership& first = configurations_[Zxid{}];
  for (NodeId id = 1; id <= members; ++id)
    first.members[ServerId{id}] = member(id, id > options.voters);
  for (NodeId id = 1; id <= members + options.spares; ++id) {
    nodes_[id] = std::make_unique<Node>();
    nodes_[id]->id = id;
    Membership& own = nodes_[id]->disk.membership = first;
    own.members.try_emplace(ServerId{id}, member(id, false));
  }
}

// What is held holds its link.
Cluster::~Cluster() {
  for (const auto& weak : made_links_)
    if (const auto link = weak.lock())
      for (auto& held : link->held) held.clear();
}

// ---- the world --------------------------------------------------------------------------------

void Cluster::start(NodeId id) {
  Node& node = this->node(id);
  SYNOD_ASSERT(!node.engine);
  node.engine = make_engine_(ServerId{id}, node.disk.membership);
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
  // As recovery does (Java would refuse to start). A log without epochs is that of a server that
  // was on its own.
  const bool has_memory = node.disk.has_current || (!node.disk.has_accepted && !node.log.empty());
  if (has_memory) node.disk.current = std::max(node.disk.current, node.last().epoch());
  if (node.disk.accepted < node.disk.current) {
    node.disk.accepted = node.disk.current;
    node.disk.voted_for = {};
  }
  node.engine->start({.last_logged = node.last(),
                      .recent = recent,
                      .configurations = configurations_in(node),
                      .accepted_epoch = node.disk.accepted,
                      .current_epoch = node.disk.current,
                      .voted_for = node.disk.voted_for,
                      .has_memory = has_memory,
                      .now = {now_},
                      .seed = random_.next(),
                      .forms = &forms_});
  carry_out(id);
}

void Cluster::start_all() {
  for (const auto& [id, node] : nodes_)
    if (!node->engine) start(id);
}

void Cluster::crash(NodeId id) {
  Node& node = this->node(id);
  if (!node.engine) return;
  ++node.life;
  node.engine.reset();
  node.disk_ops.clear();
  for (const auto& link : std::vector(links_))
    if (link->dialler == id || link->acceptor == id) break_link(link);
  node.links.clear();
}

void Cluster::wipe(NodeId id) {
  SYNOD_ASSERT(!node(id).engine);
  node(id).disk = {.membership = std::move(node(id).disk.membership)};
}

void Cluster::cut_off(NodeId a, NodeId b) {
  cut_off_.insert(std::minmax(a, b));
  for (const auto& link : std::vector(links_))
    if (std::minmax(link->dialler, link->acceptor) == std::minmax(a, b)) break_link(link);
}

void Cluster::silence(NodeId from, NodeId to) { silenced_.insert({from, to}); }

void Cluster::heal(NodeId a, NodeId b) {
  cut_off_.erase(std::minmax(a, b));
  silenced_.erase({a, b});
  silenced_.erase({b, a});
  for (const auto& link : std::exchange(holding_, {})) release(link);
}

void Cluster::isolate(NodeId id) {
  for (const auto& [other, unused] : nodes_)
    if (other != id) cut_off(id, other);
}

void Cluster::heal_all() {
  cut_off_.clear();
  silenced_.clear();
  for (const auto& link : std::exchange(holding_, {})) release(link);
}

bool Cluster::are_cut_off(NodeId a, NodeId b) const {
  return cut_off_.contains(std::minmax(a, b)) || is_silenced(a, b) || is_silenced(b, a);
}

void Cluster::stall_disk(NodeId id, bool is_stalled) {
  node(id).is_disk_stalled = is_stalled;
  if (!is_stalled && node(id).engine) work_disk(id);
}

void Cluster::purge_log(NodeId id) {
  Node& node = this->node(id);
  // Not ahead of the disk, and, while it is up, only of what is committed.
  std::size_t count = node.disk.history.size();
  if (node.engine) count = std::min(count, node.committed);
  if (count > 0)
    node.disk.snapshot = std::max(node.disk.snapshot, node.disk.history[count - 1].zxid);
}

void Cluster::set_accepted_epoch(NodeId id, std::uint32_t epoch) {
  SYNOD_ASSERT(!node(id).engine);
  node(id).disk.accepted = epoch;
}

void Cluster::set_log(NodeId id, const std::vector<Zxid>& zxids) {
  SYNOD_ASSERT(!node(id).engine);
  wipe(id);
  Disk& disk = node(id).disk;
  Zxid before;
  for (const Zxid zxid : zxids) {
    const std::string bytes = fmt::format("old {:#x}", zxid.value);
    disk.history.push_back({zxid, std::make_shared<const Bytes>(bytes)});
    chain_.try_emplace(zxid, before, bytes);
    before = zxid;
  }
  disk.accepted = disk.current = before.epoch();
  disk.has_accepted = disk.has_current = true;
}

// ---- time -------------------------------------------------------------------------------------

void Cluster::at(std::int64_t when, std::function<void()> run) {
  events_.emplace(std::pair(when, order_++), std::move(run));
}

void Cluster::in_life(NodeId id, std::int64_t when, std::function<void()> run) {
  at(when, [this, id, life = node(id).life, run = std::move(run)] {
    if (node(id).engine && node(id).life == life) run();
  });
}

std::int64_t Cluster::delay(std::int64_t least, std::int64_t most) {
  return least +
         static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most - least + 1)));
}

bool Cluster::step() {
  if (events_.empty()) return false;
  auto first = events_.extract(events_.begin());
  now_ = std::max(now_, first.key().first);
  first.mapped()();
  return true;
}

void Cluster::run_for(std::int64_t ms) {
  const std::int64_t end = now_ + ms;
  while (!events_.empty() && events_.begin()->first.first <= end) step();
  now_ = end;
}

bool Cluster::run_until(const std::function<bool()>& condition, std::int64_t within_ms) {
  const std::int64_t end = now_ + within_ms;
  while (!condition()) {
    if (events_.empty() || events_.begin()->first.first > end) return false;
    step();
  }
  return true;
}

void Cluster::event(NodeId id, const std::function<void(Engine&)>& what) {
  Node& node = this->node(id);
  if (!node.engine) return;
  node.engine->tick({now_});  // as the replica does: see Engine::tick()
  what(*node.engine);
  carry_out(id);
}

// Effects may lead to further calls; those are made when the list is through.
void Cluster::carry_out(NodeId id) {
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

void Cluster::wake(NodeId id) {
  Node& node = this->node(id);
  const auto deadline = node.engine->next_deadline();
  if (!deadline) return;
  const std::int64_t when = std::max(deadline->value, now_ + 1);
  if (node.woken_at && *node.woken_at <= when && *node.woken_at > now_) return;
  node.woken_at = when;
  in_life(id, when, [this, id] { event(id, [&](Engine& engine) { engine.tick({now_}); }); });
}

void Cluster::carry_out(NodeId id, Effect& effect) {
  Node& node = this->node(id);
  if (auto* commit = std::get_if<effect::Commit>(&effect)) {
    this->commit(node, commit->up_to);
  } else if (auto* changed = std::get_if<effect::StatusChanged>(&effect)) {
    status_changed(id, changed->status);
  } else if (auto* configured = std::get_if<effect::Configured>(&effect)) {
    node.disk.membership = *Membership::parse(configured->text);
  } else if (auto* dial = std::get_if<effect::Dial>(&effect)) {
    this->dial(id, *dial);
  } else if (auto* send = std::get_if<effect::Send>(&effect)) {
    this->send(id, send->link, std::move(send->bytes));
  } else if (auto* close = std::get_if<effect::Close>(&effect)) {
    this->close(id, close->link);
  } else if (auto* deliver = std::get_if<effect::Deliver>(&effect)) {
    if (on_deliver) on_deliver(id, *deliver);
    if (deliver->message.kind == ServiceMessage::Kind::kTouchesWanted)
      node.engine->send_to_leader({.kind = ServiceMessage::Kind::kTouches});
  } else if (auto* index = std::get_if<effect::ReadIndex>(&effect)) {
    node.reads[index->token] = index->zxid;
  } else if (auto* warn = std::get_if<effect::Warn>(&effect)) {
    warnings_.push_back(fmt::format("{}: {}", id, warn->text));
  } else {
    carry_out_on_disk(id, effect);
  }
}

void Cluster::carry_out_on_disk(NodeId id, const Effect& effect) {
  Node& node = this->node(id);
  if (const auto* append = std::get_if<effect::Append>(&effect)) {
    this->append(node, append->entry);
  } else if (const auto* cut = std::get_if<effect::Cut>(&effect)) {
    disk_op(id, [this, after = cut->after](Node& at) {
      Disk& disk = at.disk;
      // No older tree is left: nothing is touched.
      if (after < disk.snapshot)
        return event(at.id, [](Engine& engine) { engine.was_cut(std::nullopt); });
      std::erase_if(disk.history, [&](const Entry& entry) { return entry.zxid > after; });
      at.log = disk.history;
      at.applied = std::min(at.applied, at.log.size());
      event(at.id, [&](Engine& engine) { engine.was_cut(at.last()); });
    });
  } else if (const auto* save = std::get_if<effect::SaveEpochs>(&effect)) {
    disk_op(id, [this, epochs = *save](Node& at) { save_epochs(at, epochs); });
  } else if (const auto* snapshot = std::get_if<effect::SendSnapshot>(&effect)) {
    send_snapshot(id, *snapshot);
  } else if (const auto* receive = std::get_if<effect::ReceiveSnapshot>(&effect)) {
    if (node.installing && node.installing->is_writing)
      violated(fmt::format("server {} takes two trees at once", id));
    node.installing = Node::Installing{receive->link, receive->zxid, {}, false};
    receive_tree(id, receive->link, receive->first_bytes);
  } else if (const auto* read = std::get_if<effect::ReadLog>(&effect)) {
    read_log(id, *read);
  }
}

void Cluster::save_epochs(Node& node, const effect::SaveEpochs& epochs) {
  Disk& disk = node.disk;
  if (epochs.accepted < disk.accepted || epochs.current < disk.current)
    violated(fmt::format("server {}: an epoch on disk decreases", node.id));
  if (epochs.accepted == disk.accepted && disk.voted_for.value != 0 &&
      epochs.voted_for != disk.voted_for)
    violated(fmt::format("server {}: its vote of epoch {} changes", node.id, disk.accepted));
  disk.accepted = epochs.accepted;
  disk.current = epochs.current;
  disk.voted_for = epochs.voted_for;
  disk.has_accepted = true;
  disk.has_current |= epochs.current > 0 || epochs.accepted == 0;
  event(node.id, [](Engine& engine) { engine.epochs_saved(); });
}

void Cluster::status_changed(NodeId id, const Status& status) {
  // The tail that was replayed at the start is in the tree: see Journal::applied().
  if (status.is_serving && node(id).applied > node(id).committed)
    violated(fmt::format("server {} serves a tree that holds what is not committed", id));
  if (status.role != Role::kLeading || !status.is_serving) return;
  // It may pause in its epoch, but not begin it again in another life.
  const auto [leader, is_first] = leader_of_.emplace(status.epoch, id);
  const auto [life, unused] = leader_life_.emplace(status.epoch, node(id).life);
  if (!is_first && (leader->second != id || life->second != node(id).life))
    violated(fmt::format("epoch {} has two leaders", status.epoch));
}

// ---- links ------------------------------------------------------------------------------------

void Cluster::dial(NodeId from, const effect::Dial& dial) {
  const NodeId to = dial.server.value;
  const std::int64_t arrives = now_ + delay(options_.min_delay_ms, options_.max_delay_ms);
  in_life(from, arrives, [this, from, to, dialled = dial.link, port = dial.port] {
    if (!nodes_.contains(to) || !node(to).engine || are_cut_off(from, to))
      return event(from, [&](Engine& engine) { engine.unlinked(dialled); });
    auto link = std::make_shared<Link>();
    link->dialler = from;
    link->acceptor = to;
    link->dialler_link = dialled;
    link->acceptor_link = LinkId{node(to).next_accepted_link};
    node(to).next_accepted_link += 2;
    link->port = port;
    link->connection = ++connections_;
    links_.push_back(link);
    made_links_.push_back(link);
    node(from).links[dialled] = link;
    node(to).links[link->acceptor_link] = link;
    event(to, [&](Engine& engine) { engine.accepted(link->acceptor_link, port); });
    event(from, [&](Engine& engine) { engine.linked(dialled); });
  });
}

void Cluster::send(NodeId from, LinkId id, Bytes bytes, bool is_tree) {
  const auto found = node(from).links.find(id);
  if (found == node(from).links.end()) return;
  const std::shared_ptr<Link> link = found->second;
  const NodeId to = link->other(from);
  if (on_send)
    on_send({link->connection, from, to, link->port, from == link->dialler, is_tree, bytes});
  if (link->is_broken || !node(from).engine) return;
  std::int64_t& last = link->last_arrival[link->side_of(to)];
  last = std::max(last, now_ + delay(options_.min_delay_ms, options_.max_delay_ms));
  in_life(to, last, [this, to, link, bytes = std::move(bytes)] {
    arrive(to, link, [this, to, link, bytes] {
      const LinkId at = link->link_at(to);
      if (link->is_broken || !node(to).links.contains(at)) return;
      if (node(to).installing && node(to).installing->link == at)
        return receive_tree(to, at, bytes);
      event(to, [&](Engine& engine) { engine.received(at, bytes); });
    });
  });
}

// A silence holds it, and what comes behind it.
void Cluster::arrive(NodeId to, const std::shared_ptr<Link>& link, std::function<void()> run) {
  auto& held = link->held[link->side_of(to)];
  if (held.empty() && !is_silenced(link->other(to), to)) return run();
  held.push_back(std::move(run));
  if (std::ranges::find(holding_, link) == holding_.end()) holding_.push_back(link);
}

void Cluster::release(const std::shared_ptr<Link>& link) {
  for (const NodeId to : {link->dialler, link->acceptor}) {
    if (link->held[link->side_of(to)].empty()) continue;
    if (is_silenced(link->other(to), to)) {
      holding_.push_back(link);
      continue;
    }
    in_life(to, now_ + 1, [link, side = link->side_of(to)] {
      for (const auto& run : std::exchange(link->held[side], {})) run();
    });
  }
}

// What was sent before still arrives; the other end notices behind it.
void Cluster::close(NodeId from, LinkId id) {
  const auto found = node(from).links.find(id);
  if (found == node(from).links.end()) return;
  const std::shared_ptr<Link> link = found->second;
  node(from).links.erase(found);
  if (node(from).installing && node(from).installing->link == id) node(from).installing.reset();
  const NodeId to = link->other(from);
  if (link->is_broken) return;
  in_life(to, std::max(link->last_arrival[link->side_of(to)], now_ + 1), [this, to, link] {
    arrive(to, link, [this, to, link] {
      link->is_broken = true;
      std::erase(links_, link);
      notice_break(to, link->link_at(to));
    });
  });
}

// What is on its way is lost; both ends notice, each in its own time.
void Cluster::break_link(const std::shared_ptr<Link>& link) {
  if (link->is_broken) return;
  link->is_broken = true;
  for (const NodeId end : {link->dialler, link->acceptor}) {
    if (!node(end).engine) continue;
    in_life(end, now_ + delay(1, 50), [this, end, link] {
      arrive(end, link, [this, end, link] { notice_break(end, link->link_at(end)); });
    });
  }
  std::erase(links_, link);
}

void Cluster::notice_break(NodeId id, LinkId link) {
  if (node(id).links.erase(link) == 0) return;
  auto& installing = node(id).installing;
  if (installing && installing->link == link) {
    if (installing->is_writing) return;  // too late: it will be installed
    installing.reset();
  }
  event(id, [&](Engine& engine) { engine.unlinked(link); });
}

// ---- the disk ---------------------------------------------------------------------------------

// One after the other, in order.
void Cluster::disk_op(NodeId id, std::function<void(Node&)> done) {
  node(id).disk_ops.push_back(std::move(done));
  work_disk(id);
}

void Cluster::work_disk(NodeId id) {
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

void Cluster::append(Node& node, const Entry& entry) {
  const auto [known, is_new] = chain_.try_emplace(entry.zxid, std::pair(node.last(), *entry.bytes));
  if (!is_new && known->second != std::pair(node.last(), *entry.bytes))
    violated(fmt::format("server {}: {:#x} after {:#x}, elsewhere after {:#x}", node.id,
                         entry.zxid.value, node.last().value, known->second.first.value));
  node.log.push_back(entry);
  disk_op(node.id, [this, entry](Node& at) {
    at.disk.history.push_back(entry);
    event(at.id, [&](Engine& engine) { engine.durable(entry.zxid); });
  });
}

void Cluster::commit(Node& node, Zxid up_to) {
  while (node.committed < node.log.size() && node.log[node.committed].zxid <= up_to) {
    const Entry& entry = node.log[node.committed];
    if (node.committed < committed_.size()) {
      if (committed_[node.committed].zxid != entry.zxid)
        violated(fmt::format("server {} commits {:#x} where {:#x} was committed", node.id,
                             entry.zxid.value, committed_[node.committed].zxid.value));
    } else {
      check_committed_first(node, entry);
      committed_.push_back(entry);
      if (auto membership = membership_in(entry))
        configurations_[entry.zxid] = *std::move(membership);
    }
    ++node.committed;
  }
  node.applied = std::max(node.applied, node.committed);
}

// On the disks of a quorum by then.
void Cluster::check_committed_first(const Node& node, const Entry& entry) {
  const Zxid before = chain_.at(entry.zxid).first;
  if (!committed_.empty() && before != committed_.back().zxid)
    violated(fmt::format("server {} commits {:#x} after {:#x}, not after {:#x}", node.id,
                         entry.zxid.value, before.value, committed_.back().zxid.value));
  if (!is_backed(node, entry))
    violated(fmt::format("server {} commits {:#x}, which is on the disks of no quorum", node.id,
                         entry.zxid.value));
}

// Of the newest configuration committed before, or of one that the log of whoever commits goes on
// with: which of them an engine asks, and whether of two at once, its own tests check.
bool Cluster::is_backed(const Node& node, const Entry& entry) const {
  Servers holders;
  for (const auto& [id, other] : nodes_)
    if (is_durable(id, entry.zxid)) add_to(holders, ServerId{id});
  if (membership().is_quorum(holders)) return true;
  return std::ranges::any_of(node.log, [&](const Entry& logged) {
    if (logged.zxid <= configurations_.rbegin()->first) return false;
    const auto next = membership_in(logged);
    return next && next->is_quorum(holders);
  });
}

std::optional<Membership> Cluster::membership_in(const Entry& entry) const {
  const EntryForms::Form form = forms_.read(*entry.bytes);
  if (form.kind != EntryKind::kReconfiguration) return std::nullopt;
  return *Membership::parse(form.payload);
}

// All in the log, and the last in its tree.
std::vector<Configuration> Cluster::configurations_in(const Node& node) const {
  std::vector<Configuration> found;
  for (const Entry& entry : node.log) {
    const EntryForms::Form form = forms_.read(*entry.bytes);
    if (form.kind != EntryKind::kReconfiguration && form.kind != EntryKind::kConfiguration)
      continue;
    if (entry.zxid <= node.disk.snapshot) found.clear();
    found.push_back({entry.zxid, form.kind, std::string(form.payload)});
  }
  return found;
}

// The tree is the list of its entries: long count, then (long zxid, buffer) each.
void Cluster::send_snapshot(NodeId id, const effect::SendSnapshot& snapshot) {
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
  send(id, snapshot.link, tree, true);
}

void Cluster::receive_tree(NodeId id, LinkId link, BytesView bytes) {
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
    const auto known = configurations_in(at);
    event(at.id, [&](Engine& engine) {
      engine.snapshot_installed(link, done.zxid, BytesView(done.bytes).substr(size),
                                known.empty() ? "" : known.back().text);
    });
    if (!at.links.contains(link)) event(at.id, [&](Engine& engine) { engine.unlinked(link); });
  });
}

void Cluster::read_log(NodeId id, const effect::ReadLog& wanted) {
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
      return event(id, [&](Engine& engine) { engine.log_read(wanted.link, std::nullopt, true); });
    const std::size_t half = entries.size() / 2;
    std::vector<Entry> first(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(half));
    std::vector<Entry> second(entries.begin() + static_cast<std::ptrdiff_t>(half), entries.end());
    if (!first.empty())
      event(id, [&](Engine& engine) { engine.log_read(wanted.link, std::move(first), false); });
    in_life(id, now_ + 2, [this, id, wanted, second] {
      event(id, [&](Engine& engine) { engine.log_read(wanted.link, second, true); });
    });
  });
}

// ---- clients, looking -------------------------------------------------------------------------

std::optional<std::string> Cluster::write_at(NodeId id) {
  Node& node = this->node(id);
  if (!node.engine || node.engine->status().role != Role::kLeading ||
      !node.engine->status().is_serving)
    return std::nullopt;
  std::string bytes = fmt::format("w{}", ++writes_);
  event(id, [&](Engine& engine) {
    engine.propose({engine.next_zxid(), std::make_shared<const Bytes>(bytes)});
  });
  return bytes;
}

std::optional<std::string> Cluster::write() {
  const auto leader = serving_leader();
  return leader ? write_at(*leader) : std::nullopt;
}

bool Cluster::write_and_wait(std::int64_t within_ms) {
  const auto bytes = write();
  return bytes && run_until([&] { return is_committed(*bytes); }, within_ms);
}

std::optional<std::string> Cluster::reconfigure(Membership next) {
  const auto leader = serving_leader();
  if (!leader) return "nobody leads";
  std::optional<std::string> refusal;
  event(*leader, [&](Engine& engine) {
    if (engine.is_reconfiguring()) refusal = "another change is not finished";
    if (!refusal) refusal = engine.why_not(next);
    if (refusal) return;
    next.version = engine.next_zxid().value;
    engine.propose({engine.next_zxid(),
                    forms_.write(EntryKind::kReconfiguration, engine.next_zxid(), next.to_text())});
  });
  return refusal;
}

Membership Cluster::with_members(const Servers& voters, const Servers& observers) const {
  Membership next;
  for (const ServerId server : voters) next.members[server] = member(server.value, false);
  for (const ServerId server : observers) next.members[server] = member(server.value, true);
  next.version = membership().version;
  return next;
}

void Cluster::read_index(NodeId id, std::uint64_t token) {
  event(id, [&](Engine& engine) { engine.read_index(token); });
}

void Cluster::send_to_leader(NodeId id, const ServiceMessage& message) {
  event(id, [&](Engine& engine) { engine.send_to_leader(message); });
}

void Cluster::send_to_learner(NodeId id, LinkId link, const ServiceMessage& message) {
  event(id, [&](Engine& engine) { engine.send_to_learner(link, message); });
}

// Of several that think so, the one with the newest epoch.
std::optional<NodeId> Cluster::serving_leader() const {
  std::optional<NodeId> leader;
  for (const auto& [id, node] : nodes_) {
    if (!node->engine) continue;
    const Status& status = node->engine->status();
    if (status.role != Role::kLeading || !status.is_serving) continue;
    if (!leader || status.epoch > this->status(*leader).epoch) leader = id;
  }
  return leader;
}

bool Cluster::is_up(NodeId id) const { return node(id).engine != nullptr; }
const Status& Cluster::status(NodeId id) const { return node(id).engine->status(); }

std::vector<Zxid> Cluster::applied(NodeId id) const {
  std::vector<Zxid> zxids;
  for (std::size_t i = 0; i < node(id).applied; ++i) zxids.push_back(node(id).log[i].zxid);
  return zxids;
}

Zxid Cluster::last_applied(NodeId id) const {
  return node(id).applied == 0 ? Zxid{} : node(id).log[node(id).applied - 1].zxid;
}

Zxid Cluster::last_durable(NodeId id) const {
  return node(id).disk.history.empty() ? Zxid{} : node(id).disk.history.back().zxid;
}

bool Cluster::is_durable(NodeId id, Zxid zxid) const {
  return std::ranges::any_of(node(id).disk.history,
                             [&](const Entry& entry) { return entry.zxid == zxid; });
}

std::size_t Cluster::durable_count(NodeId id) const { return node(id).disk.history.size(); }
std::size_t Cluster::committed_count(NodeId id) const { return node(id).committed; }

effect::SaveEpochs Cluster::epochs_on_disk(NodeId id) const {
  const Disk& disk = node(id).disk;
  return {.accepted = disk.accepted, .current = disk.current, .voted_for = disk.voted_for};
}

bool Cluster::are_all_serving_and_equal() const {
  for (const auto& [id, node] : nodes_) {
    if (!node->engine || !membership().members.contains(ServerId{id})) continue;
    if (!node->engine->status().is_serving || node->committed != committed_.size()) return false;
    if (node->applied != committed_.size()) return false;
  }
  return true;
}

bool Cluster::is_committed(const std::string& bytes) const {
  return std::ranges::any_of(committed_, [&](const Entry& entry) { return *entry.bytes == bytes; });
}

std::string Cluster::describe() const {
  std::string text = fmt::format("at {} ms, {} committed\n", now_, committed_.size());
  for (const auto& [id, node] : nodes_) {
    text += fmt::format("{}: disk {:#x} epochs {} {} vote {}", id, last_durable(id).value,
                        node->disk.accepted, node->disk.current, node->disk.voted_for.value);
    if (node->engine)
      text +=
          fmt::format(", role {} of {} in {}, {}, {} committed", static_cast<int>(status(id).role),
                      status(id).leader.value, status(id).epoch,
                      status(id).is_serving ? "serving" : "not serving", node->committed);
    text += "\n";
  }
  for (std::size_t i = warnings_.size() > 30 ? warnings_.size() - 30 : 0; i < warnings_.size(); ++i)
    text += warnings_[i] + "\n";
  return text;
}

const std::map<std::uint64_t, Zxid>& Cluster::reads(NodeId id) const { return node(id).reads; }

}  // namespace synod::consensus::cluster
