#include "sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "consensus/omnipaxos/omnipaxos.h"
#include "consensus/raft/raft.h"
#include "consensus/solo/solo.h"
#include "consensus/zab/zab.h"
#include "jute/txn.h"
#include "sim/check/checks.h"
#include "sim/models/multi_paxos.h"
#include "sim/models/viewstamped.h"

namespace synod::sim {
namespace {

using consensus::Role;
namespace effect = consensus::effect;

constexpr Micros kRestTime = 60 * kSecond;  // in which a healed ensemble must come to rest
constexpr std::uint64_t kRequestsMin = 500;
constexpr std::size_t kViolationsTold = 20;

ServerId id_of(std::size_t server) { return {static_cast<std::int64_t>(server) + 1}; }

consensus::Member member(std::size_t server, bool is_observer) {
  const std::string host = fmt::format("10.0.0.{}", server + 1);
  return {.quorum = {{host, 2888}},
          .election = {{host, 3888}},
          .is_observer = is_observer,
          .client = {}};
}

consensus::Membership first_membership(const WorldOptions& options) {
  consensus::Membership membership;
  for (std::size_t i = 0; i < options.servers + options.observers; ++i)
    membership.members[id_of(i)] = member(i, i >= options.servers);
  return membership;
}

std::size_t machines_of(const WorldOptions& options) {
  return options.servers + options.observers + options.spares;
}

std::string text_of(const Bytes& txn) {
  const auto decoded = jute::decode_txn(txn);
  if (!decoded) return "what does not decode";
  const jute::TxnHeader& header = decoded->header;
  return fmt::format("0x{:x}: type {} of session 0x{:x} xid {}", header.zxid.value,
                     static_cast<std::int32_t>(header.type), header.client_id.value, header.cxid);
}

// A refused multi is logged as one, with an error among its parts.
bool changes_nothing(const jute::Txn& txn) {
  const auto* multi = std::get_if<jute::MultiTxn>(&txn.record);
  return multi && std::ranges::any_of(multi->txns, [](const jute::SubTxn& part) {
           return part.type == jute::OpCode::kError;
         });
}

}  // namespace

bool is_engine(const std::string& name) {
  return std::ranges::find(kEngines, name) != kEngines.end();
}

WorldOptions plain_options() {
  WorldOptions options;
  replica::Options& replica = options.server.replica;
  replica.directory = {"/data", "/data"};
  replica.log_preallocate_bytes = 0;
  replica.snapshots.txns_between = 1000;
  options.server.rules.min_session_timeout_ms = 400;
  options.server.rules.max_session_timeout_ms = 20000;
  options.network.cut_per_mille = 0;
  options.network.slow_per_mille = 0;
  options.network.dial_fails_per_mille = 0;
  return options;
}

WorldOptions drawn_options(std::uint64_t seed) {
  WorldOptions options = plain_options();
  Dice dice = sim::dice(seed, Part::kWorld);
  options.seed = seed;
  options.clients = 4 + dice.below(5);
  options.network.latency = 100 << dice.below(8);
  options.network.slow_per_mille = dice.below(20);
  options.network.cut_per_mille = dice.coin() ? dice.below(300) : 5;
  options.network.dial_fails_per_mille = dice.below(50);
  options.network.window = std::size_t{4096} << dice.below(8);
  options.server.lanes = 1 + dice.below(2);
  options.server.disk.flush_latency = 100 << dice.below(7);
  replica::Options& replica = options.server.replica;
  replica.snapshots.txns_between = 20 << dice.below(7);
  replica.snapshots.purge.snapshots_kept = 2 + dice.below(3);
  replica.log_preallocate_bytes = dice.coin() ? 0 : 16384;
  replica.log_size_limit_bytes = dice.below(3) == 0 ? 20000 : 0;
  options.commit_log_count = 5 << dice.below(8);
  options.client.timeout_ms = static_cast<std::int32_t>(dice.between(1500, 8000));
  options.client.think_time = dice.between(20, 200) * kMillisecond;
  options.client.pipeline = 1 + dice.below(8);
  options.client.directories = 1 + dice.below(3);
  options.client.nodes = 1 + dice.below(6);
  options.client.reads_per_mille = 200 + dice.below(500);
  options.client.value_bytes = dice.below(5) == 0 ? 4000 : 60;
  if (dice.below(10) == 0)
    options.first_counter = 0xFFFEFFFE - static_cast<std::uint32_t>(100 + dice.below(400));
  options.command_clients = dice.below(4) == 0 ? 1 : 0;
  options.segment_entries = 4U << dice.below(11);
  options.has_observer_masters = dice.coin();
  return options;
}

// ---- making -----------------------------------------------------------------------------------

World::World(WorldOptions options)
    : options_(std::move(options)),
      trace_(timeline_, options_.trace),
      files_(machines_of(options_), first_membership(options_)),
      excuses_(machines_of(options_)),
      is_damaged_(machines_of(options_)),
      crash_delay_(machines_of(options_)),
      syncing_(machines_of(options_)) {
  const std::size_t machines = machines_of(options_);
  network_ = std::make_unique<Network>(timeline_, trace_, options_.seed,
                                       machines + options_.clients, options_.network);
  ghost_ = std::make_unique<Ghost>(files_.front(), machines, options_.first_counter,
                                   [this](std::string text) { complain(std::move(text)); });
  claims_ = make_claims(options_.engine,
                        {.ghost = *ghost_,
                         .durable_text =
                             [this](std::size_t server, const std::string& name) {
                               return servers_[server]->disk().durable_text(name);
                             },
                         .complain = [this](std::string text) { complain(std::move(text)); }});
  // Who is to join is told of the members, and of itself.
  for (std::size_t i = options_.servers + options_.observers; i < machines; ++i)
    files_[i].members[id_of(i)] = member(i, false);
  make_servers();
  make_clients();
}

World::~World() = default;

void World::make_servers() {
  for (std::size_t i = 0; i < machines_of(options_); ++i) {
    ServerOptions options = options_.server;
    options.replica.tick_ms = options_.tick_ms;
    options.replica.server_id = static_cast<std::uint8_t>(i + 1);
    options.replica.recovery.is_member = options_.engine != "solo";
    if (options_.spares > 0) {
      options.replica.config_text = files_[i].to_text();
      options.replica.primary.allows_reconfig = options.replica.primary.access.skip = true;
    }
    // Epochs that do not begin at 1 look to storage as if something were missing.
    options.replica.recovery.accepts_gaps = options_.first_counter != 1;
    servers_.push_back(std::make_unique<Server>(
        i, options_.seed, std::move(options), timeline_, *network_, *ghost_, trace_,
        Server::Hooks{
            .engine = [this](std::size_t server,
                             std::uint64_t life) { return make_engine(server, life); },
            .failed = [this](std::size_t server,
                             const std::string& why) { server_failed(server, why); },
            .crash_due = [this](std::size_t server) { crash_due(server); },
            .effect = [this](std::size_t server,
                             const consensus::Effect& effect) { saw_effect(server, effect); },
            .accepted =
                [this](std::size_t server, consensus::LinkId link, consensus::Port port) {
                  if (claims_) claims_->accepted(server, link, port);
                }}));
  }
}

void World::make_clients() {
  for (std::size_t i = 0; i < options_.clients; ++i) {
    ClientOptions options = options_.client;
    options.place = servers_.size() + i;
    options.servers = servers_.size();
    options.is_idle = options_.clients > 3 && i + 1 == options_.clients;
    options.is_linearizable = i % 3 == 1;
    options.runs_commands = i < options_.command_clients;
    clients_.push_back(std::make_unique<Client>(static_cast<std::int32_t>(i), options_.seed,
                                                options, timeline_, *network_, *ghost_, trace_,
                                                notebook_));
  }
}

// What the engines of our own have in common.
template <class Options>
Options World::native_options(std::size_t server) const {
  Options options;
  options.self = id_of(server);
  options.membership = files_[server];
  options.tick_ms = options_.tick_ms;
  options.election_timeout_ms = kNativeTimeoutMs;
  options.heartbeat_ms = 50;
  if constexpr (requires { options.memory; }) options.memory.entries = options_.commit_log_count;
  options.first_counter = options_.first_counter;
  return options;
}

std::unique_ptr<consensus::Engine> World::make_engine(std::size_t server, std::uint64_t /*life*/) {
  namespace raft = consensus::raft;
  namespace omnipaxos = consensus::omnipaxos;
  if (options_.engine == "solo") return std::make_unique<consensus::Solo>();
  if (options_.engine.starts_with("raft")) {
    auto raft = native_options<raft::Options>(server);
    raft.max_message_bytes = options_.message_bytes;
    raft.pre_vote = raft.check_quorum = options_.engine == "raft";
    return std::make_unique<raft::Raft>(std::move(raft));
  }
  if (options_.engine.starts_with("omnipaxos")) {
    using enum omnipaxos::ElectionRule;
    auto omni = native_options<omnipaxos::Options>(server);
    omni.election = options_.engine == "omnipaxos" ? kPaper : kHappiness;
    omni.segment_entries = options_.segment_entries;
    return std::make_unique<omnipaxos::OmniPaxos>(std::move(omni));
  }
  if (options_.engine == "multipaxos")
    return std::make_unique<models::MultiPaxos>(native_options<models::Options>(server));
  if (options_.engine == "vr")
    return std::make_unique<models::Viewstamped>(native_options<models::Options>(server));
  consensus::zab::Options zab;
  zab.self = id_of(server);
  zab.membership = files_[server];
  zab.is_reconfig_enabled = options_.spares > 0;
  zab.tick_ms = options_.tick_ms;
  zab.init_limit = options_.init_limit;
  zab.observer_master_port = options_.has_observer_masters ? 2191 : 0;  // which, does not matter
  zab.commit_log_count = options_.commit_log_count;
  zab.first_counter = options_.first_counter;
  zab.election.max_notification_ms = 2000;
  zab.election.connect_timeout_ms = 1000;
  zab.election.handshake_timeout_ms = 1000;
  return std::make_unique<consensus::zab::Zab>(std::move(zab));
}

void World::complain(std::string text) {
  trace_.line([&] { return "VIOLATION " + text; });
  if (violations_.size() < kViolationsTold)
    violations_.push_back(fmt::format("at {}.{:06} s: {}", now() / kSecond, now() % kSecond, text));
}

// ---- time -------------------------------------------------------------------------------------

void World::start_all() {
  const std::size_t count = servers_.size() - (options_.starts_spares ? 0 : options_.spares);
  for (std::size_t i = 0; i < count; ++i) start(i);
  for (const auto& client : clients_) client->start();
}

void World::run_for(Micros duration) {
  const Micros until = now() + duration;
  while (!is_broken() && timeline_.step(until)) trace_.mix(timeline_.steps());
}

bool World::run_until(const std::function<bool()>& condition, Micros limit) {
  constexpr Micros kLook = 20 * kMillisecond;
  const Micros until = now() + limit;
  while (!is_broken() && now() < until) {
    if (condition()) return true;
    run_for(std::min(kLook, until - now()));
  }
  return !is_broken() && condition();
}

// ---- machines ---------------------------------------------------------------------------------

bool World::is_serving(std::size_t server) const {
  return servers_[server]->is_up() && servers_[server]->replica()->status().is_serving;
}

std::optional<std::size_t> World::leader() const {
  std::optional<std::size_t> leader;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (!is_serving(i) || servers_[i]->replica()->status().role != Role::kLeading) continue;
    if (!leader ||
        servers_[*leader]->replica()->status().epoch < servers_[i]->replica()->status().epoch)
      leader = i;
  }
  return leader;
}

