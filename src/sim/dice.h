// Draws for the simulator. Every part of it has dice of its own, so that a change in one part
// leaves the others' draws as they were, and old seeds keep their meaning for longer.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "base/random.h"

namespace synod::sim {

class Dice {
 public:
  // One stream per (seed, part, number).
  Dice(std::uint64_t seed, std::uint64_t part, std::uint64_t number = 0)
      : random_(Random(Random(Random(seed).next() ^ part).next() ^ number).next()) {}

  std::uint64_t next() { return random_.next(); }
  std::uint64_t below(std::uint64_t limit) { return random_.below(limit); }
  // Both ends included.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low + 1)));
  }
  bool per_mille(std::uint64_t chance) { return below(1000) < chance; }
  bool coin() { return below(2) == 1; }
  // Most are short of the mean, some are many times as long: as waiting times are.
  std::int64_t skewed(std::int64_t mean) {
    const int doublings = std::min(std::countr_zero(next()), 6);
    return between(0, std::max<std::int64_t>(mean / 3, 1) << doublings);
  }
  template <class T>
  const T& one_of(const std::vector<T>& all) {
    return all[below(all.size())];
  }
  template <class T>
  void shuffle(std::vector<T>& all) {
    for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[below(i)]);
  }

 private:
  Random random_;
};

// The streams' names.
enum class Part : std::uint64_t { kWorld = 1, kNetwork, kDisk, kClock, kFaults, kClient, kNode };
[[nodiscard]] inline Dice dice(std::uint64_t seed, Part part, std::uint64_t number = 0) {
  return {seed, static_cast<std::uint64_t>(part), number};
}

}  // namespace synod::sim
