#include "sim/scenarios.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace synod::sim {
namespace {

using consensus::Role;

// ---- what scenarios are made of ---------------------------------------------------------------

constexpr Micros kPatience = 30 * kSecond;

void expect(World& world, bool is_so, const std::string& what) {
  if (!is_so && !world.is_broken()) world.complain("the scenario expects: " + what);
}

void wait_until_all_serve(World& world) {
  expect(world, world.run_until([&] { return world.all_serve(); }, kPatience), "all serve");
}

// Everybody up, elected and written to for a while.
std::size_t warm_up(World& world) {
  world.start_all();
  wait_until_all_serve(world);
  world.run_for(500 * kMillisecond);
  return world.leader().value_or(0);
}

std::vector<std::size_t> others(World& world, std::size_t server) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < world.size(); ++i)
    if (i != server) found.push_back(i);
  return found;
}

void move_clients_to(World& world, std::optional<std::size_t> server) {
  for (std::size_t i = 0; i < world.client_count(); ++i) {
    world.client(i).prefer(server);
    for (const End end : world.network().streams_of(world.size() + i))
      world.network().break_stream(end);
  }
  world.run_for(300 * kMillisecond);
}

// True once somebody other than `old` leads.
bool wait_for_other_leader(World& world, std::size_t old) {
  const bool is_so =
      world.run_until([&] { return world.leader() && *world.leader() != old; }, kPatience);
  expect(world, is_so, "another leader");
  return is_so;
}

// What the old leader sent waits in the network: it is reachable again once nobody listens to that.
bool is_succeeded(World& world, std::size_t old) {
  const bool is_so = wait_for_other_leader(world, old);
  world.isolate(old, false);
  return is_so;
}

// The leader goes on writing alone, until it dies with what nobody else has; it stays isolated.
std::size_t die_with_a_tail(World& world) {
  const std::size_t leader = warm_up(world);
  move_clients_to(world, leader);
  world.isolate(leader, true);
  world.run_for(100 * kMillisecond);
  const bool has_tail = world.run_until(
      [&] { return world.ghost().last_durable(leader) > world.ghost().last_committed(); }, kSecond);
  expect(world, has_tail, "the old leader logged what was not committed");
  world.power_cut(leader);  // of a process, the kernel would still send what waits
  move_clients_to(world, std::nullopt);
  return leader;
}

// What one says to the other comes late.
void stall(World& world, std::size_t from, std::size_t to, Micros duration) {
  for (const End end : world.network().streams_of(from))
    if (world.network().other_place(end) == to) world.network().stall(end, duration);
}

void stop_all(World& world) {
  for (std::size_t i = 0; i < world.size(); ++i) world.kill(i);
}

void silence(World& world) {
  for (std::size_t i = 0; i < world.client_count(); ++i) world.client(i).stop_asking();
}

void three(WorldOptions& options) { options.servers = 3; }

void five(WorldOptions& options) { options.servers = 5; }

// The log on disk is needed soon, and is all there.
void long_log(WorldOptions& options) {
  three(options);
  options.commit_log_count = 10;
}

// A snapshot after a handful of transactions, and a memory that soon needs the log on disk.
void short_memory(WorldOptions& options) {
  three(options);
  options.commit_log_count = 10;
  options.server.replica.snapshots.txns_between = 40;
}

// The same, of a tree that takes a snapshot several slices.
void large_tree(WorldOptions& options) {
  short_memory(options);
  options.client.value_bytes = 50'000;
}

// A tree that does not fit into a link.
void narrow_links(WorldOptions& options) {
  large_tree(options);
  options.client.value_bytes = 300'000;
  options.network.window = 16 * 1024;
}

// They end while a message is under way, if that takes its time; links live longer.
void short_sessions(WorldOptions& options) {
  three(options);
  options.client.timeout_ms = 600;
}

void slow_disks(WorldOptions& options) {
  three(options);
  options.server.disk.flush_latency = 5 * kMillisecond;
}

// Entries that take several chunks, on streams that are cut anywhere.
void chopped_streams(WorldOptions& options) {
  three(options);
  options.network.cut_per_mille = 500;
  options.client.value_bytes = 2000;
}

// ---- leaders that come back with a tail -------------------------------------------------------