bool World::is_member(std::size_t server) const {
  return ghost_->membership().members.contains(id_of(server));
}

bool World::all_serve() const {
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (is_member(i) && !is_serving(i)) return false;
  }
  return true;
}

void World::kill(std::size_t server) {
  trace_.line([&] { return fmt::format("s{} KILLED", server + 1); });
  servers_[server]->kill();
  syncing_[server] = {};
  excuses_[server].crash = excuses_[server].writes = false;
}

void World::power_cut(std::size_t server) {
  trace_.line([&] { return fmt::format("s{} POWER CUT", server + 1); });
  servers_[server]->power_cut();
  syncing_[server] = {};
  excuses_[server].crash = excuses_[server].writes = false;
}

void World::start(std::size_t server) {
  if (servers_[server]->is_up()) return;
  ++counts_.restarts;
  if (claims_) claims_->started(server);
  const std::string refusal = servers_[server]->start();
  if (refusal.empty()) return;
  refused(server, refusal);
  excuses_[server].crash = excuses_[server].writes = false;
}

void World::restart_after(std::size_t server, Micros delay) {
  timeline_.after(delay, [this, server] { start(server); });
}

// A directory that its server does not take: wiped, as an operator would, where it is damaged; else
// tried again once what hindered it is over.
void World::refused(std::size_t server, const std::string& why) {
  trace_.line([&] { return fmt::format("s{} REFUSED: {}", server + 1, why); });
  const Excuses& excuses = excuses_[server];
  if (excuses.reads > 0 || excuses.full > 0 || excuses.crash || excuses.writes)
    return restart_after(server, 300 * kMillisecond);
  if (!is_damaged_[server])
    return complain(fmt::format("server {} refuses to start: {}", server + 1, why));
  is_damaged_[server] = false;
  servers_[server]->disk().wipe();
  ghost_->wiped(server);
  restart_after(server, 100 * kMillisecond);
}

