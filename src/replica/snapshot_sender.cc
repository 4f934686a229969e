#include "replica/snapshot_sender.h"

#include <algorithm>
#include <utility>

namespace synod::replica {
namespace {

constexpr std::size_t kSliceBytes = 256 * 1024;

}  // namespace

void SnapshotSender::start(consensus::LinkId link) {
  queue_.push_back({.link = link, .stream = std::nullopt, .behind = {}});
  if (queue_.size() == 1) go_on();
}

void SnapshotSender::go_on() {
  while (is_sending()) {
    Receiver& receiver = queue_.front();
    if (!receiver.stream) receiver.stream.emplace(state_);
    std::optional<Bytes> slice;
    do {
      if (links_.unsent(receiver.link) >= Links::kManyBytes) return;  // drained() will follow
      slice = receiver.stream->next(kSliceBytes);
      if (slice) links_.send(receiver.link, std::move(*slice));
    } while (slice);
    for (Bytes& bytes : receiver.behind) links_.send(receiver.link, std::move(bytes));
    queue_.pop_front();
  }
}

bool SnapshotSender::send(consensus::LinkId link, Bytes bytes) {
  const auto found = std::ranges::find(queue_, link, &Receiver::link);
  if (found == queue_.end()) {
    links_.send(link, std::move(bytes));
    return true;
  }
  found->bytes_behind += bytes.size();
  found->behind.push_back(std::move(bytes));
  return found->bytes_behind <= kBehindMax;
}

void SnapshotSender::gone(consensus::LinkId link) {
  const auto found = std::ranges::find(queue_, link, &Receiver::link);
  if (found == queue_.end()) return;
  const bool was_first = found == queue_.begin();
  queue_.erase(found);
  if (was_first) go_on();
}

}  // namespace synod::replica
