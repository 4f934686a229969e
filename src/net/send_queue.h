// Bytes on their way to a socket: moved in whole, gathered into one write. What is small is joined,
// because a message of forty bytes costs less to copy than to list.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <span>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"

namespace synod::net {

class SendQueue {
 public:
  void push(Bytes bytes) {
    if (bytes.empty()) return;
    size_ += bytes.size();
    if (!parts_.empty() && parts_.back().size() + bytes.size() <= kJoinedMax) {
      parts_.back() += bytes;
    } else {
      parts_.push_back(std::move(bytes));
    }
  }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool is_empty() const { return size_ == 0; }

  // The oldest parts, for writev; the number of entries used.
  std::size_t gather(std::span<iovec> into) {
    std::size_t used = 0;
    std::size_t skip = taken_;
    for (Bytes& part : parts_) {
      if (used == into.size()) break;
      into[used++] = {part.data() + skip, part.size() - skip};
      skip = 0;
    }
    return used;
  }

  // So many of the oldest bytes are gone.
  void consume(std::size_t count) {
    SYNOD_ASSERT(count <= size_);
    size_ -= count;
    taken_ += count;
    while (!parts_.empty() && taken_ >= parts_.front().size()) {
      taken_ -= parts_.front().size();
      parts_.pop_front();
    }
  }

  void clear() { *this = SendQueue(); }

  // The oldest part, out of the queue; only when there is one.
  [[nodiscard]] Bytes pop() {
    Bytes part = std::move(parts_.front());
    parts_.pop_front();
    if (taken_ != 0) part.erase(0, std::exchange(taken_, 0));
    size_ -= part.size();
    return part;
  }

 private:
  static constexpr std::size_t kJoinedMax = 16 * 1024;

  std::deque<Bytes> parts_;  // none empty
  std::size_t taken_ = 0;    // of the first
  std::size_t size_ = 0;     // of what is left
};

}  // namespace synod::net
