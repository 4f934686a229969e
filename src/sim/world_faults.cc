// How each fault is committed against the world, and taken back.
#include <algorithm>
#include <utility>

#include "sim/world.h"

namespace synod::sim {

// Undoing is left to heal() once that has happened.
void World::later(Micros delay, std::function<void()> undo) {
  timeline_.after(delay, [this, undo = std::move(undo)] {
    if (!is_healed_) undo();
  });
}

// The leader as often as all others together: that is where it hurts.
std::size_t World::target(Dice& dice) const {
  const std::size_t any = dice.below(servers_.size());
  const auto leads = leader();
  return leads && dice.below(5) < 2 ? *leads : any;
}

void World::commit_fault(const Fault& fault) {
  if (is_healed_) return;
  trace_.line([&] { return "FAULT " + describe(fault); });
  Dice dice(fault.seed, 0);
  ++counts_.faults[static_cast<std::size_t>(fault.kind)];
  if (fault.kind <= FaultKind::kPartitionPartial) return commit_partition(fault, dice);
  if (fault.kind <= FaultKind::kClientBreak) return commit_link_fault(fault, dice);
  if (fault.kind <= FaultKind::kAmnesia) return commit_crash(fault, dice);
  if (fault.kind <= FaultKind::kSlowDisk) return commit_disk_fault(fault, dice);
  if (fault.kind == FaultKind::kReconfigure) return commit_reconfiguration(dice);
  commit_clock_fault(fault, dice);
}

// ---- partitions -------------------------------------------------------------------------------

namespace {

using Ways = std::vector<std::pair<Place, Place>>;

void cut_both(Ways& ways, Place a, Place b) {
  ways.emplace_back(a, b);
  ways.emplace_back(b, a);
}

Ways ways_cut(FaultKind kind, std::size_t servers, std::size_t target, Dice& dice) {
  std::vector<Place> order(servers);
  for (Place i = 0; i < servers; ++i) order[i] = i;
  dice.shuffle(order);
  const std::size_t half = 1 + dice.below(std::max<std::size_t>(servers - 1, 1));
  const bool is_deaf = dice.coin();
  Ways ways;
  for (std::size_t i = 0; i < servers; ++i) {
    for (std::size_t j = i + 1; j < servers; ++j) {
      const Place a = order[i];
      const Place b = order[j];
      const bool is_target = a == target || b == target;
      switch (kind) {
        case FaultKind::kPartitionHalves:
        case FaultKind::kPartitionFlapping:
          if (i < half && j >= half) cut_both(ways, a, b);
          break;
        case FaultKind::kPartitionBridge:
          if (i > 0 && i <= servers / 2 && j > servers / 2) cut_both(ways, a, b);
          break;
        case FaultKind::kPartitionRing:
          if (j != i + 1 && !(i == 0 && j + 1 == servers)) cut_both(ways, a, b);
          break;
        case FaultKind::kPartitionIsolate:
          if (is_target) cut_both(ways, a, b);
          break;
        case FaultKind::kPartitionOneWay:
          if (is_target && (a == target) == is_deaf)
            ways.emplace_back(b, a);
          else if (is_target)
            ways.emplace_back(a, b);
          break;
        default:
          if (dice.below(3) == 0) ways.emplace_back(a, b);
          if (dice.below(3) == 0) ways.emplace_back(b, a);
      }
    }
  }
  return ways;
}

}  // namespace

void World::commit_partition(const Fault& fault, Dice& dice) {
  Ways ways = ways_cut(fault.kind, servers_.size(), target(dice), dice);
  // Clients find themselves on either side.
  if (dice.coin()) {
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      if (dice.coin()) cut_both(ways, servers_.size() + i, dice.below(servers_.size()));
    }
  }
  if (fault.kind == FaultKind::kPartitionFlapping)
    return flap(std::move(ways), now() + fault.duration, fault.seed);
  block_ways(ways, fault.duration, dice.coin());
}

void World::block_ways(const Ways& ways, Micros duration, bool breaks) {
  for (const auto& [from, to] : ways) {
    network_->block(from, to, true);
    if (breaks) network_->break_streams(from, to);
  }
  later(duration, [this, ways] {
    for (const auto& [from, to] : ways) network_->block(from, to, false);
  });
}

void World::flap(Ways ways, Micros until, std::uint64_t seed) {
  Dice dice(seed, 2);
  const Micros closed = 1 + dice.skewed(300 * kMillisecond);
  block_ways(ways, closed, dice.coin());
  const Micros next = closed + dice.skewed(300 * kMillisecond);
  if (now() + next >= until) return;
  later(next, [this, ways = std::move(ways), until, next_seed = dice.next()] {
    flap(ways, until, next_seed);
  });
}

// ---- links ------------------------------------------------------------------------------------

void World::commit_link_fault(const Fault& fault, Dice& dice) {
  const std::size_t server = target(dice);
  if (fault.kind == FaultKind::kDelay) {
    const std::size_t other = dice.below(servers_.size());
    const Micros extra = dice.skewed(200 * kMillisecond);
    network_->slow_down(server, other, extra);
    return later(fault.duration, [this, server, other] { network_->slow_down(server, other, 0); });
  }
  std::vector<End> ends;
  for (const End end : network_->streams_of(server)) {
    const bool is_client = network_->other_place(end) >= servers_.size();
    if (is_client == (fault.kind == FaultKind::kClientBreak)) ends.push_back(end);
  }
  if (ends.empty()) return;
  const End end = dice.one_of(ends);
  if (fault.kind == FaultKind::kStall)
    network_->stall(dice.coin() ? end : end ^ 1, fault.duration);
  else
    network_->break_stream(end);
}

