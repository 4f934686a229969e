// The clocks, read where the core may not: their values go into its events.
#pragma once

#include <chrono>

#include "base/ids.h"
#include "replica/replica.h"

namespace synod::net {

[[nodiscard]] inline SteadyTimeMs steady_now() {
  const auto since_boot = std::chrono::steady_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::milliseconds>(since_boot).count()};
}

[[nodiscard]] inline replica::Time now() {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return {steady_now(),
          {std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count()}};
}

}  // namespace synod::net