// The process ended itself, as it must when its log cannot be written.
void World::server_failed(std::size_t server, const std::string& why) {
  trace_.line([&] { return fmt::format("s{} FAILED: {}", server + 1, why); });
  const Excuses& excuses = excuses_[server];
  if (excuses.reads == 0 && excuses.full == 0 && !excuses.writes && !excuses.crash &&
      !is_damaged_[server])
    complain(fmt::format("server {} gave up: {}", server + 1, why));
  kill(server);
  restart_after(server, 500 * kMillisecond);
}

void World::crash_due(std::size_t server) {
  power_cut(server);
  excuses_[server].crash = false;
  restart_after(server, crash_delay_[server]);
}

bool World::could_lose(const std::vector<bool>& without) const {
  return ghost_->could_lose(without) && std::ranges::all_of(asked_, [&](const auto& asked) {
           const auto& [client, next] = asked;
           return !clients_[client]->waits_for_reconfiguration() ||
                  ghost_->could_change_to(next, without);
         });
}

bool World::wipe(std::size_t server) {
  std::vector<bool> without = is_damaged_;
  without[server] = true;
  if (!could_lose(without)) return false;
  power_cut(server);
  trace_.line([&] { return fmt::format("s{} WIPED", server + 1); });
  servers_[server]->disk().wipe();
  ghost_->wiped(server);
  is_damaged_[server] = false;
  return true;
}

