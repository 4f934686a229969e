#include "consensus/omnipaxos/ballot_election.h"

#include <algorithm>
#include <utility>

namespace synod::consensus::omnipaxos {

void BallotElection::start(Ballot promised, bool has_memory, SteadyTimeMs now) {
  leader_ = promised;
  is_candidate_ = has_memory;
  if (promised == Ballot{} && has_memory) begin();
  round_ = 1;
  round_end_ = {now.value + options_.election_timeout_ms};
}

void BallotElection::begin() {
  if (!quorums_.is_voter(options_.self)) return;
  own_ = Ballot::of(1, options_.self);
  is_candidate_ = true;
}

// All stand at once: the greatest leads after one round, if no leader goes on before.
void BallotElection::enter(Ballot promised, SteadyTimeMs now) {
  leader_ = promised;
  own_ = quorums_.is_voter(options_.self) ? promised.next_of(options_.self) : Ballot{};
  is_candidate_ = is_happy_ = true;
  lost_ = {};
  is_successor_due_ = false;
  replies_.clear();
  heard_.clear();
  ++round_;
  round_end_ = {now.value + options_.election_timeout_ms};
}

void BallotElection::heard(const HeartbeatRequest& request, ServerId from) {
  if (const auto known = replies_.find(from); known != replies_.end())
    known->second = request.standing;
}

void BallotElection::heard(const HeartbeatReply& reply, ServerId from) {
  if (reply.round != round_ || !reply.standing.has_memory || !quorums_.is_voter(from)) return;
  replies_[from] = reply.standing;
  if (lost_ == Ballot{} || reply.standing.ballot != lost_) return;
  lost_ = {};  // it is back
  is_happy_ = reply.standing.is_candidate;
}

// ---- rounds that end early --------------------------------------------------------------------

bool BallotElection::lost(ServerId peer, const View& view) {
  replies_.erase(peer);
  if (leader(view) == Ballot{} || leader(view).server() != peer) return false;
  lost_ = leader(view);
  is_happy_ = false;
  return true;
}

bool BallotElection::is_leader_lost_by_quorum(const View& view) const {
  if (lost_ == Ballot{} || lost_ != leader(view) || !view.has_memory) return false;
  Servers lost{options_.self};
  for (const auto& [server, reply] : replies_)
    if (reply.leader == lost_ && !reply.is_happy) add_to(lost, server);
  return quorums_.is_read_quorum(lost);
}

bool BallotElection::is_over(const View& view, const Servers& connected) const {
  if (!is_successor_due_) return is_leader_lost_by_quorum(view);
  return std::ranges::all_of(connected, [&](ServerId server) {
    const auto reply = replies_.find(server);
    return !quorums_.is_voter(server) ||
           (reply != replies_.end() &&
            std::max(reply->second.ballot, reply->second.leader) > leader(view));
  });
}

// ---- rounds -----------------------------------------------------------------------------------

Standing BallotElection::standing(const View& view) const {
  return {.ballot = own_,
          .leader = std::max(leader_, view.promised),
          .is_candidate = is_candidate_ && view.has_memory,
          .is_happy = is_happy_,
          .has_memory = view.has_memory};
}

std::optional<Ballot> BallotElection::end_round(const View& view, SteadyTimeMs now) {
  const bool was_due = std::exchange(is_successor_due_, is_leader_lost_by_quorum(view));
  if (was_due) {  // whatever came of it: from here on rounds take their time
    is_successor_due_ = false;
    lost_ = {};
  }
  heard_.clear();
  if (view.has_memory) add_to(heard_, options_.self);
  for (const auto& [server, reply] : replies_) add_to(heard_, server);
  std::optional<Ballot> elected;
  if (view.has_memory && quorums_.is_voter(options_.self))
    elected =
        options_.election == ElectionRule::kPaper ? end_as_in_paper(view) : end_by_happiness(view);
  replies_.clear();
  ++round_;
  round_end_ = {now.value + options_.election_timeout_ms};
  return elected;
}

bool BallotElection::is_leading(const View& view) const {
  return own_ != Ballot{} && own_ == leader_ && view.leading == own_;
}

bool BallotElection::is_supported(const View& view) const {
  Servers support{options_.self};
  for (const auto& [server, reply] : replies_)
    if (reply.leader <= own_) add_to(support, server);
  return view.is_accepting ? quorums_.is_write_quorum(support) : quorums_.is_read_quorum(support);
}

bool BallotElection::is_other_leader_content() const {
  return std::ranges::any_of(replies_, [&](const auto& reply) {
    return reply.second.leader > own_ && reply.second.is_happy;
  });
}

bool BallotElection::is_anybody_lost() const {
  return std::ranges::any_of(replies_, [&](const auto& reply) {
    return reply.second.leader > own_ && !reply.second.is_happy;
  });
}

// Elected or promised by anybody.
Ballot BallotElection::highest_heard() const {
  Ballot highest = leader_;
  for (const auto& [server, reply] : replies_) highest = std::max(highest, reply.leader);
  return highest;
}

// ---- the paper's ------------------------------------------------------------------------------

std::optional<Ballot> BallotElection::end_as_in_paper(const View& view) {
  leader_ = std::max(leader_, view.promised);
  const bool leads = is_leading(view);
  is_candidate_ = leads && view.is_accepting ? quorums_.is_write_quorum(heard_)
                                             : quorums_.is_read_quorum(heard_);
  Ballot top = own_;
  is_happy_ = leads && is_candidate_;
  for (const auto& [server, reply] : replies_) {
    if (!reply.is_candidate) continue;
    top = std::max(top, reply.ballot);
    is_happy_ = is_happy_ || reply.ballot == leader_;
  }
  if (!is_candidate_) return std::nullopt;
  if (top < leader_) {
    // The leader is gone from among the candidates.
    stand_above(leader_);
  } else if (top > leader_) {
    leader_ = top;
    is_happy_ = true;
    if (top == own_) return own_;
  } else if (top == own_ && !is_other_leader_content()) {
    if (!leads || !is_supported(view) || is_anybody_lost()) stand_above(highest_heard());
  }
  return std::nullopt;
}

// ---- the later one ----------------------------------------------------------------------------

std::optional<Ballot> BallotElection::end_by_happiness(const View& view) {
  leader_ = std::max(leader_, own_);
  for (const auto& [server, reply] : replies_) leader_ = std::max(leader_, reply.ballot);
  const bool was_elected = own_ == leader_ && own_ != Ballot{} && view.promised < own_;
  if (own_ == leader_) {
    is_happy_ =
        ((was_elected || is_leading(view)) && is_supported(view)) || is_other_leader_content();
  } else {
    is_happy_ = std::ranges::any_of(replies_, [&](const auto& reply) {
      return reply.second.ballot == leader_ && reply.second.is_happy;
    });
  }
  const bool is_anybody_happy = is_happy_ || std::ranges::any_of(replies_, [](const auto& reply) {
                                  return reply.second.is_happy;
                                });
  const bool calls_lost_ones = is_leading(view) && is_anybody_lost() && !is_other_leader_content();
  if ((!is_anybody_happy || calls_lost_ones) && quorums_.is_read_quorum(heard_)) {
    stand_above(std::max(highest_heard(), view.promised));
    leader_ = own_;
    is_happy_ = true;
  }
  if (view.promised > leader_) {
    leader_ = view.promised;
    is_happy_ = true;
  }
  // Where this server only heard of its own name, it waits until it could lead.
  const bool may_lead = own_ == leader_ && own_ > view.promised && quorums_.is_read_quorum(heard_);
  return may_lead ? std::optional(own_) : std::nullopt;
}

Ballot BallotElection::take_over() {
  stand_above(std::max(leader_, own_));
  leader_ = own_;
  return own_;
}

}  // namespace synod::consensus::omnipaxos
