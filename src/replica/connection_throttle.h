// Decides whether one more session may be opened or resumed: a bucket of tokens that time fills,
// and before it BLUE (Feng et al., 1999), which turns clients away at random before the bucket is
// empty for good. Reference, protocol section 20.3.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "base/random.h"

namespace synod::replica {

// zoo.cfg's connection_throttle_*.
struct ConnectionThrottleOptions {
  std::int64_t tokens = 0;  // of a full bucket; 0: no throttle
  std::int64_t fill_time_ms = 1;
  std::int64_t fill_count = 1;       // tokens a fill_time
  std::int64_t freeze_time_ms = -1;  // the probability stays for so long; -1: no random refusals
  double drop_increase = 0.02;
  double drop_decrease = 0.002;
  double decrease_ratio = 0;  // at most this part of the bucket is empty when the probability falls
  bool has_weights = false;   // else every session costs one token
  std::int64_t new_session_weight = 3;  // bucket and filling are then so many times as large
  std::int64_t resumed_session_weight = 2;
};

class ConnectionThrottle {
 public:
  ConnectionThrottle(ConnectionThrottleOptions options, std::uint64_t seed, SteadyTimeMs now);

  // Takes the tokens, or says that there are none.
  [[nodiscard]] bool admits_new(SteadyTimeMs now) {
    return admits(options_.has_weights ? options_.new_session_weight : 1, now);
  }
  [[nodiscard]] bool admits_resumed(SteadyTimeMs now) {
    return admits(options_.has_weights ? options_.resumed_session_weight : 1, now);
  }

  [[nodiscard]] std::int64_t tokens() const { return tokens_; }
  [[nodiscard]] double drop_probability() const { return drop_probability_; }

 private:
  [[nodiscard]] bool admits(std::int64_t cost, SteadyTimeMs now);
  void fill(SteadyTimeMs now);
  void adjust_probability(SteadyTimeMs now);

  ConnectionThrottleOptions options_;
  Random random_;
  std::int64_t tokens_;
  SteadyTimeMs last_fill_;
  SteadyTimeMs last_adjustment_;
  double drop_probability_ = 0;
};

}  // namespace synod::replica