void World::block(std::size_t a, std::size_t b, bool is_blocked) {
  network_->block(a, b, is_blocked);
  network_->block(b, a, is_blocked);
}

void World::isolate(std::size_t server, bool is_isolated) {
  for (std::size_t other = 0; other < servers_.size(); ++other) {
    if (other != server) block(server, other, is_isolated);
  }
}

// ---- memberships ------------------------------------------------------------------------------

consensus::Membership World::membership_of(const std::vector<std::size_t>& voters,
                                           const std::vector<std::size_t>& observers) const {
  consensus::Membership membership;
  for (const std::size_t server : voters) membership.members[id_of(server)] = member(server, false);
  for (const std::size_t server : observers)
    membership.members[id_of(server)] = member(server, true);
  return membership;
}

void World::reconfigure(const consensus::Membership& next, std::size_t client) {
  std::string members;
  for (const auto& [server, member] : next.members)
    members += fmt::format("{}server.{}={}", members.empty() ? "" : ",", server.value,
                           consensus::to_line(member));
  trace_.line([&] { return fmt::format("RECONFIGURE {}", members); });
  clients_[client]->reconfigure(members);
  asked_[client] = next;
}

// ---- what the engines do ----------------------------------------------------------------------

void World::saw_effect(std::size_t server, const consensus::Effect& effect) {
  count_sync(server, effect);
  if (const auto* configured = std::get_if<effect::Configured>(&effect))
    files_[server] = *consensus::Membership::parse(configured->text);
  if (claims_) claims_->effect(server, effect);
  if (const auto* changed = std::get_if<effect::StatusChanged>(&effect)) {
    const consensus::Status& status = changed->status;
    trace_.line([&] {
      constexpr const char* kRoles[] = {"looking", "following", "observing", "leading"};
      return fmt::format("s{} {} leader {} epoch {}{}", server + 1,
                         kRoles[static_cast<std::size_t>(status.role)], status.leader.value,
                         status.epoch, status.is_serving ? " serving" : "");
    });
    if (status.role == Role::kLeading && new_leader_crash_) {
      const Fault fault = *std::exchange(new_leader_crash_, std::nullopt);
      Dice dice(fault.seed, 1);
      timeline_.after(dice.skewed(20 * kMillisecond), [this, server, fault] {
        if (is_healed_ || !servers_[server]->is_up()) return;
        power_cut(server);
        restart_after(server, fault.duration);
      });
    }
  }
  for (const auto& look : looks_) look(server, effect);
  trace_.line([&]() -> std::string {
    const std::string who = fmt::format("s{} ", server + 1);
    if (const auto* one = std::get_if<effect::Cut>(&effect))
      return who + fmt::format("cut after 0x{:x}", one->after.value);
    if (const auto* one = std::get_if<effect::Append>(&effect))
      return who + fmt::format("append {}", text_of(*one->entry.bytes));
    if (const auto* one = std::get_if<effect::Commit>(&effect))
      return who + fmt::format("commit 0x{:x}", one->up_to.value);
    if (const auto* one = std::get_if<effect::SaveEpochs>(&effect))
      return who + fmt::format("save epochs {} {} vote {}", one->accepted, one->current,
                               one->voted_for.value);
    if (const auto* one = std::get_if<effect::ReceiveSnapshot>(&effect))
      return who + fmt::format("receive snapshot 0x{:x}", one->zxid.value);
    if (const auto* one = std::get_if<effect::SendSnapshot>(&effect))
      return who + fmt::format("send snapshot 0x{:x} link {}", one->zxid.value, one->link.value);
    if (const auto* one = std::get_if<effect::Warn>(&effect)) return who + "warns: " + one->text;
    if (const auto* one = std::get_if<effect::Close>(&effect))
      return who + fmt::format("closes link {}: {}", one->link.value, one->reason);
    return who + fmt::format("effect {}", effect.index());
  });
}

