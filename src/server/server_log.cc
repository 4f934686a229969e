#include "server/server_log.h"

#include <fmt/format.h>
#include <spdlog/async.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <future>
#include <memory>
#include <thread>
#include <utility>

namespace synod::server {

void start_log(spdlog::sink_ptr sink, std::size_t lines_waiting_max) {
  spdlog::init_thread_pool(lines_waiting_max, 1);
  spdlog::set_default_logger(std::make_shared<spdlog::async_logger>(
      "", std::move(sink), spdlog::thread_pool(), spdlog::async_overflow_policy::overrun_oldest));
}

void start_log() { start_log(std::make_shared<spdlog::sinks::stdout_color_sink_mt>()); }

bool finish_log(std::chrono::milliseconds patience) {
  if (const std::size_t lost = spdlog::thread_pool()->overrun_counter(); lost > 0)
    spdlog::warn("{} lines of this log were lost: they were not read fast enough", lost);
  std::promise<void> written;
  const std::future<void> is_written = written.get_future();
  std::thread([written = std::move(written)]() mutable {
    spdlog::details::registry::instance().set_tp(nullptr);  // writes what waits, ends its thread
    spdlog::shutdown();
    written.set_value();
  }).detach();
  return is_written.wait_for(patience) == std::future_status::ready;
}

void ComplaintLog::complain(const std::string& line, SteadyTimeMs now) {
  const std::scoped_lock lock(mutex_);
  begin_second(now);
  if (++lines_ <= lines_per_second_) write_(line);
}

void ComplaintLog::tick(SteadyTimeMs now) {
  const std::scoped_lock lock(mutex_);
  begin_second(now);
}

void ComplaintLog::begin_second(SteadyTimeMs now) {
  if (now.value - second_began_.value < 1000) return;
  second_began_ = now;
  const std::uint64_t lines = std::exchange(lines_, 0);
  if (lines > lines_per_second_)
    write_(
        fmt::format("{} more complaints about connections suppressed", lines - lines_per_second_));
}

}  // namespace synod::server
