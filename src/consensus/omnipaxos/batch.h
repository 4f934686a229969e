// Entries for one message.
#pragma once

#include <cstddef>
#include <vector>

#include "consensus/history.h"
#include "consensus/omnipaxos/messages.h"

namespace synod::consensus::omnipaxos {

// From `at` on, about a message's worth; at least one if there is one.
template <class Iterator>
[[nodiscard]] std::vector<Entry> take_batch(Iterator& at, Iterator end) {
  std::vector<Entry> batch;
  for (std::size_t bytes = 0; at != end && bytes < kMaxBatchBytes; ++at) {
    bytes += at->bytes->size();
    batch.push_back(*at);
  }
  return batch;
}

}  // namespace synod::consensus::omnipaxos
