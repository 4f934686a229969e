// Which containers and TTL nodes have had their time (reference, protocol section 10).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "base/ids.h"
#include "state/tree.h"

namespace synod::replica {

struct ReaperOptions {
  std::int64_t check_interval_ms = 60'000;
  std::int64_t max_per_minute = 10'000;
  std::int64_t max_never_used_ms =
      0;  // a container that never had a child; 0: it may stay for ever
};

class Reaper {
 public:
  explicit Reaper(ReaperOptions options) : options_(options) {}

  // The next node to delete, if one is due; at most so many a minute.
  [[nodiscard]] std::optional<std::string> next(const state::Tree& tree, SteadyTimeMs now,
                                                WallTimeMs wall);

 private:
  void look(const state::Tree& tree, WallTimeMs wall);

  ReaperOptions options_;
  std::optional<SteadyTimeMs> last_look_;
  SteadyTimeMs last_given_;
  std::deque<std::string> due_;
};

}  // namespace synod::replica
