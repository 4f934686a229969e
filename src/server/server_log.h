// The server's log: lines are written by a thread of their own, so that whoever reads them slowly,
// or not at all, holds nobody up. Beyond a bound the oldest lines that wait are lost.
#pragma once

#include <spdlog/common.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "base/ids.h"

namespace synod::server {

inline constexpr std::size_t kLogLinesWaitingMax = 8192;

// From here on spdlog's functions return at once.
void start_log(spdlog::sink_ptr sink, std::size_t lines_waiting_max = kLogLinesWaitingMax);
void start_log();  // to the standard output

// Writes what waits; nothing may be logged from now on. False: it is not written after that time,
// and the log's thread still tries: leave without tearing anything down (std::_Exit).
[[nodiscard]] bool finish_log(std::chrono::milliseconds patience);

// Complaints about connections, which anyone who reaches the port can cause: beyond so many a
// second they are only counted. From any thread.
class ComplaintLog {
 public:
  using Write = std::function<void(const std::string& line)>;
  explicit ComplaintLog(Write write, std::uint64_t lines_per_second = 10)
      : write_(std::move(write)), lines_per_second_(lines_per_second) {}

  void complain(const std::string& line, SteadyTimeMs now);
  // About once a second: tells of what was only counted.
  void tick(SteadyTimeMs now);

 private:
  void begin_second(SteadyTimeMs now);

  Write write_;
  std::uint64_t lines_per_second_;
  std::mutex mutex_;
  SteadyTimeMs second_began_{INT64_MIN / 2};
  std::uint64_t lines_ = 0;  // of this second
};

}  // namespace synod::server
