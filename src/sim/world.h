// An ensemble and its clients on simulated machines, with everything that may be done to them. A
// scenario drives it by hand; simulation.h lets it run with faults drawn from a seed.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/membership.h"
#include "sim/claims.h"
#include "sim/client.h"
#include "sim/faults.h"
#include "sim/ghost.h"
#include "sim/network.h"
#include "sim/server.h"
#include "sim/timeline.h"
#include "sim/trace.h"

namespace synod::sim {

struct WorldOptions {
  std::string engine = "zab";  // one of kEngines or kVariants
  std::size_t servers = 5;     // that vote
  std::size_t observers = 0;
  std::size_t spares = 0;     // that are no members yet; with any, the membership may be changed
  bool starts_spares = true;  // with the others; else by start()
  std::size_t clients = 6;
  std::size_t command_clients = 0;  // of these, so many run commands (commands.h)
  std::uint64_t seed = 1;
  Trace::Sink trace;
  // Drawn from the seed unless a scenario sets them (drawn_options).
  std::int64_t tick_ms = 200;
  ServerOptions server;
  NetworkOptions network;
  ClientOptions client;
  std::size_t commit_log_count = 500;
  bool has_observer_masters = false;  // Zab: observers learn from followers
  std::int64_t init_limit = 10;       // Zab: ticks, in which a learner must get in step
  std::size_t message_bytes = std::size_t{1} << 20;  // Raft: of entries that travel together
  std::uint32_t segment_entries = 4096;  // Omni-Paxos: of the log, asked of one server at a time
  std::uint32_t first_counter = 1;
};

// What WorldOptions::engine may name. Solo: one server.
// After so long without a word the native engines look for another leader.
inline constexpr std::int64_t kNativeTimeoutMs = 500;
// Besides, for comparison (sim/connectivity.h): Raft without PreVote and CheckQuorum, Omni-Paxos
// with its later rule of election, and models of protocols that nobody can choose (sim/models).
inline constexpr std::array<std::string_view, 4> kVariants{"raft-plain", "omnipaxos-later",
                                                           "multipaxos", "vr"};
inline constexpr std::array<std::string_view, 4> kEngines{"zab", "raft", "omnipaxos", "solo"};
[[nodiscard]] bool is_engine(const std::string& name);
// Quiet and quick: what scenarios start from.
[[nodiscard]] WorldOptions plain_options();
// Sizes, speeds and limits as the seed wants them.
[[nodiscard]] WorldOptions drawn_options(std::uint64_t seed);

struct WorldCounts {
  std::uint64_t snaps = 0;   // learners brought up to date by a snapshot,
  std::uint64_t truncs = 0;  // by losing a tail,
  std::uint64_t diffs = 0;   // by entries alone
  std::uint64_t restarts = 0;
  std::array<std::uint64_t, kFaultKinds> faults{};  // that really happened
};

class World {
 public:
  explicit World(WorldOptions options);
  ~World();

  // ---- time
  void start_all();
  void run_for(Micros duration);
  // False: it did not come true in time (or something is wrong already).
  bool run_until(const std::function<bool()>& condition, Micros limit);
  [[nodiscard]] Micros now() const { return timeline_.now(); }

  // ---- machines, from 0; observers behind those that vote at first, spares last
  [[nodiscard]] std::size_t size() const { return servers_.size(); }
  [[nodiscard]] Server& server(std::size_t number) { return *servers_[number]; }
  [[nodiscard]] std::size_t client_count() const { return clients_.size(); }
  [[nodiscard]] Client& client(std::size_t number) { return *clients_[number]; }
  [[nodiscard]] Network& network() { return *network_; }
  [[nodiscard]] Ghost& ghost() { return *ghost_; }
  [[nodiscard]] Timeline& timeline() { return timeline_; }
  [[nodiscard]] Trace& trace() { return trace_; }
  [[nodiscard]] Notebook& notebook() { return notebook_; }
  // Who leads and serves; the latest epoch's if several think so.
  [[nodiscard]] std::optional<std::size_t> leader() const;
  [[nodiscard]] bool is_serving(std::size_t server) const;
  [[nodiscard]] bool all_serve() const;  // of the members
  [[nodiscard]] bool is_member(std::size_t server) const;

