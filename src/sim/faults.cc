#include "sim/faults.h"

#include <fmt/format.h>

#include <algorithm>

namespace synod::sim {
namespace {

// How often, at most, and for how long: some faults bring everything to a stop, and a run is to get
// somewhere between them.
struct Habit {
  std::string_view name;
  Micros interval_min;  // mean time between two, drawn per run from here to eight times that
  Micros duration;      // mean
};

constexpr std::array<Habit, kFaultKinds> kHabits{{
    {"partition-halves", 8 * kSecond, 3 * kSecond},
    {"partition-bridge", 8 * kSecond, 3 * kSecond},
    {"partition-ring", 8 * kSecond, 3 * kSecond},
    {"partition-one-way", 6 * kSecond, 2 * kSecond},
    {"partition-isolate", 5 * kSecond, 2 * kSecond},
    {"partition-flapping", 10 * kSecond, 4 * kSecond},
    {"partition-partial", 6 * kSecond, 3 * kSecond},
    {"link-break", kSecond, 0},
    {"delay", 4 * kSecond, 3 * kSecond},
    {"stall", 2 * kSecond, kSecond},
    {"client-break", kSecond, 0},
    {"kill", 4 * kSecond, kSecond},
    {"power-cut", 4 * kSecond, 2 * kSecond},
    {"power-cut-all", 12 * kSecond, kSecond},
    {"crash-new-leader", 5 * kSecond, kSecond},
    {"crash-step", 3 * kSecond, kSecond},
    {"amnesia", 10 * kSecond, 2 * kSecond},
    {"bit-flip", 8 * kSecond, kSecond},
    {"read-error", 10 * kSecond, 2 * kSecond},
    {"write-error", 8 * kSecond, kSecond},
    {"flush-error", 8 * kSecond, kSecond},
    {"disk-full", 8 * kSecond, 2 * kSecond},
    {"slow-disk", 6 * kSecond, 3 * kSecond},
    {"pause", 4 * kSecond, 2 * kSecond},
    {"clock-drift", 10 * kSecond, 10 * kSecond},
    {"clock-jump", 10 * kSecond, 0},
    {"reconfigure", 2 * kSecond, 0},
}};

}  // namespace

std::string_view name_of(FaultKind kind) { return kHabits[static_cast<std::size_t>(kind)].name; }

std::optional<FaultKind> fault_named(std::string_view name) {
  for (std::size_t i = 0; i < kFaultKinds; ++i) {
    if (kHabits[i].name == name) return static_cast<FaultKind>(i);
  }
  return std::nullopt;
}

FaultSet all_faults() {
  FaultSet all;
  all.fill(true);
  return all;
}

std::string describe(const Fault& fault) {
  return fmt::format("{:3}.{:03} s  {}{}", fault.at / kSecond, fault.at % kSecond / kMillisecond,
                     name_of(fault.kind),
                     fault.duration > 0 ? fmt::format(" for {}.{:03} s", fault.duration / kSecond,
                                                      fault.duration % kSecond / kMillisecond)
                                        : "");
}

std::vector<Fault> draw_faults(std::uint64_t seed, const FaultSet& allowed, Micros until) {
  std::vector<Fault> faults;
  Dice run = dice(seed, Part::kFaults);
  const std::uint64_t mood = run.below(20);  // 0: nothing goes wrong; 19: everything may
  for (std::size_t i = 0; i < kFaultKinds; ++i) {
    Dice own = dice(seed, Part::kFaults, i + 1);
    const bool is_enabled = mood != 0 && (mood == 19 || own.below(3) == 0);
    if (!is_enabled || !allowed[i]) continue;
    const Habit& habit = kHabits[i];
    const Micros interval = habit.interval_min << own.below(4);
    const Micros duration = std::max<Micros>(habit.duration >> own.below(3), 1);
    for (Micros at = own.skewed(interval); at < until;
         at += 10 * kMillisecond + own.skewed(interval)) {
      faults.push_back({.at = at,
                        .kind = static_cast<FaultKind>(i),
                        .duration = habit.duration == 0 ? 0 : own.skewed(duration),
                        .seed = own.next()});
    }
  }
  std::ranges::stable_sort(faults, {}, &Fault::at);
  return faults;
}

}  // namespace synod::sim
