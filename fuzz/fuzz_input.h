// How fuzz targets cut their input up, and how they complain.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/bytes.h"

namespace synod::fuzz {

inline void require(bool holds) {
  if (!holds) std::abort();
}

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const char*>(data), size) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }
  [[nodiscard]] BytesView rest() const { return rest_; }
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto taken = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return taken;
  }
  BytesView take(std::size_t count) {
    const BytesView taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  // As many as the two bytes before them say.
  BytesView piece() {
    const std::size_t high = byte();
    return take(high << 8 | byte());
  }

 private:
  BytesView rest_;
};

}  // namespace synod::fuzz
