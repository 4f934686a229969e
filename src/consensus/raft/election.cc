#include "consensus/raft/election.h"

#include <algorithm>

#include "base/mutation.h"

namespace synod::consensus::raft {
namespace {

// Who have lost their leader campaign within this part of an election timeout.
constexpr std::int64_t kLostLeaderSpread = 8;

}  // namespace

// ---- the timer --------------------------------------------------------------------------------

// Drawn anew for every wait, so that split votes are rare and do not repeat (5.2).
void Election::reset_timer() {
  const std::int64_t timeout_ms = shared_.options.election_timeout_ms;
  const auto spread = shared_.random.below(static_cast<std::uint64_t>(timeout_ms));
  deadline_ = shared_.in(timeout_ms + static_cast<std::int64_t>(spread));
}

// Whom it has heard it has forgotten: a lease may count on it.
void Election::start() {
  if (shared_.options.lease_drift_percent) leader_heard_at_ = shared_.now;
  reset_timer();
}

void Election::leader_heard() {
  leader_heard_at_ = shared_.now;
  holds_others_up_ = false;
  reset_timer();
}

// A link that breaks, and does not just fall silent, breaks at once where the leader's process has
// ended: nobody waits for its silence then. PreVote leaves a leader alone whom a majority hears.
// With leases a voter has given its word for as long as it would have listened.
void Election::leader_lost() {
  if (!shared_.options.pre_vote || shared_.options.lease_drift_percent) return;
  leader_heard_at_.reset();
  const std::int64_t spread_ms = shared_.options.election_timeout_ms / kLostLeaderSpread;
  const auto spread = shared_.random.below(static_cast<std::uint64_t>(spread_ms + 1));
  deadline_ = std::min(deadline_, shared_.in(1 + static_cast<std::int64_t>(spread)));
}

bool Election::hears_leader() const {
  if (shared_.status.role == Role::kLeading) return true;
  return leader_heard_at_ &&
         shared_.now.value - leader_heard_at_->value < shared_.options.election_timeout_ms;
}

// While the log is being changed its end is not known. Who is no voter in a configuration that is
// not committed yet, and so may never be, may be the only one that has it, and be asked for its
// vote by those who cannot do without: it campaigns, without counting itself (dissertation 4.2.2,
// figure 4.6).
bool Election::may_campaign() const {
  const Configuration& configuration = shared_.configuration;
  return (configuration.is_voter(shared_.options.self) ||
          (holds_others_up_ && !configuration.is_committed())) &&
         shared_.journal.has_memory() && !shared_.is_log_changing;
}

void Election::time_out() {
  phase_ = Phase::kIdle;
  reset_timer();
  if (!may_campaign()) return;
  // The very first term begins once a majority remembers: a server that has promised something is
  // not new any more, and those that are wait for all to be.
  if (shared_.options.pre_vote || shared_.term() == 0)
    pre_campaign();
  else
    campaign(false);
}

// ---- the candidate ----------------------------------------------------------------------------

// Nothing is changed yet, neither here nor where it is asked (dissertation 9.6).
void Election::pre_campaign() {
  phase_ = Phase::kPreVote;
  is_transfer_ = false;
  granted_ = {shared_.options.self};
  if (shared_.configuration.is_quorum(granted_)) return campaign(false);
  ask_all();
}

void Election::campaign(bool is_transfer) {
  reset_timer();
  if (!may_campaign()) return;
  phase_ = Phase::kVote;
  is_transfer_ = is_transfer;
  granted_ = {shared_.options.self};
  shared_.enter_term(shared_.term() + 1, shared_.options.self);
  ask_all();
}

void Election::ask_all() {
  for (const ServerId voter : shared_.configuration.voters())
    if (voter != shared_.options.self) ask(voter);
}

void Election::ask(ServerId peer) { shared_.send(peer, request()); }

message::RequestVote Election::request() const {
  const bool is_pre = phase_ == Phase::kPreVote;
  return {.term = shared_.term() + (is_pre ? 1 : 0),
          .last_logged = shared_.journal.last_logged(),
          .configuration = Zxid{shared_.configuration.newest().version},
          .is_pre = is_pre,
          .is_transfer = is_transfer_};
}

// What was sent while there was no link is lost.
void Election::peer_up(ServerId peer) {
  if (phase_ != Phase::kIdle && shared_.configuration.is_voter(peer)) ask(peer);
}

void Election::on_vote(ServerId from, const message::Vote& vote) {
  const bool is_wanted = vote.is_pre ? phase_ == Phase::kPreVote && vote.term == shared_.term() + 1
                                     : phase_ == Phase::kVote && vote.term == shared_.term();
  if (!is_wanted || !vote.is_granted) return;
  add_to(granted_, from);
  if (phase_ == Phase::kPreVote && shared_.configuration.is_quorum(granted_)) campaign(false);
}

bool Election::is_won() const {
  return phase_ == Phase::kVote && shared_.journal.are_epochs_durable() &&
         shared_.configuration.is_quorum(granted_);
}

// ---- the voter --------------------------------------------------------------------------------

// 5.4.1: whoever has all that is committed has a log at least as far as any of a majority. Within a
// term longer is later, so comparing zxids compares (term, index).
//
// Who is no member as far as this server knows may be one all the same, and gets its vote (6). But
// a server that is about to join counts itself among the members that it was started with: where
// none but those is known to either side, it is none.
bool Election::may_lead(ServerId candidate, const message::RequestVote& ask) {
  if (ask.configuration == Zxid{} && shared_.configuration.newest().version == 0 &&
      !shared_.configuration.is_voter(candidate))
    return false;
  const bool is_up_to_date = ask.last_logged >= shared_.journal.last_logged();
  holds_others_up_ |= !is_up_to_date;
  return is_up_to_date;
}

void Election::on_pre_vote(ServerId from, const message::RequestVote& ask) {
  const bool is_granted = ask.term > shared_.term() && may_lead(from, ask) && !hears_leader();
  shared_.send(from, message::Vote{.term = is_granted ? ask.term : shared_.term(),
                                   .is_pre = true,
                                   .is_granted = is_granted});
}

bool Election::is_deaf_to(const message::RequestVote& ask) const {
  return shared_.options.check_quorum && hears_leader() && !ask.is_transfer;
}

bool Election::would_grant(ServerId from, const message::RequestVote& ask) {
  if (ask.term < shared_.term() || !may_lead(from, ask)) return false;
  const ServerId voted_for = ask.term > shared_.term() ? ServerId{} : shared_.voted_for();
  return voted_for == ServerId{} || voted_for == from || is_mutated(Mutation::kRaftTwoVotesInATerm);
}

void Election::answer(ServerId to, bool is_granted) {
  if (is_granted) reset_timer();
  const message::Vote vote{.term = shared_.term(), .is_granted = is_granted};
  if (is_mutated(Mutation::kRaftVoteNotDurable))
    shared_.send_at_once(to, vote);
  else
    shared_.send(to, vote);
}

}  // namespace synod::consensus::raft