// Nobody has written since: the cut is all that the old leader lacks.
void play_tail_is_cut(World& world) {
  const std::size_t old = die_with_a_tail(world);
  silence(world);
  if (!is_succeeded(world, old)) return;
  world.start(old);
  wait_until_all_serve(world);
  expect(world, world.counts().truncs + world.counts().snaps > 0, "the tail was given up");
}

void play_tail_meets_newer_epoch(World& world) {
  const std::size_t old = die_with_a_tail(world);
  if (!is_succeeded(world, old)) return;
  world.run_for(2 * kSecond);
  world.start(old);
  wait_until_all_serve(world);
}

// An epoch without a transaction, then an election with the tail's owner.
void play_epoch_without_txn(World& world) {
  const std::size_t old = die_with_a_tail(world);
  silence(world);
  if (!is_succeeded(world, old)) return;
  stop_all(world);
  const std::size_t other = others(world, old).front();
  world.start(old);
  world.start(other);
  expect(world, world.run_until([&] { return world.leader().has_value(); }, kPatience),
         "two of three elect a leader");
  expect(world, world.leader() != old, "the later epoch wins over the longer log");
}

// The tail is in a snapshot, if snapshots hold what is not committed.
void play_snapshot_of_tail(World& world) {
  const std::size_t old = warm_up(world);
  move_clients_to(world, old);
  world.isolate(old, true);
  world.run_for(700 * kMillisecond);
  world.power_cut(old);
  move_clients_to(world, std::nullopt);
  silence(world);
  if (!is_succeeded(world, old)) return;
  world.start(old);
  wait_until_all_serve(world);
}

// Logged by two, committed by none; the second leads next, without a restart in between.
void play_tail_of_a_new_leader(World& world) {
  const std::size_t old = warm_up(world);
  move_clients_to(world, old);
  const std::size_t heir = others(world, old).front();
  for (const std::size_t other : others(world, old)) {
    world.network().block(other, old, true);  // nothing is acknowledged any more
    if (other != heir) world.network().block(old, other, true);
  }
  world.run_for(100 * kMillisecond);
  world.kill(old);
  if (!wait_for_other_leader(world, old)) return;
  world.network().heal();
  world.start(old);
  wait_until_all_serve(world);
}

// ---- learners that join -----------------------------------------------------------------------

void play_behind_memory(World& world) {
  const std::size_t leader = warm_up(world);
  const std::size_t late = others(world, leader).front();
  for (int round = 0; round < 6; ++round) {
    world.kill(late);
    world.run_for((400 + round * 300) * kMillisecond);
    world.start(late);
    wait_until_all_serve(world);
  }
}

void play_bounced_while_joining(World& world) {
  const std::size_t leader = warm_up(world);
  const std::size_t late = others(world, leader).front();
  for (Micros life = 1; life <= 30; ++life) {
    world.kill(late);
    world.run_for(150 * kMillisecond);
    world.start(late);
    world.run_for(life * 3 * kMillisecond);
  }
  world.start(late);
  wait_until_all_serve(world);
}

// Who lagged, and took over by DIFF what it missed, leads next and has to pass that on.
void play_hole_is_passed_on(World& world) {
  warm_up(world);
  const std::size_t heir = world.size() - 1;  // of equals the last leads
  const std::size_t other = 0;
  world.kill(heir);
  world.kill(other);
  const bool is_led = world.run_until([&] { return world.leader().has_value(); }, kPatience);
  expect(world, is_led, "three of five elect a leader");
  world.run_for(kSecond);
  world.start(heir);
  world.run_until([&] { return world.is_serving(heir); }, kPatience);
  silence(world);
  world.run_for(kSecond);
  world.kill(world.leader().value_or(heir));
  expect(world, world.run_until([&] { return world.leader() == heir; }, kPatience), "it leads");
  world.start(other);
  world.run_until([&] { return world.is_serving(other); }, kPatience);
  for (std::size_t i = 0; i < world.size(); ++i) world.start(i);
  wait_until_all_serve(world);
}

void play_writes_around_new_leader(World& world) {
  const std::size_t leader = warm_up(world);
  for (int round = 0; round < 12; ++round) {
    const std::size_t bounced = others(world, leader)[static_cast<std::size_t>(round) % 2];
    world.kill(bounced);
    world.run_for(50 * kMillisecond);
    world.start(bounced);
    wait_until_all_serve(world);
  }
}

