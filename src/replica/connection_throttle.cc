#include "replica/connection_throttle.h"

#include <algorithm>

namespace synod::replica {
namespace {

ConnectionThrottleOptions weighted(ConnectionThrottleOptions options) {
  if (!options.has_weights) return options;
  options.tokens *= options.new_session_weight;
  options.fill_count *= options.new_session_weight;
  return options;
}

}  // namespace

ConnectionThrottle::ConnectionThrottle(ConnectionThrottleOptions options, std::uint64_t seed,
                                       SteadyTimeMs now)
    : options_(weighted(options)),
      random_(seed),
      tokens_(options_.tokens),
      last_fill_(now),
      last_adjustment_(now) {}

bool ConnectionThrottle::admits(std::int64_t cost, SteadyTimeMs now) {
  if (options_.tokens == 0) return true;
  fill(now);
  if (options_.freeze_time_ms != -1) {
    adjust_probability(now);
    constexpr std::uint64_t kSteps = std::uint64_t{1} << 32;
    const double fate = static_cast<double>(random_.below(kSteps)) / static_cast<double>(kSteps);
    if (fate < drop_probability_) return false;
  }
  if (tokens_ < cost) return false;
  tokens_ -= cost;
  return true;
}

// Whole fill times only; what is left of one counts towards the next.
void ConnectionThrottle::fill(SteadyTimeMs now) {
  const std::int64_t times = (now.value - last_fill_.value) / options_.fill_time_ms;
  if (times <= 0) return;
  last_fill_.value += times * options_.fill_time_ms;
  const std::int64_t until_full = (options_.tokens - tokens_) / options_.fill_count + 1;
  tokens_ = std::min(tokens_ + std::min(times, until_full) * options_.fill_count, options_.tokens);
}

void ConnectionThrottle::adjust_probability(SteadyTimeMs now) {
  if (now.value - last_adjustment_.value <= options_.freeze_time_ms) return;
  last_adjustment_ = now;
  const auto missing = static_cast<double>(options_.tokens - tokens_);
  if (tokens_ == 0) {
    drop_probability_ = std::min(drop_probability_ + options_.drop_increase, 1.0);
  } else if (missing <= static_cast<double>(options_.tokens) * options_.decrease_ratio) {
    drop_probability_ = std::max(drop_probability_ - options_.drop_decrease, 0.0);
  }
}

}  // namespace synod::replica
