// Virtual time: everything that is going to happen, in order of time, and of arrival at equal
// times.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace synod::sim {

using Micros = std::int64_t;  // of true time since the run began; servers see their own clocks
inline constexpr Micros kMillisecond = 1000;
inline constexpr Micros kSecond = 1'000'000;

class Timeline {
 public:
  using Action = std::move_only_function<void()>;

  [[nodiscard]] Micros now() const { return now_; }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }

  void at(Micros when, Action action) {
    heap_.push_back({std::max(when, now_), ++last_number_, std::move(action)});
    std::ranges::push_heap(heap_, kLater);
  }
  void after(Micros delay, Action action) { at(now_ + delay, std::move(action)); }

  // The next thing, unless it happens after `until`; then it is `until`.
  bool step(Micros until) {
    if (heap_.empty() || heap_.front().when > until) {
      now_ = std::max(now_, until);
      return false;
    }
    std::ranges::pop_heap(heap_, kLater);
    Event event = std::move(heap_.back());
    heap_.pop_back();
    now_ = event.when;
    ++steps_;
    event.action();
    return true;
  }

 private:
  struct Event {
    Micros when = 0;
    std::uint64_t number = 0;
    Action action;
  };
  static constexpr auto kLater = [](const Event& a, const Event& b) {
    return a.when != b.when ? a.when > b.when : a.number > b.number;
  };

  std::vector<Event> heap_;
  Micros now_ = 0;
  std::uint64_t last_number_ = 0;
  std::uint64_t steps_ = 0;
};

}  // namespace synod::sim
