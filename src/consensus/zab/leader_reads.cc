// Reads at a leader: that it still leads is proved by a round of PINGs.
#include <utility>

#include "base/mutation.h"
#include "consensus/zab/leader.h"

namespace synod::consensus::zab {

// Nobody else led, and so committed, while a quorum still answered PINGs that were sent after the
// question came. One round serves all that wait; who comes during it waits for the next.
void Leader::read_index(std::uint64_t token) {
  const Zxid committed = shared_->journal.committed();
  if (is_mutated(Mutation::kReadIndexUnasked))
    return shared_->outbox.add(effect::ReadIndex{token, committed});
  waiting_.push_back({token, committed});
  if (round_.empty()) start_round();
}

void Leader::start_round() {
  round_ = std::exchange(waiting_, {});
  for (auto& [link, learner] : learners_) {
    if (!learner.is_up_to_date() || !learner.counts()) continue;
    learner.ping(proposed_);
    learner.enter_round();
  }
  check_round();
}

void Leader::check_round() {
  counted_.clear();
  add_to(counted_, shared_->options.self);
  for (const auto& [link, learner] : learners_)
    if (learner.has_confirmed() && learner.counts()) add_to(counted_, learner.server());
  if (!members().is_quorum(counted_)) return;
  for (const PendingRead& read : round_)
    shared_->outbox.add(effect::ReadIndex{read.token, read.committed});
  round_.clear();
  for (auto& [link, learner] : learners_) learner.leave_round();
  if (!waiting_.empty()) start_round();
}

}  // namespace synod::consensus::zab