// ---- crashes ----------------------------------------------------------------------------------

void World::commit_crash(const Fault& fault, Dice& dice) {
  const std::size_t server = target(dice);
  switch (fault.kind) {
    case FaultKind::kPowerCutAll:
      for (std::size_t i = 0; i < servers_.size(); ++i) {
        power_cut(i);
        restart_after(i, dice.skewed(fault.duration));
      }
      return;
    case FaultKind::kCrashNewLeader:
      new_leader_crash_ = fault;
      return;
    case FaultKind::kCrashStep:
      if (!servers_[server]->is_up()) return;
      excuses_[server].crash = true;
      crash_delay_[server] = fault.duration;
      servers_[server]->disk().crash_after(dice.below(40));
      // A crash amid the recovery from a crash.
      if (dice.below(4) == 0) {
        kill(server);
        excuses_[server].crash = true;
        servers_[server]->disk().crash_after(dice.below(20));
        start(server);
      }
      return;
    case FaultKind::kAmnesia:
      if (wipe(server)) return restart_after(server, fault.duration);
      --counts_.faults[static_cast<std::size_t>(fault.kind)];
      return;
    case FaultKind::kKill:
      kill(server);
      break;
    default:
      power_cut(server);
  }
  restart_after(server, fault.duration);
}

// ---- disks ------------------------------------------------------------------------------------

void World::commit_disk_fault(const Fault& fault, Dice& dice) {
  const std::size_t server = target(dice);
  Disk& disk = servers_[server]->disk();
  Excuses& excuses = excuses_[server];
  const bool is_of_process =
      fault.kind == FaultKind::kWriteError || fault.kind == FaultKind::kFlushError;
  if (is_of_process && !servers_[server]->is_up()) return;
  switch (fault.kind) {
    case FaultKind::kBitFlip: {
      // Damage may cost the whole disk: it counts against the same budget.
      std::vector<bool> without = is_damaged_;
      without[server] = true;
      if (!could_lose(without) || !disk.flip_bit(dice)) {
        --counts_.faults[static_cast<std::size_t>(fault.kind)];
        return;
      }
      is_damaged_[server] = true;
      ghost_->damaged(server);
      kill(server);
      return restart_after(server, fault.duration);
    }
    case FaultKind::kReadError:
      ++excuses.reads;
      disk.fail_reads(200);
      kill(server);
      restart_after(server, fault.duration / 2);
      return later(fault.duration, [this, server] {
        --excuses_[server].reads;
        servers_[server]->disk().fail_reads(0);
      });
    case FaultKind::kWriteError:
      excuses.writes = true;
      return disk.fail_next_write();
    case FaultKind::kFlushError:
      excuses.writes = true;
      return disk.fail_next_flush();
    case FaultKind::kDiskFull:
      ++excuses.full;
      disk.fill_up(true);
      return later(fault.duration, [this, server] {
        if (--excuses_[server].full > 0) return;
        servers_[server]->disk().fill_up(false);
        excuses_[server].writes |= servers_[server]->is_paused();  // it hears of it when it wakes
      });
    default:
      disk.slow_down(dice.skewed(500 * kMillisecond));
      later(fault.duration, [this, server] { servers_[server]->disk().slow_down(0); });
  }
}

// ---- members ----------------------------------------------------------------------------------

// Anything from one server that joins or leaves to a wholly new set; many are refused, because too
// few of those who would vote are there and in step.
void World::commit_reconfiguration(Dice& dice) {
  std::vector<std::size_t> voters;
  std::vector<std::size_t> observers;
  const std::uint64_t changes = 1 + dice.below(8);  // of eight servers, on average
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const consensus::Membership& now = ghost_->membership();
    const ServerId id{static_cast<std::int64_t>(i) + 1};
    const std::uint64_t share = dice.below(4);
    const bool is_changed = dice.below(8) < changes;
    if (is_changed ? share < 2 : now.is_voter(id)) {
      voters.push_back(i);
    } else if (is_changed ? share == 2 : now.members.contains(id)) {
      observers.push_back(i);
    }
  }
  if (voters.size() < 2) return;
  const consensus::Membership next = membership_of(voters, observers);
  const std::size_t client = dice.below(clients_.size());
  // Nobody can know of a disk that was just lost; a quorum that needs it is lost with it.
  if (ghost_->could_change_to(next, is_damaged_)) reconfigure(next, client);
}

// ---- time -------------------------------------------------------------------------------------

void World::commit_clock_fault(const Fault& fault, Dice& dice) {
  const std::size_t server = target(dice);
  if (fault.kind == FaultKind::kPause) {
    servers_[server]->pause();
    return later(fault.duration, [this, server] { servers_[server]->resume(); });
  }
  if (fault.kind == FaultKind::kClockDrift) {
    constexpr std::int64_t kDriftMax = 50'000;  // five in a hundred
    servers_[server]->set_drift(dice.between(-kDriftMax, kDriftMax));
    return later(fault.duration, [this, server] { servers_[server]->set_drift(0); });
  }
  constexpr std::int64_t kHour = 3'600'000;
  servers_[server]->jump_wall_clock(dice.between(-kHour, kHour));
}

}  // namespace synod::sim
