#include "sim/connectivity.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "consensus/zab/options.h"
#include "sim/recorder.h"
#include "sim/world.h"

namespace synod::sim {
namespace {

constexpr Micros kPatience = 30 * kSecond;
constexpr Micros kCalm = 2 * kSecond;  // before the cut, and shown of what follows it

// Servers by letters: A is 0.
struct Graph {
  std::size_t servers = 0;
  std::size_t leader = 0;
  std::vector<std::pair<std::size_t, std::size_t>> links;  // that are left
};
Graph graph_of(Cut cut) {
  switch (cut) {
    case Cut::kQuorumLoss:
      return {5, 2, {{0, 1}, {0, 2}, {0, 3}, {0, 4}}};
    case Cut::kConstrained:
      return {5, 2, {{0, 1}, {0, 3}, {0, 4}}};
    case Cut::kChained:
      return {3, 1, {{0, 1}, {0, 2}}};
    case Cut::kTails:
      return {5, 2, {{0, 1}, {0, 2}, {1, 2}, {1, 3}, {2, 4}}};
    case Cut::kRing:
      return {5, 0, {{0, 1}, {0, 2}, {0, 3}, {1, 2}, {1, 4}, {2, 4}, {3, 4}}};
  }
  return {};
}

class Measured {
 public:
  explicit Measured(const CutOptions& options)
      : options_(options),
        timeout_(election_timeout_of(options.engine)),
        dice_(options.seed, 77),
        world_(world_options(options)),
        recorder_(world_) {}

  CutReport run() {
    world_.start_all();
    const bool is_up = world_.run_until([&] { return world_.all_serve(); }, kPatience);
    if (!is_up) world_.complain("not all serve before anything is cut");
    world_.run_for(static_cast<Micros>(dice_.below(static_cast<std::uint64_t>(timeout_))));
    if (options_.is_recorded) recorder_.begin(2 * kCalm + lag() + options_.timeouts * timeout_);
    world_.run_for(kCalm);
    if (!world_.is_broken()) {
      cut();
      watch();
    }
    recorder_.mark_now("whole again");
    world_.finish();
    if (options_.is_recorded) report_.record = recorder_.take();
    report_.violations = world_.violations();
    return report_;
  }

 private:
  static WorldOptions world_options(const CutOptions& options) {
    WorldOptions world = plain_options();
    world.engine = options.engine;
    world.servers = graph_of(options.cut).servers;
    world.clients = 12;  // so many that one is soon where it is served
    world.seed = options.seed;
    world.trace = options.trace;
    world.client.think_time = 100 * kMillisecond;
    return world;
  }

  // So long before the rest whoever is to lead loses the leader.
  [[nodiscard]] Micros lag() const { return options_.cut == Cut::kConstrained ? timeout_ / 2 : 0; }

  void cut() {
    const Graph graph = graph_of(options_.cut);
    const std::size_t leader = world_.leader().value_or(0);
    std::vector<std::size_t> who;  // by letter: the leader where it belongs, the others in order
    for (std::size_t i = 0; i < world_.size(); ++i)
      if (i != leader) who.push_back(i);
    who.insert(who.begin() + static_cast<std::ptrdiff_t>(graph.leader), leader);
    if (lag() > 0) {
      world_.block(who[0], who[graph.leader], true);
      recorder_.mark_now("behind");
      world_.run_for(lag());
      if (world_.ghost().last_logged(who[0]) >= world_.ghost().last_committed())
        world_.complain("whoever is to lead is not behind");
    }
    for (std::size_t a = 0; a < graph.servers; ++a)
      for (std::size_t b = a + 1; b < graph.servers; ++b)
        if (std::ranges::find(graph.links, std::pair{a, b}) == graph.links.end())
          world_.block(who[a], who[b], true);
  }

  void watch() {
    recorder_.zero();
    recorder_.mark_now("cut");
    const Micros began = world_.now();
    const std::uint64_t changes = world_.ghost().leader_changes();
    const std::int64_t promise = highest_promise();
    for (std::size_t i = 0; i < world_.size(); ++i)
      logged_ = std::max(logged_, world_.ghost().last_logged(i));
    committed_ = world_.ghost().last_committed();
    committed_at_ = began;
    is_watching_ = true;
    world_.on_effect([this](std::size_t, const consensus::Effect&) { look(); });
    world_.run_for(options_.timeouts * timeout_);
    is_watching_ = false;
    note_gap();
    if (recovered_at_) report_.recovered_after = in_timeouts(*recovered_at_ - began);
    report_.leader_changes = world_.ghost().leader_changes() - changes;
    report_.epochs_opened = static_cast<std::uint32_t>(highest_promise() - promise);
  }

  void look() {
    const Zxid committed = world_.ghost().last_committed();
    if (!is_watching_ || committed == committed_) return;
    note_gap();
    committed_ = committed;
    committed_at_ = world_.now();
    if (committed > logged_ && !recovered_at_) recovered_at_ = world_.now();
  }
  void note_gap() {
    report_.longest_gap = std::max(report_.longest_gap, in_timeouts(world_.now() - committed_at_));
  }

  [[nodiscard]] std::int64_t highest_promise() {
    std::int64_t highest = 0;
    for (std::size_t i = 0; i < world_.size(); ++i)
      highest = std::max(highest, world_.ghost().promised_epoch(i));
    // A ballot is a round and whose it is.
    return options_.engine.contains("paxos") ? highest >> 8 : highest;
  }
  [[nodiscard]] double in_timeouts(Micros time) const {
    return static_cast<double>(time) / static_cast<double>(timeout_);
  }

  CutOptions options_;
  Micros timeout_;
  Dice dice_;
  World world_;
  Recorder recorder_;
  CutReport report_;
  bool is_watching_ = false;
  Zxid logged_;  // by anybody, at the cut
  Zxid committed_;
  Micros committed_at_ = 0;
  std::optional<Micros> recovered_at_;
};

}  // namespace

// Zab's, where WorldOptions leave tick and syncLimit as they are.
Micros election_timeout_of(std::string_view engine) {
  const consensus::zab::Options zab;
  const std::int64_t zab_ms = zab.sync_limit * WorldOptions{}.tick_ms;
  return (engine == "zab" ? zab_ms : kNativeTimeoutMs) * kMillisecond;
}

CutReport play_cut(const CutOptions& options) { return Measured(options).run(); }

}  // namespace synod::sim