// It has acknowledged NEWLEADER: what that claims survives the loss of power.
void play_power_cut_after_joining(World& world) {
  const std::size_t leader = warm_up(world);
  const std::size_t late = others(world, leader).front();
  for (int round = 0; round < 8; ++round) {
    world.kill(late);
    world.run_for(300 * kMillisecond);
    world.start(late);
    world.run_until([&] { return world.is_serving(late); }, kPatience);
    world.power_cut(late);
    world.start(late);
  }
  wait_until_all_serve(world);
}

// Power fails at every operation of the disk that joining a new epoch takes; then the one who
// joined and one who was not there elect.
void play_crash_at_every_step(World& world) {
  const std::size_t leader = warm_up(world);
  const std::size_t late = others(world, leader)[0];
  const std::size_t absent = others(world, leader)[1];
  for (std::uint64_t step = 0; step < 24; ++step) {
    world.kill(late);
    world.run_for(200 * kMillisecond);
    stop_all(world);
    world.start(leader);
    world.start(late);
    world.server(late).disk().crash_after(step);
    world.run_for(400 * kMillisecond);
    world.kill(leader);
    world.start(late);
    world.start(absent);
    world.run_for(600 * kMillisecond);
    world.start(leader);
    world.start(late);
    wait_until_all_serve(world);
  }
}

// Epochs are written by everybody at once: power fails there, for all.
void play_crash_while_electing(World& world) {
  warm_up(world);
  for (std::uint64_t step = 0; step < 16; ++step) {
    stop_all(world);
    for (std::size_t i = 0; i < world.size(); ++i) {
      world.start(i);
      world.server(i).disk().crash_after(step + i);
    }
    world.run_for(600 * kMillisecond);
    for (std::size_t i = 0; i < world.size(); ++i) world.start(i);
  }
  wait_until_all_serve(world);
}

// ---- the leader's whole tree ------------------------------------------------------------------

void play_power_cut_after_snap(World& world) {
  const std::size_t leader = warm_up(world);
  const std::size_t late = others(world, leader).front();
  for (int round = 0; round < 6; ++round) {
    expect(world, world.wipe(late), "one of three disks may be lost");
    world.start(late);
    world.run_until([&] { return world.is_serving(late); }, kPatience);
    world.run_for(60 * kMillisecond);
    world.power_cut(late);
    world.start(late);
    wait_until_all_serve(world);
  }
  expect(world, world.counts().snaps > 0, "a tree was sent");
}

void play_killed_during_snap(World& world) {
  const std::size_t leader = warm_up(world);
  world.run_for(3 * kSecond);
  const std::size_t late = others(world, leader).front();
  expect(world, world.wipe(late), "one of three disks may be lost");
  for (Micros life = 1; life <= 40; ++life) {
    world.start(late);
    world.run_for(life * 2 * kMillisecond);
    world.power_cut(late);
    world.run_for(20 * kMillisecond);
  }
  world.start(late);
  wait_until_all_serve(world);
}

// A tree has one walk: a learner that needs it meets the leader's own snapshot, which its slow disk
// makes last.
void play_snap_beside_own_snapshot(World& world) {
  const std::size_t leader = warm_up(world);
  const std::size_t late = others(world, leader).front();
  world.server(leader).disk().slow_down(100 * kMillisecond);
  for (int round = 0; round < 8; ++round) {
    expect(world, world.wipe(late), "one of three disks may be lost");
    world.start(late);
    world.run_until([&] { return world.is_serving(late); }, kPatience);
    world.run_for(170 * kMillisecond);
  }
  world.server(leader).disk().heal();
  wait_until_all_serve(world);
  expect(world, world.counts().snaps > 0, "a tree was sent");
}

// Whoever does not read the tree he asked for stops nobody else's writes.
void play_snap_to_a_deaf_learner(World& world) {
  const std::size_t leader = warm_up(world);
  const std::size_t late = others(world, leader).front();
  expect(world, world.wipe(late), "one of three disks may be lost");
  world.start(late);
  expect(world, world.run_until([&] { return world.counts().snaps > 0; }, kPatience),
         "a tree is sent");
  world.server(late).pause();
  const Zxid before = world.ghost().last_committed();
  world.run_for(3 * kSecond);
  expect(world, world.ghost().last_committed() > before, "writes went on");
  world.server(late).resume();
  wait_until_all_serve(world);
}

