#include "consensus/solo/solo.h"

#include <utility>

#include "base/assert.h"

namespace synod::consensus {

void Solo::start(const Beginning& beginning) {
  proposed_ = committed_ = beginning.last_logged;
  // A log's tail is committed at once where the quorum is one.
  effects_.emplace_back(effect::Commit{committed_});
  status_ = {.role = Role::kLeading, .leader = {}, .epoch = proposed_.epoch(), .is_serving = true};
  effects_.emplace_back(effect::StatusChanged{status_});
}

void Solo::propose(Entry entry) {
  SYNOD_ASSERT(entry.zxid == next_zxid());
  proposed_ = entry.zxid;
  effects_.emplace_back(effect::Append{std::move(entry)});
}

void Solo::durable(Zxid up_to) {
  SYNOD_ASSERT(up_to <= proposed_);
  if (up_to <= committed_) return;
  committed_ = up_to;
  effects_.emplace_back(effect::Commit{up_to});
}

// Nobody else could have committed anything.
void Solo::read_index(std::uint64_t token) {
  effects_.emplace_back(effect::ReadIndex{token, committed_});
}

Effects Solo::drain() { return std::exchange(effects_, {}); }

}  // namespace synod::consensus