void World::count_sync(std::size_t server, const consensus::Effect& effect) {
  Syncing& syncing = syncing_[server];
  if (std::holds_alternative<effect::ReceiveSnapshot>(effect)) syncing.has_snapshot = true;
  if (std::holds_alternative<effect::Cut>(effect)) syncing.has_cut = true;
  if (std::holds_alternative<effect::Append>(effect)) syncing.has_entries = true;
  const auto* changed = std::get_if<effect::StatusChanged>(&effect);
  if (!changed) return;
  if (changed->status.role == Role::kLooking) syncing = {};
  if (!changed->status.is_serving || changed->status.role == Role::kLeading) return;
  counts_.snaps += syncing.has_snapshot ? 1 : 0;
  counts_.truncs += syncing.has_cut ? 1 : 0;
  counts_.diffs += syncing.has_entries && !syncing.has_snapshot && !syncing.has_cut ? 1 : 0;
  syncing = {};
}

// ---- the end ----------------------------------------------------------------------------------

void World::heal() {
  is_healed_ = true;
  new_leader_crash_.reset();
  network_->heal();
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    servers_[i]->disk().heal();
    servers_[i]->set_drift(0);
    servers_[i]->resume();
    excuses_[i].reads = excuses_[i].full = 0;
    if (!servers_[i]->is_up()) start(i);
  }
}

