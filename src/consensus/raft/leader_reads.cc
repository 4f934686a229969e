// The leader's reads: who is asked first, and when nobody need be (dissertation 6.4).
#include <algorithm>
#include <utility>

#include "consensus/raft/leader.h"

namespace synod::consensus::raft {

// Nobody else led, and so committed, while a majority answered heartbeats that were sent after the
// question came (dissertation 6.4). A later round confirms all that came before it.
std::uint64_t Leader::confirmed_round() const {
  std::vector<std::pair<std::uint64_t, ServerId>> rounds{{round_, shared_->options.self}};
  for (const auto& [peer, progress] : peers_)
    if (counts(peer, progress)) rounds.emplace_back(progress.round, peer);
  std::ranges::sort(rounds, std::greater{}, [](const auto& one) { return one.first; });
  Servers servers;
  for (const auto& [round, server] : rounds) {
    add_to(servers, server);
    if (shared_->configuration.is_quorum(servers)) return round;
  }
  return 0;
}

void Leader::begin_round() {
  ++round_;
  if (shared_->options.lease_drift_percent) rounds_.emplace_back(round_, shared_->now);
}

// Whoever answered a round ignores candidates for an election timeout from when it was sent, by its
// own clock (dissertation 6.4.1): of what that is here the drift is taken off.
void Leader::extend_lease() {
  if (!shared_->options.lease_drift_percent) return;
  const std::uint64_t confirmed = confirmed_round();
  for (; !rounds_.empty() && rounds_.front().first <= confirmed; rounds_.pop_front()) {
    const std::int64_t lease_ms =
        shared_->options.election_timeout_ms * 100 / (100 + *shared_->options.lease_drift_percent);
    lease_until_ = {rounds_.front().second.value + lease_ms};
  }
}

bool Leader::has_lease() const {
  return lease_until_ && shared_->now < *lease_until_ && !has_let_go_;
}

// One round serves all that came before it began; who comes while it is under way waits for the
// next, which flush() begins.
void Leader::read_index(std::uint64_t token) {
  if (has_lease())
    return shared_->outbox.add(effect::ReadIndex{token, shared_->journal.committed()});
  reads_.push_back({token, shared_->journal.committed(), 0});
}

void Leader::answer_reads() {
  const std::uint64_t confirmed = confirmed_round();
  auto read = reads_.begin();
  for (; read != reads_.end() && read->round != 0 && read->round <= confirmed; ++read)
    shared_->outbox.add(effect::ReadIndex{read->token, read->committed});
  reads_.erase(reads_.begin(), read);
}

}  // namespace synod::consensus::raft
