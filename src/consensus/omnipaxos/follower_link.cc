#include "consensus/omnipaxos/follower_link.h"

#include <algorithm>
#include <utility>

#include "base/mutation.h"
#include "consensus/omnipaxos/batch.h"
#include "consensus/omnipaxos/positions.h"

namespace synod::consensus::omnipaxos {

void FollowerLink::prepare() {
  // As if what was sent had arrived.
  if (is_mutated(Mutation::kAcceptOverGap) && stage_ == Stage::kStreaming) return;
  *this = FollowerLink(*shared_, ballot_, server_);
  shared_->send(server_, Prepare{ballot_});
}

void FollowerLink::promised(Promise promise) {
  *this = FollowerLink(*shared_, ballot_, server_);
  stage_ = Stage::kPromised;
  promise_ = std::move(promise);
}

void FollowerLink::refused() {
  *this = FollowerLink(*shared_, ballot_, server_);
  stage_ = Stage::kRefused;
}

bool FollowerLink::counts() const {
  return promise_ && promise_->has_memory && shared_->quorums.is_voter(server_);
}

void FollowerLink::vouched() {
  vouched_round_.reset();
  promise_->has_memory = true;
}

// ---- synchronising ------------------------------------------------------------------------------

bool FollowerLink::synchronise(Zxid end) {
  const History& history = shared_->journal.history();
  end_ = end;
  const auto common = find_common(history, promise_->ends);
  if (promise_->wants_tree || !common) return false;
  sent_ = common->at;
  if (sent_ < history.base()) {
    read_log(sent_);
    return true;
  }
  send_sync();
  stage_ = Stage::kStreaming;
  return true;
}

void FollowerLink::read_log(Zxid after) {
  stage_ = Stage::kReading;
  const auto link = shared_->links.link_of(server_);
  if (link) read_ = shared_->reads.ask(*link, after, shared_->journal.history().base());
}

// The log answers only if `after` is in it: then it is in both.
bool FollowerLink::log_read(std::optional<std::vector<Entry>>&& entries, bool is_last) {
  if (!entries) return false;
  if (!is_sync_sent_) send_sync();
  for (auto at = entries->begin(); at != entries->end();)
    send_entries(take_batch(at, entries->end()));
  if (is_last) stage_ = Stage::kStreaming;
  return true;
}

void FollowerLink::send_sync() {
  is_sync_sent_ = true;
  decided_sent_ = shared_->journal.committed();
  shared_->send(server_, AcceptSync{.ballot = ballot_,
                                    .promise = promise_->number,
                                    .after = sent_,
                                    .end = std::max(end_, sent_),
                                    .decided = decided_sent_});
}

// ---- accepting ----------------------------------------------------------------------------------

void FollowerLink::stream() {
  if (stage_ != Stage::kStreaming) return;
  const Journal& journal = shared_->journal;
  const History& history = journal.history();
  while (sent_ < history.last() && in_flight_bytes_ < shared_->options.window_bytes) {
    if (sent_ < history.base()) return read_log(sent_);
    auto at = history.after(sent_);
    send_entries(take_batch(at, history.end()));
  }
  send_decided();
  for (; !held_.empty() && held_.front().after <= sent_; held_.pop_front())
    shared_->links.send(server_, held_.front().message);
}

void FollowerLink::send_decided() {
  if (decided_sent_ == shared_->journal.committed()) return;
  decided_sent_ = shared_->journal.committed();
  shared_->send(server_, Decide{ballot_, decided_sent_});
}

void FollowerLink::send(const ServiceMessage& message) {
  held_.push_back({shared_->journal.last_logged(), message});
  stream();
}

void FollowerLink::send_entries(std::vector<Entry> entries) {
  const Zxid previous = std::exchange(sent_, entries.back().zxid);
  std::size_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.bytes->size();
  in_flight_.push_back({sent_, bytes});
  in_flight_bytes_ += bytes;
  decided_sent_ = shared_->journal.committed();
  shared_->send(server_, AcceptDecide{.ballot = ballot_,
                                      .previous = previous,
                                      .decided = decided_sent_,
                                      .entries = std::move(entries)});
}

bool FollowerLink::accepted(Zxid up_to) {
  if (!is_sync_sent_) return true;  // said before it was prepared anew
  if (up_to > sent_ || up_to < end_) return false;
  accepted_ = std::max(accepted_.value_or(up_to), up_to);
  while (!in_flight_.empty() && in_flight_.front().up_to <= up_to) {
    in_flight_bytes_ -= in_flight_.front().bytes;
    in_flight_.pop_front();
  }
  return true;
}

}  // namespace synod::consensus::omnipaxos
