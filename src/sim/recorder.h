// A run as a picture would show it: who was what and when, what was committed meanwhile, what each
// link carried. It looks every few milliseconds and changes nothing but the run's hash, which
// counts steps.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "consensus/engine.h"
#include "sim/timeline.h"

namespace synod::sim {

class World;

struct RunRecord {
  // What a server was for a while.
  struct Span {
    std::size_t server = 0;
    Micros from = 0;
    Micros to = 0;
    bool is_up = false;
    consensus::Status status;
  };
  // What was done to them.
  struct Mark {
    Micros at = 0;
    std::string text;
  };

  static constexpr Micros kSlice = 10 * kMillisecond;

  std::size_t servers = 0;
  Micros from = 0;  // of `commits`; times are as seen from zero()
  std::vector<Span> spans;
  std::vector<Mark> marks;
  std::vector<std::uint32_t> commits;  // transactions, in each slice
  std::vector<std::uint64_t> bytes;    // from * servers + to

  [[nodiscard]] Micros to() const { return from + static_cast<Micros>(commits.size()) * kSlice; }
};

class Recorder {
 public:
  // The world outlives this, and this the record.
  explicit Recorder(World& world) : world_(world) {}

  void begin(Micros duration);
  // What happens is told as seen from now.
  void zero() { zero_ = began_ + static_cast<Micros>(record_.commits.size()) * RunRecord::kSlice; }
  void mark(Micros after_begin, std::string text) {
    record_.marks.push_back({after_begin, std::move(text)});
  }
  void mark_now(std::string text);

  [[nodiscard]] RunRecord take();

 private:
  void look();
  void look_at(std::size_t server);
  void count_bytes();

  World& world_;
  RunRecord record_;
  Micros began_ = 0;
  Micros zero_ = 0;
  std::size_t looks_left_ = 0;
  std::size_t committed_ = 0;
  std::vector<std::size_t> last_span_;  // of each server
};

}  // namespace synod::sim