  // ---- what may be done to them
  void kill(std::size_t server);
  void power_cut(std::size_t server);
  void start(std::size_t server);  // no-op if it is up
  void restart_after(std::size_t server, Micros delay);
  // The machine and its disk; false where the rest could not do without (the model's budget).
  bool wipe(std::size_t server);
  void block(std::size_t a, std::size_t b, bool is_blocked);  // both ways
  void isolate(std::size_t server, bool is_isolated);         // from the other servers
  void commit_fault(const Fault& fault);
  // Some client asks for it, wherever that is connected; whether it comes to that is another
  // matter.
  void reconfigure(const consensus::Membership& next, std::size_t client);
  // These as voters, those as observers.
  [[nodiscard]] consensus::Membership membership_of(
      const std::vector<std::size_t>& voters, const std::vector<std::size_t>& observers) const;
  // Called at every effect of every engine.
  void on_effect(std::function<void(std::size_t server, const consensus::Effect&)> look) {
    looks_.push_back(std::move(look));
  }

  // ---- the end
  // Everything is whole again, and must come to rest: a leader, a probe written and read, the same
  // tree everywhere, nobody waiting. Then what the clients saw is judged.
  void finish();
  void complain(std::string text);
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
  [[nodiscard]] bool is_broken() const { return !violations_.empty(); }
  [[nodiscard]] const WorldCounts& counts() const { return counts_; }
  [[nodiscard]] std::uint64_t answered() const;  // requests

 private:
  // Also with the changes of the membership that clients wait for: they may be made yet.
  [[nodiscard]] bool could_lose(const std::vector<bool>& without) const;

  // While some fault explains it, a server may refuse to start or stop by itself.
  struct Excuses {
    int reads = 0;
    int full = 0;
    bool crash = false;
    bool writes = false;
  };

  void make_servers();
  void make_clients();
  template <class Options>
  [[nodiscard]] Options native_options(std::size_t server) const;
  [[nodiscard]] std::unique_ptr<consensus::Engine> make_engine(std::size_t server,
                                                               std::uint64_t life);
  void server_failed(std::size_t server, const std::string& why);
  void crash_due(std::size_t server);
  void refused(std::size_t server, const std::string& why);
  void saw_effect(std::size_t server, const consensus::Effect& effect);
  void count_sync(std::size_t server, const consensus::Effect& effect);
  void heal();
  void settle();
  void judge();
  [[nodiscard]] bool is_at_rest();
  [[nodiscard]] check::FinalTree final_tree() const;
  void check_ephemerals(std::size_t server);

  // faults
  [[nodiscard]] std::size_t target(Dice& dice) const;
  void commit_partition(const Fault& fault, Dice& dice);
  void commit_link_fault(const Fault& fault, Dice& dice);
  void commit_crash(const Fault& fault, Dice& dice);
  void commit_disk_fault(const Fault& fault, Dice& dice);
  void commit_clock_fault(const Fault& fault, Dice& dice);
  void commit_reconfiguration(Dice& dice);
  void block_ways(const std::vector<std::pair<Place, Place>>& ways, Micros duration, bool breaks);
  void flap(std::vector<std::pair<Place, Place>> ways, Micros until, std::uint64_t seed);
  void later(Micros delay, std::function<void()> undo);

  WorldOptions options_;
  Timeline timeline_;
  Trace trace_;
  std::vector<consensus::Membership> files_;  // what each server starts with
  std::unique_ptr<Network> network_;
  std::unique_ptr<Ghost> ghost_;
  std::unique_ptr<Claims> claims_;  // of ensembles
  Notebook notebook_;
  std::vector<std::unique_ptr<Server>> servers_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::map<std::size_t, consensus::Membership> asked_;  // by client, the last
  std::vector<std::function<void(std::size_t, const consensus::Effect&)>> looks_;
  std::vector<Excuses> excuses_;
  std::vector<bool> is_damaged_;
  std::vector<Micros> crash_delay_;  // of the crash that is waited for: until the restart
  std::optional<Fault> new_leader_crash_;
  struct Syncing {  // of a learner since it last looked for a leader
    bool has_snapshot = false;
    bool has_cut = false;
    bool has_entries = false;
  };
  std::vector<Syncing> syncing_;
  bool is_healed_ = false;
  std::vector<std::string> violations_;
  WorldCounts counts_;
};

}  // namespace synod::sim