// G13: a leader, everybody at one with it, and nobody who waits.
bool World::is_at_rest() {
  const auto leader = this->leader();
  if (!leader || !all_serve()) return false;
  const Zxid applied = servers_[*leader]->replica()->state().applied();
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (!is_member(i)) continue;
    if (servers_[i]->replica()->state().applied() != applied) return false;
    if (ghost_->last_logged(i) != ghost_->last_logged(*leader)) return false;
  }
  return std::ranges::none_of(clients_, [](const auto& client) { return client->waits(); });
}

std::uint64_t World::answered() const {
  std::uint64_t answered = 0;
  for (const auto& client : clients_) answered += client->answered();
  return answered;
}

void World::settle() {
  heal();
  run_for(2 * kSecond);
  // Where faults left little room, the healed ensemble shows what it can do.
  run_until([&] { return answered() >= kRequestsMin; }, 4 * kRestTime);
  for (const auto& client : clients_) client->stop_asking();
  Client& prober = *clients_.front();
  const bool is_calm = run_until([&] { return all_serve() && is_at_rest(); }, kRestTime);
  if (is_broken()) return;
  if (!is_calm) {
    std::string who;
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      who += fmt::format(
          " s{}:{}{}", i + 1, servers_[i]->is_up() ? "" : "down ",
          is_serving(i) ? fmt::format("0x{:x}", servers_[i]->replica()->state().applied().value)
                        : "not serving");
    }
    std::size_t waiting = 0;
    for (const auto& client : clients_) waiting += client->waits() ? 1 : 0;
    return complain(
        fmt::format("G13: no rest within {} s after all faults ended:{}; {} clients wait",
                    kRestTime / kSecond, who, waiting));
  }
  prober.probe();
  if (!run_until([&] { return prober.is_probed() && is_at_rest(); }, kRestTime) && !is_broken())
    complain("G13: a write and a synced read after all faults ended are not answered");
}

void World::finish() {
  if (!is_broken()) settle();
  if (!is_broken()) judge();
}

void World::check_ephemerals(std::size_t server) {
  const state::State& state = servers_[server]->replica()->state();
  for (const SessionId session : state.tree().sessions_with_ephemerals()) {
    if (!state.sessions().contains(session))
      complain(fmt::format("server {}: ephemerals of session 0x{:x}, which does not exist",
                           server + 1, session.value));
  }
}

check::FinalTree World::final_tree() const {
  const state::State& state = servers_[*leader()]->replica()->state();
  check::FinalTree tree{.zxid = state.applied(), .nodes = {}};
  std::vector<const state::Node*> left{state.tree().find("/")};
  while (!left.empty()) {
    const state::Node* node = left.back();
    left.pop_back();
    if (!node->children) continue;
    for (const state::Node* child : *node->children) {
      if (child->path().starts_with("/zookeeper")) continue;
      tree.nodes[std::string(child->path())] = {
          .data = std::string(child->data.view().value_or("")),
          .stat = state.tree().client_stat(*child)};
      left.push_back(child);
    }
  }
  return tree;
}

void World::judge() {
  for (std::size_t i = 0; i < servers_.size(); ++i)
    if (is_member(i)) check_ephemerals(i);
  check::History& history = notebook_.history;
  history.final_tree = final_tree();
  for (const auto& client : clients_) {
    if (client->commands() == nullptr) continue;
    for (const std::string& violation : client->commands()->violations(*history.final_tree))
      complain(violation);
  }
  for (const CommittedEntry& entry : ghost_->committed()) {
    const auto txn = jute::decode_txn(*entry.bytes);
    if (!txn) {
      complain(fmt::format("0x{:x} does not decode", entry.zxid.value));
      continue;
    }
    history.committed.push_back(
        {.zxid = entry.zxid,
         .session = txn->header.client_id,
         .xid = txn->header.cxid,
         .type = changes_nothing(*txn) ? jute::OpCode::kError : txn->header.type});
  }
  const check::Report report = check::check(history);
  for (const check::Violation& violation : report.violations)
    complain(check::explain(history, violation));
  for (const std::string& undecided : report.undecided) complain("undecided: " + undecided);
}

}  // namespace synod::sim