// One wiped, one lagging: the leader's word alone does not make a quorum of the wiped one.
void play_wiped_beside_lagging(World& world) {
  const std::size_t leader = warm_up(world);
  const std::vector<std::size_t> rest = others(world, leader);
  world.kill(rest[0]);
  world.run_for(kSecond);
  stop_all(world);
  world.server(rest[1]).disk().wipe();
  world.ghost().wiped(rest[1]);
  world.start(rest[0]);
  world.start(rest[1]);
  world.run_for(5 * kSecond);
  expect(world, !world.leader(), "nobody leads while the only one who remembers is away");
  world.start(leader);
  wait_until_all_serve(world);
}

// ---- disks ------------------------------------------------------------------------------------

void play_failed_writes(World& world) {
  const std::size_t leader = warm_up(world);
  const std::size_t sick = others(world, leader).front();
  for (int round = 0; round < 3; ++round) {
    world.commit_fault({.at = world.now(),
                        .kind = FaultKind::kWriteError,
                        .duration = 500 * kMillisecond,
                        .seed = static_cast<std::uint64_t>(round) + sick});
    world.run_for(2 * kSecond);
  }
  for (std::size_t i = 0; i < world.size(); ++i) world.start(i);
  wait_until_all_serve(world);
}

void play_full_disk(World& world) {
  warm_up(world);
  for (std::uint64_t round = 0; round < 4; ++round) {
    world.commit_fault(
        {.at = world.now(), .kind = FaultKind::kDiskFull, .duration = 2 * kSecond, .seed = round});
    world.run_for(5 * kSecond);
  }
  wait_until_all_serve(world);
}

void play_election_during_slow_flush(World& world) {
  const std::size_t leader = warm_up(world);
  for (const std::size_t other : others(world, leader))
    world.server(other).disk().slow_down(300 * kMillisecond);
  world.run_for(400 * kMillisecond);
  world.kill(leader);
  world.run_for(2 * kSecond);
  for (const std::size_t other : others(world, leader)) world.server(other).disk().heal();
  world.start(leader);
  wait_until_all_serve(world);
}

// Power fails everywhere at once, under load.
void play_power_cut_everywhere(World& world) {
  warm_up(world);
  for (int round = 0; round < 8; ++round) {
    world.run_for(400 * kMillisecond);
    for (std::size_t i = 0; i < world.size(); ++i) world.power_cut(i);
    for (std::size_t i = 0; i < world.size(); ++i) world.start(i);
    wait_until_all_serve(world);
  }
}

// ---- time and networks ------------------------------------------------------------------------

// It still believes it leads when it wakes; nobody may read from it what is not so any more.
void play_frozen_leader(World& world) {
  for (int round = 0; round < 3; ++round) {
    if (round == 0) warm_up(world);
    const std::size_t frozen = world.leader().value_or(0);
    move_clients_to(world, frozen);
    world.server(frozen).pause();
    wait_for_other_leader(world, frozen);
    move_clients_to(world, std::nullopt);
    world.run_for(kSecond);
    world.server(frozen).resume();
    wait_until_all_serve(world);
  }
}

void play_cut_in_the_middle(World& world) {
  const std::size_t leader = warm_up(world);
  for (int round = 0; round < 30; ++round) {
    world.run_for(70 * kMillisecond);
    for (const std::size_t other : others(world, leader))
      world.network().break_streams(leader, other);
  }
  wait_until_all_serve(world);
}

void play_roll_over(World& world) {
  warm_up(world);
  const std::uint32_t epoch = world.ghost().last_committed().epoch();
  expect(world,
         world.run_until([&] { return world.ghost().last_committed().epoch() > epoch + 1; },
                         20 * kPatience),
         "new epochs are opened when the counter comes to its end");
}

// Sessions end while their requests are under way: what their server says comes late.
void play_expiry_under_load(World& world) {
  const std::size_t leader = warm_up(world);
  const std::size_t away = others(world, leader).front();
  for (int round = 0; round < 12; ++round) {
    move_clients_to(world, away);
    stall(world, away, leader, 900 * kMillisecond);
    world.run_for(1500 * kMillisecond);
    if (round == 6) {
      world.kill(away);
      world.start(away);
      wait_until_all_serve(world);
    }
  }
  world.network().heal();
  move_clients_to(world, std::nullopt);
  wait_until_all_serve(world);
}

