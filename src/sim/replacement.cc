#include "sim/replacement.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "sim/world.h"

namespace synod::sim {
namespace {

constexpr Micros kPatience = 120 * kSecond;
constexpr Micros kCalm = 2 * kSecond;  // before the new servers start, and after all of them serve
constexpr Micros kShown = 20 * kSecond;  // in a record, of what follows
constexpr Micros kAskAgain = 200 * kMillisecond;

class Measured {
 public:
  explicit Measured(const ReplacementOptions& options)
      : options_(options), world_(world_options(options)), recorder_(world_) {
    Dice dice(options.seed, 78);
    std::vector<std::size_t> old(options.servers);
    std::iota(old.begin(), old.end(), 0U);
    dice.shuffle(old);
    leaving_.assign(old.begin(), old.begin() + static_cast<std::ptrdiff_t>(options.replaced));
    for (std::size_t i = options.replaced; i < old.size(); ++i) next_.push_back(old[i]);
    for (std::size_t i = 0; i < options.replaced; ++i) {
      joining_.push_back(options.servers + i);
      next_.push_back(options.servers + i);
    }
    std::ranges::sort(next_);
  }

  ReplacementReport run() {
    fill();
    if (options_.is_recorded) recorder_.begin(kCalm + kShown);
    world_.run_for(kCalm);
    if (!world_.is_broken()) replace();
    if (options_.is_recorded) world_.run_until([&] { return !is_still_shown(); }, kShown);
    world_.finish();
    if (options_.is_recorded) report_.record = recorder_.take();
    report_.violations = world_.violations();
    return report_;
  }

 private:
  static WorldOptions world_options(const ReplacementOptions& options) {
    WorldOptions world = plain_options();
    world.engine = options.engine;
    world.servers = options.servers;
    world.spares = options.replaced;
    world.starts_spares = false;
    world.seed = options.seed;
    world.trace = options.trace;
    world.clients = 12;
    world.client.think_time = 100 * kMillisecond;
    world.client.reads_per_mille = 100;
    world.client.value_bytes = 200;
    // All of the log is kept, and little of it in memory: the rest is read from the disk.
    world.commit_log_count = 200;
    world.server.replica.snapshots.txns_between = 1'000'000;
    world.server.replica.snapshot_size_factor = 0;
    // In proportion to a log that is a thousandth of the published one: a follower that hears no
    // whole message for an election timeout gives its leader up.
    world.network.uplink_bytes_per_milli = options.uplink / 1000;
    world.message_bytes = 4096;
    world.segment_entries = 32;
    world.init_limit = 600;
    return world;
  }

  // The last client asks for nothing by itself.
  [[nodiscard]] std::size_t operator_client() const { return world_.client_count() - 1; }

  void fill() {
    world_.start_all();
    const auto is_filled = [&] {
      return world_.all_serve() && world_.ghost().committed().size() >= options_.entries;
    };
    if (!world_.run_until(is_filled, kPatience)) world_.complain("the log is not filled");
  }

  void replace() {
    begin();
    world_.on_effect([this](std::size_t, const consensus::Effect&) { look(); });
    for (const std::size_t server : joining_) world_.start(server);
    const auto is_over = [&] {
      ask();
      kill_when_half_is_there();
      return is_done();
    };
    if (!world_.run_until(is_over, kPatience))
      return world_.complain("the new servers do not serve");
    report_.served_after = world_.now() - began_;
    recorder_.mark_now("all serve");
    count_bytes();
    world_.run_for(kCalm);
    note_gap();
    is_watching_ = false;
  }

  void begin() {
    recorder_.zero();
    recorder_.mark_now("new servers");
    began_ = committed_at_ = world_.now();
    leader_ = world_.leader().value_or(0);
    report_.is_leader_replaced = std::ranges::find(leaving_, leader_) != leaving_.end();
    const std::vector<CommittedEntry>& committed = world_.ghost().committed();
    half_ = committed[committed.size() / 2].zxid;
    committed_ = world_.ghost().last_committed();
    reconfigurations_ = world_.ghost().reconfigurations();
    sent_before_ = sent_by_each();
    is_watching_ = true;
  }

  void look() {
    if (!is_watching_ || world_.ghost().last_committed() == committed_) return;
    note_gap();
    committed_ = world_.ghost().last_committed();
    committed_at_ = world_.now();
    if (report_.taken_after || !is_taken()) return;
    report_.taken_after = world_.now() - began_;
    recorder_.mark_now("reconfigured");
  }
  void note_gap() {
    report_.longest_gap = std::max(report_.longest_gap, world_.now() - committed_at_);
  }

  // ---- what is done
  [[nodiscard]] bool is_taken() { return world_.ghost().reconfigurations() > reconfigurations_; }
  [[nodiscard]] bool is_done() {
    return is_taken() && std::ranges::all_of(joining_, [&](std::size_t server) {
             return world_.is_serving(server);
           });
  }

  void ask() {
    if (is_taken() || world_.now() < ask_at_) return;
    if (world_.client(operator_client()).waits_for_reconfiguration()) return;
    ask_at_ = world_.now() + kAskAgain;
    world_.reconfigure(world_.membership_of(next_, {}), operator_client());
  }

  void kill_when_half_is_there() {
    if (!options_.kills_a_source || report_.killed_after) return;
    if (std::ranges::none_of(joining_, [&](std::size_t server) {
          return world_.ghost().last_logged(server) >= half_;
        }))
      return;
    report_.killed_after = world_.now() - began_;
    const std::size_t victim = leader_ == 0 ? 1 : 0;
    recorder_.mark_now("one dies");
    world_.power_cut(victim);
  }

  [[nodiscard]] bool is_still_shown() const { return world_.now() < began_ + kShown; }

  // ---- bytes
  [[nodiscard]] std::vector<std::uint64_t> sent_by_each() {
    std::vector<std::uint64_t> sent(world_.size());
    for (std::size_t from = 0; from < world_.size(); ++from)
      for (std::size_t to = 0; to < world_.size(); ++to)
        sent[from] += world_.network().bytes_sent(from, to);
    return sent;
  }
  void count_bytes() {
    const std::vector<std::uint64_t> sent = sent_by_each();
    for (std::size_t i = 0; i < sent.size(); ++i) {
      const std::uint64_t bytes = sent[i] - sent_before_[i];
      if (i == leader_) report_.leader_bytes = bytes;
      report_.most_bytes = std::max(report_.most_bytes, bytes);
      report_.all_bytes += bytes;
    }
  }

  ReplacementOptions options_;
  std::vector<std::size_t> leaving_;
  std::vector<std::size_t> joining_;
  std::vector<std::size_t> next_;  // who votes then
  World world_;
  Recorder recorder_;
  ReplacementReport report_;
  Micros began_ = 0;
  Micros ask_at_ = 0;
  std::size_t leader_ = 0;  // when it began
  Zxid half_;
  std::size_t reconfigurations_ = 0;
  std::vector<std::uint64_t> sent_before_;
  bool is_watching_ = false;
  Zxid committed_;
  Micros committed_at_ = 0;
};

}  // namespace

ReplacementReport play_replacement(const ReplacementOptions& options) {
  return Measured(options).run();
}

}  // namespace synod::sim
