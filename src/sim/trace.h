// What happened in a run: a hash of it, to tell whether two runs are the same, and a line for each
// event where somebody reads them.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "sim/timeline.h"

namespace synod::sim {

class Trace {
 public:
  using Sink = std::function<void(std::string_view line)>;

  explicit Trace(const Timeline& timeline, Sink sink = {})
      : timeline_(timeline), sink_(std::move(sink)) {}

  void mix(std::uint64_t value) {
    hash_ = (hash_ ^ value ^ static_cast<std::uint64_t>(timeline_.now())) * 0x9FB21C651E98DF25;
    hash_ ^= hash_ >> 28;
  }
  void mix(std::string_view bytes) { mix(std::hash<std::string_view>()(bytes)); }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }

  [[nodiscard]] bool is_read() const { return static_cast<bool>(sink_); }
  // `text` is only made where it is read.
  void line(auto&& text) {
    if (!sink_) return;
    const Micros now = timeline_.now();
    sink_(fmt::format("{:3}.{:06} {}", now / kSecond, now % kSecond, text()));
  }

 private:
  const Timeline& timeline_;
  Sink sink_;
  std::uint64_t hash_ = 0;
};

}  // namespace synod::sim
