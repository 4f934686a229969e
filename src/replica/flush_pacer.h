// When the next batch goes to the log.
//
// Clients that wait for each reply fall into two groups if a flush starts the moment the last one
// ends: one writes while the other's flush runs, and every flush carries half of them. So when
// something is waiting already at the end of a flush, the next one holds on for a moment: until as
// many have come as the last two batches had together, or until the host says that the moment is
// over. A client that is alone never waits.
#pragma once

#include <cstddef>

namespace synod::replica {

class FlushPacer {
 public:
  // A batch is on disk, and so many transactions came meanwhile.
  void flushed(std::size_t waiting) { is_patient_ = waiting > 0; }
  [[nodiscard]] bool should_wait(std::size_t waiting) const {
    return is_patient_ && waiting < expected_;
  }
  void moment_over() { is_patient_ = false; }
  // A batch of so many transactions was given to the disk.
  void written(std::size_t count) {
    expected_ = count + last_count_;
    last_count_ = count;
    is_patient_ = false;
  }

 private:
  bool is_patient_ = false;
  std::size_t expected_ = 0;
  std::size_t last_count_ = 0;
};

}  // namespace synod::replica
