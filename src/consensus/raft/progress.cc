#include "consensus/raft/progress.h"

#include <algorithm>

namespace synod::consensus::raft {

void Progress::reset(Zxid sent, SteadyTimeMs now) {
  *this = Progress();
  sent_ = sent;
  heard_at = now;
}

bool Progress::may_send(const Options& options) const {
  if (is_reading_) return false;
  switch (state_) {
    case State::kProbe:
      return !is_paused_;
    case State::kReplicate:
      return in_flight_.size() < options.max_in_flight &&
             in_flight_bytes_ < options.max_in_flight_bytes;
    case State::kSnapshot:
      return false;
  }
  return false;
}

void Progress::on_sent(Zxid prev, Zxid end, std::size_t bytes, SteadyTimeMs now) {
  probed_ = prev;
  probed_at_ = now;
  sent_ = end;
  if (state_ == State::kProbe) {
    is_paused_ = true;
  } else if (end > prev) {
    in_flight_.push_back({end, bytes});
    in_flight_bytes_ += bytes;
  }
}

// Of an older message, or a repeated one, it is true all the same.
void Progress::on_match(Zxid match) {
  match_ = std::max(match_, match);
  while (!in_flight_.empty() && in_flight_.front().end <= match_) {
    in_flight_bytes_ -= in_flight_.front().bytes;
    in_flight_.pop_front();
  }
  const bool is_tree_there = snapshot_ && match >= *snapshot_;
  if (state_ == State::kProbe || (state_ == State::kSnapshot && is_tree_there)) {
    stop_sending();
    state_ = State::kReplicate;
    sent_ = match_;
  }
  sent_ = std::max(sent_, match_);
}

bool Progress::is_refusal_fresh(Zxid prev) const {
  switch (state_) {
    case State::kProbe:
      return is_paused_ && prev == probed_;
    case State::kReplicate:
      return prev > match_ || probed_ == prev;
    case State::kSnapshot:
      return false;
  }
  return false;
}

void Progress::probe(Zxid sent) {
  stop_sending();
  state_ = State::kProbe;
  sent_ = std::max(sent, match_);
}

void Progress::resume(SteadyTimeMs sent_before) {
  if (state_ != State::kProbe || !is_paused_ || probed_at_ > sent_before) return;
  is_paused_ = false;
  sent_ = probed_;
}

// What was sent may not have been taken: commits are told anew.
void Progress::stop_sending() {
  told = {};
  in_flight_.clear();
  in_flight_bytes_ = 0;
  is_paused_ = false;
  is_reading_void_ = is_reading_;
}

bool Progress::on_read() {
  if (is_reading_void_) return false;
  // It said itself that it has the entry before these.
  if (state_ == State::kProbe) {
    state_ = State::kReplicate;
    told = {};
  }
  return true;
}

void Progress::begin_snapshot(LinkId link) {
  stop_sending();
  state_ = State::kSnapshot;
  snapshot_link_ = link;
  snapshot_.reset();
}

// It may have what was sent, or not: that is asked, a heartbeat later at the earliest.
void Progress::snapshot_gone(Zxid retry_at, SteadyTimeMs now) {
  snapshot_link_.reset();
  if (state_ != State::kSnapshot) return;
  probe(retry_at);
  probed_ = sent_;
  probed_at_ = now;
  is_paused_ = true;
}

}  // namespace synod::consensus::raft