// Sessions go on at another server while what they asked at the first is still under way.
void play_sessions_that_move(World& world) {
  const std::size_t leader = warm_up(world);
  for (std::size_t round = 0; round < 12; ++round) {
    const std::size_t left = round % world.size();
    move_clients_to(world, left);
    if (left != leader) stall(world, left, leader, 800 * kMillisecond);
    world.run_for(100 * kMillisecond);
    move_clients_to(world, (round + 1) % world.size());
    world.run_for(kSecond);
  }
}

void play_late_follower(World& world) {
  warm_up(world);
  stop_all(world);
  for (std::size_t i = 0; i < 3; ++i) world.start(i);
  expect(world, world.run_until([&] { return world.leader().has_value(); }, kPatience),
         "a quorum elects");
  world.run_for(kSecond);
  world.start(3);
  world.start(4);
  wait_until_all_serve(world);
}

// ---- clients that repeat what was not answered ------------------------------------------------

// Each leader in turn dies, sleeps or is cut off while commands are under way to it.
void play_client_protocol(World& world) {
  warm_up(world);
  for (int round = 0; round < 9; ++round) {
    move_clients_to(world, std::nullopt);
    const std::size_t leader = world.leader().value_or(0);
    if (round % 3 == 2)
      world.isolate(leader, true);
    else if (round % 3 == 1)
      world.power_cut(leader);
    else
      world.kill(leader);
    if (!is_succeeded(world, leader)) return;
    world.start(leader);
    wait_until_all_serve(world);
  }
  std::uint64_t done = 0;
  std::uint64_t found_done = 0;
  for (std::size_t i = 0; i < world.client_count(); ++i) {
    if (world.client(i).commands() == nullptr) continue;
    done += world.client(i).commands()->done();
    found_done += world.client(i).commands()->found_done();
  }
  expect(world, done > 200, "commands are executed all the while");
  expect(world, found_done > 0, "some were executed, and their answers lost");
}

// ---- the list ---------------------------------------------------------------------------------

std::vector<Scenario> all() {
  using enum Mutation;
  return {
      {"tail-is-cut", "1, ZOOKEEPER-1154", "a leader dies with a tail; the next one cuts it",
       kDiffInsteadOfTrunc, three, play_tail_is_cut},
      {"tail-meets-newer-epoch", "1, ZOOKEEPER-1154",
       "the same, and the new epoch has written already", kDiffInsteadOfTrunc, three,
       play_tail_meets_newer_epoch},
      {"epoch-without-txn", "2, ZOOKEEPER-2832",
       "an epoch that wrote nothing outranks a longer log", kZxidBeforeEpoch, three,
       play_epoch_without_txn},
      {"snapshot-of-tail", "3 and 20, ZOOKEEPER-1549, -4837",
       "a tail is long enough for a snapshot; the cut must find none that holds it",
       kSnapshotSurvivesTrunc, short_memory, play_snapshot_of_tail},
      {"tail-of-a-new-leader", "4, ZOOKEEPER-2845",
       "logged by two, committed by none; the second leads without a restart", kTailNotInherited,
       three, play_tail_of_a_new_leader},
      {"cut-in-the-middle", "5, ZOOKEEPER-2355", "links break in the middle of packets",
       kChunkIsPacket, chopped_streams, play_cut_in_the_middle},
      {"power-cut-after-snap", "6, ZOOKEEPER-2872", "power fails soon after a tree was received",
       kSnapNotFlushed, three, play_power_cut_after_snap},
      {"killed-during-snap", "7, ZOOKEEPER-3642", "power fails at any point of a tree's way",
       kSnapNotFlushed, chopped_streams, play_killed_during_snap},
      {"behind-memory", "8, ZOOKEEPER-2418", "a learner needs the log on disk and memory both",
       kGapInDiff, long_log, play_behind_memory},
      {"power-cut-after-joining", "9, ZOOKEEPER-3911, -4646",
       "power fails right behind the acknowledgement of NEWLEADER", kAckBeforeFlush, slow_disks,
       play_power_cut_after_joining},
      {"crash-at-every-step", "10, ZOOKEEPER-4643", "power fails at each disk step of joining",
       kEpochBeforeHistory, slow_disks, play_crash_at_every_step},
      {"writes-around-newleader", "11, ZOOKEEPER-3023, -4394, -4685",
       "proposals and commits come around NEWLEADER", kCommitLostAroundNewLeader, slow_disks,
       play_writes_around_new_leader},
      {"bounced-while-joining", "12, ZOOKEEPER-4785", "a learner dies at any packet of its DIFF",
       kAckBeforeFlush, slow_disks, play_bounced_while_joining},
      {"hole-is-passed-on", "13, ZOOKEEPER-4925", "who joined by DIFF leads, and brings up another",
       kHoleInHistory, five, play_hole_is_passed_on},
      {"election-during-slow-flush", "14, ZOOKEEPER-4712, -4541",
       "the leader dies while the others' disks stand still", kVoteBeforeFlush, three,
       play_election_during_slow_flush},
      {"failed-writes", "15, ZOOKEEPER-4882", "writes to a log fail, then work again",
       kErrorLeavesHole, three, play_failed_writes},
      {"full-disk", "16, ZOOKEEPER-3701", "disks fill up under load and empty again",
       kErrorLeavesHole, three, play_full_disk},
      {"snap-beside-own-snapshot", "seed 301082",
       "a tree is sent while a snapshot is being written", kWalkNotFreed, large_tree,
       play_snap_beside_own_snapshot},
      {"snap-to-a-deaf-learner", "19, ZOOKEEPER-3531", "a tree is sent to who does not read it",
       kSnapStopsWrites, narrow_links, play_snap_to_a_deaf_learner},
      {"crash-while-electing", "21, ZOOKEEPER-2307, -2354, -4269",
       "power fails between the writes of the epochs, for all", kCurrentEpochNotDurable, slow_disks,
       play_crash_while_electing},
      {"roll-over", "23, ZOOKEEPER-1277", "the counter comes to its end", kNoRollOver,
       [](WorldOptions& options) {
         three(options);
         options.first_counter = 0xfffdff00;
       },
       play_roll_over},
      {"expiry-under-load", "26, CHK PR#65198",
       "sessions expire while their requests are under way", kClosedSessionWrites, short_sessions,
       play_expiry_under_load},
      {"sessions-that-move", "27, CHK#116690, #111102", "sessions go on at other servers",
       kNoSessionMoved, three, play_sessions_that_move},
      {"power-cut-everywhere", "9, 29 and 30, etcd#14143", "power fails everywhere at once",
       kTxnAckBeforeFlush, slow_disks, play_power_cut_everywhere},
      {"frozen-leader", "30, etcd#20418", "a leader sleeps through its own succession", kLeadsAlone,
       three, play_frozen_leader},
      {"wiped-beside-lagging", "NuRaft#185", "one of three is wiped, one lags, one is away",
       kWipedVotes, three, play_wiped_beside_lagging},
      {"client-protocol", "Raft, section 8", "commands are repeated when leaders change",
       kSerialUnchecked,
       [](WorldOptions& options) {
         constexpr std::array<std::string_view, 3> kTheirs{"raft", "zab", "omnipaxos"};
         three(options);
         options.engine = kTheirs[options.seed % kTheirs.size()];
         options.command_clients = 5;
       },
       play_client_protocol},
      {"late-follower", "zab-late-follower", "two of five come when the others have written",
       kTailNotInherited, five, play_late_follower},
  };
}

}  // namespace

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> list = all();
  return list;
}

const Scenario* scenario_named(std::string_view name) {
  const auto found = std::ranges::find(scenarios(), name, &Scenario::name);
  return found == scenarios().end() ? nullptr : &*found;
}

std::vector<std::string> play(const Scenario& scenario, std::uint64_t seed, Trace::Sink trace) {
  WorldOptions options = plain_options();
  options.seed = seed;
  options.client.think_time = 10 * kMillisecond;
  options.trace = std::move(trace);
  scenario.set_up(options);
  World world(std::move(options));
  scenario.play(world);
  world.finish();
  return world.violations();
}

}  // namespace synod::sim
