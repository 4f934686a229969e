#include "consensus/zab/election.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/mutation.h"

namespace synod::consensus::zab {
namespace {

// Rounds count elections since the oldest of the servers started: no honest one comes near.
constexpr std::int64_t kMaxRound = std::int64_t{1} << 62;

void keep_earlier(std::optional<SteadyTimeMs>& earliest, std::optional<SteadyTimeMs> candidate) {
  if (candidate && (!earliest || *candidate < *earliest)) earliest = candidate;
}

}  // namespace

Election::Election(Options options, JointMembership members, Outbox& outbox)
    : options_(std::move(options)),
      members_(members),
      links_({.self = options_.self,
              .connect_timeout_ms = options_.connect_timeout_ms,
              .handshake_timeout_ms = options_.handshake_timeout_ms,
              .addresses = options_.addresses},
             members, outbox) {}

// ---- events -------------------------------------------------------------------------------------

void Election::accepted(LinkId link) { links_.accepted(link); }

void Election::linked(LinkId link) {
  links_.linked(link);
  follow_up();
}

void Election::unlinked(LinkId link) {
  links_.unlinked(link);
  follow_up();
}

void Election::received(LinkId link, BytesView bytes) {
  links_.received(link, bytes);
  follow_up();
}

void Election::tick(SteadyTimeMs now) {
  now_ = now;
  links_.tick(now);
  follow_up();
  if (!is_looking() || !has_looked_ || now < resend_at_) return;
  broadcast();
  resend_after_ms_ = std::min(2 * resend_after_ms_, options_.max_notification_ms);
  resend_at_ = {now.value + resend_after_ms_};
}

std::optional<SteadyTimeMs> Election::next_deadline() const {
  std::optional<SteadyTimeMs> earliest = links_.next_deadline();
  if (is_looking() && has_looked_) {
    keep_earlier(earliest, resend_at_);
    keep_earlier(earliest, final_at_);
  }
  return earliest;
}

void Election::follow_up() {
  for (const auto& message : links_.take_messages()) take_in(message);
  if (!is_looking() || !has_looked_ || learned_) return;
  if (links_.take_has_new_link()) resend_soon();
  conclude();
}

// ---- looking ------------------------------------------------------------------------------------

void Election::look(Zxid last_logged, std::uint32_t current_epoch, bool has_memory) {
  role_ = Role::kLooking;
  has_looked_ = true;
  round_ = std::min(round_ + 1, kMaxRound);
  has_memory_ = has_memory || !is_voter();  // an observer's vote counts for nothing anyway
  initial_ = initial_vote(has_memory ? last_logged : kNoMemoryZxid, current_epoch);
  decision_.reset();
  learned_.reset();
  of_round_.clear();
  settled_.clear();
  newcomers_.clear();
  are_all_new_ = false;
  links_.want_voters(true);
  propose(initial_);
  broadcast();
  if (!has_memory_) {
    unheeded_.clear();
    return follow_up();
  }
  for (const auto& [server, ballot] : std::exchange(unheeded_, {})) {
    take_in_looking(server, ballot.vote);
  }
  follow_up();
}

// Whom an undecided change lets in votes, but for others: a leader's promises come from a quorum of
// those that are decided, and so does the leader.
Vote Election::initial_vote(Zxid last_logged, std::uint32_t current_epoch) const {
  if (members_.is_observer(options_.self))
    return {.leader = {kNoVote}, .zxid = {kNoVote}, .round = round_, .peer_epoch = kNoVote};
  const bool may_lead = members_.decided().is_voter(options_.self);
  return {.leader = may_lead ? options_.self : ServerId{kNoVote},
          .zxid = last_logged,
          .round = round_,
          .peer_epoch = current_epoch};
}

void Election::propose(const Vote& vote) {
  proposal_ = vote;
  proposal_.round = round_;
  if (is_voter()) of_round_[options_.self] = {.state = Role::kLooking, .vote = proposal_};
  final_at_.reset();
  resend_soon();
}

// What is new is worth repeating; only waiting for the same makes the pauses longer.
void Election::resend_soon() {
  resend_after_ms_ = options_.min_notification_ms;
  resend_at_ = {now_.value + resend_after_ms_};
}

std::optional<Vote> Election::take_decision() { return std::exchange(decision_, std::nullopt); }

std::optional<Membership> Election::take_learned() { return std::exchange(learned_, std::nullopt); }

bool Election::take_all_are_new() { return std::exchange(are_all_new_, false); }

void Election::establish(std::uint32_t epoch) {
  SYNOD_ASSERT(!is_looking());
  current_.peer_epoch = epoch;
}

// ---- notifications ------------------------------------------------------------------------------

void Election::take_in(const ElectionLinks::Message& message) {
  const auto notification = decode_notification(message.payload);
  if (!notification || !has_looked_ || learned_) return;
  learn(notification->config);
  if (learned_) return;
  const Ballot ballot{.state = notification->state, .vote = notification->vote};
  if (ballot.vote.round < 0 || ballot.vote.round > kMaxRound) return;
  if (!members_.is_voter(message.from)) return answer_stranger(message.from, ballot);
  if (!is_looking()) {
    if (ballot.state == Role::kLooking && is_worth_hearing()) tell(message.from, current_);
    return;
  }
  if (!has_memory_) take_in_without_memory(message.from, ballot, message.is_first);
  take_in_while_looking(message.from, ballot);
}

// Who was away while the membership changed must not vote, nor lead, under the old one.
void Election::learn(const std::string& config) {
  is_asker_behind_ = false;
  if (!members_.can_change() || is_mutated(Mutation::kZabLeadsWhoKnowsMore)) return;
  auto membership = Membership::parse(config);
  if (!membership) return;
  is_asker_behind_ = membership->version < members_.decided().version;
  if (is_looking() && membership->version > members_.decided().version)
    learned_ = *std::move(membership);
}

// Observers, and servers that are not of the ensemble (yet): nobody counts them, but they want to
// know whom to follow. Two answers would call for an answer, on and on: one to a server that does
// not look any more, and one of a lower round. So the first is not given, and the second carries
// the round of who asks. (A server that a change is about to let in asks like that as well: it
// votes for nobody yet.)
void Election::answer_stranger(ServerId to, const Ballot& asking) {
  if (asking.state != Role::kLooking || !is_worth_hearing()) return;
  Vote answer = is_looking() ? proposal_ : current_;
  if (answer.leader.value == kNoVote && !is_asker_behind_) return;
  if (is_looking()) answer.round = std::max(round_, asking.vote.round);
  tell(to, answer);
}

// Nobody wants to hear an observer. But where memberships change, who asks may know of a change
// that gives us a vote, and not of one that left no voters of those it knows.
bool Election::is_worth_hearing() const {
  return is_voter() || is_asker_behind_ || (members_.can_change() && !is_looking());
}

void Election::take_in_while_looking(ServerId from, const Ballot& ballot) {
  const bool is_behind = ballot.state == Role::kLooking && ballot.vote.round < round_;
  if (members_.is_voter(ballot.vote.leader)) {
    switch (ballot.state) {
      case Role::kLooking:
        if (has_memory_) take_in_looking(from, ballot.vote);
        break;
      case Role::kFollowing:
      case Role::kLeading:
        take_in_settled(from, ballot);
        break;
      case Role::kObserving:
        break;
    }
  }
  if (is_looking() && ballot.state == Role::kLooking && ballot.vote.leader.value == kNoVote)
    return answer_stranger(from, ballot);
  if (is_behind && is_voter() && is_looking()) tell(from, proposal_);
}

void Election::take_in_looking(ServerId from, const Vote& vote) {
  if (vote.zxid == kNoMemoryZxid || vote.round < round_) return;
  if (is_outdated_claim(vote)) return start_round_after(vote);
  if (vote.round > round_) {
    round_ = vote.round;
    of_round_.clear();
    propose(wins(vote, initial_) ? vote : initial_);
    broadcast();
  } else if (wins(vote, proposal_)) {
    propose(vote);
    broadcast();
  }
  of_round_[from] = {.state = Role::kLooking, .vote = vote};
}

// Somebody still repeats what this server claimed before its log was cut, or before it forgot.
bool Election::is_outdated_claim(const Vote& vote) const {
  return vote.leader == options_.self &&
         (vote.zxid != initial_.zxid || vote.peer_epoch != initial_.peer_epoch);
}

// In a new round all others forget it.
void Election::start_round_after(const Vote& vote) {
  round_ = std::min(vote.round + 1, kMaxRound);
  of_round_.clear();
  propose(initial_);
  broadcast();
}

// It follows or leads: if a quorum says so and the leader does itself, it can be joined.
void Election::take_in_settled(ServerId from, const Ballot& ballot) {
  Ballot& known = settled_[from];
  if (known != ballot) resend_soon();
  known = ballot;
  if (ballot.vote.round == round_) {
    of_round_[from] = ballot;
    if (has_quorum_of_round(ballot) && is_sure_to_lead(ballot.vote, of_round_)) {
      return decide(ballot.vote);
    }
  }
  if (has_settled_quorum(ballot.vote) && is_sure_to_lead(ballot.vote, settled_)) {
    decide(ballot.vote);
  }
}

// Nothing that was ever acknowledged can be lost if every voter is as empty as this one. A server
// repeats on a new link what it said last, which may have been before it followed somebody: so the
// first message of a link proves nothing.
void Election::take_in_without_memory(ServerId from, const Ballot& ballot, bool is_first) {
  const Vote& vote = ballot.vote;
  const bool is_new = ballot.state == Role::kLooking && vote.peer_epoch <= 0 &&
                      (vote.zxid == Zxid{} || vote.zxid == kNoMemoryZxid);
  if (!is_new) {
    newcomers_.erase(from);
  } else if (!is_first) {
    newcomers_.insert(from);
  }
  if (ballot.state == Role::kLooking) unheeded_[from] = ballot;
}

void Election::tell(ServerId to, const Vote& vote) {
  links_.send(to, encode_notification(
                      {.state = role_, .vote = vote, .config = members_.decided().to_text()}));
}

void Election::broadcast() {
  for (const ServerId voter : members_.voters()) {
    if (voter != options_.self) tell(voter, proposal_);
  }
}

// ---- deciding -----------------------------------------------------------------------------------

void Election::conclude() {
  if (!has_memory_) {
    const auto others = members_.voters().size() - 1;
    if (newcomers_.size() == others) {
      are_all_new_ = true;
      newcomers_.clear();
    }
    return;
  }
  if (!has_quorum_of_round({.state = Role::kLooking, .vote = proposal_})) {
    final_at_.reset();
    return;
  }
  if (!final_at_) final_at_ = {now_.value + options_.finalize_wait_ms};
  if (*final_at_ <= now_ || have_all_spoken()) decide(proposal_);
}

// The wait is for a better vote. None can come once every voter that can be reached has the same;
// one that is being dialled may still be reached. (Who is left out by this could have been left out
// by any slow network: a quorum's best is good enough.)
bool Election::have_all_spoken() const {
  return std::ranges::all_of(members_.voters(), [&](ServerId voter) {
    if (voter == options_.self) return true;
    const auto found = of_round_.find(voter);
    if (found != of_round_.end() && found->second.vote == proposal_) return true;
    return links_.reach(voter) == ElectionLinks::Reach::kNone;
  });
}

void Election::decide(const Vote& vote) {
  decision_ = vote;
  take_role_of(vote);
}

void Election::appoint(ServerId leader, Zxid last_logged) {
  take_role_of({.leader = leader, .zxid = last_logged, .round = round_, .peer_epoch = -1});
}

void Election::take_role_of(const Vote& vote) {
  round_ = vote.round;
  current_ = vote;
  role_ = vote.leader == options_.self          ? Role::kLeading
          : members_.is_observer(options_.self) ? Role::kObserving
                                                : Role::kFollowing;
  final_at_.reset();
  unheeded_.clear();
  links_.want_voters(false);
}

// A server of weight 0 is never voted for by others, nor by itself if there is anybody else.
bool Election::wins(const Vote& candidate, const Vote& over) const {
  const auto weight = [&](ServerId server) {
    return std::max(members_.decided().weight(server), members_.newest().weight(server));
  };
  if (weight(candidate.leader) == 0) return false;
  return weight(over.leader) == 0 || is_better(candidate, over);
}

// In one round, a vote of a server that looks is the same only if all of it is; servers that are
// settled agree when they agree on the leader: their epoch may be of before or after it was
// established. A leader that leads is joined whatever became of a change that only we may know of.
bool Election::has_quorum_of_round(const Ballot& ballot) const {
  Servers same;
  for (const auto& [server, other] : of_round_) {
    const bool is_settled = ballot.state != Role::kLooking && other.state != Role::kLooking;
    if (is_settled ? other.vote.leader == ballot.vote.leader : other.vote == ballot.vote) {
      add_to(same, server);
    }
  }
  return ballot.state == Role::kLooking ? members_.is_quorum(same)
                                        : members_.is_quorum_of_either(same);
}

bool Election::has_settled_quorum(const Vote& vote) const {
  Servers same;
  for (const auto& [server, other] : settled_) {
    if (other.vote.leader == vote.leader && other.vote.peer_epoch == vote.peer_epoch) {
      add_to(same, server);
    }
  }
  return members_.is_quorum_of_either(same);
}

// Followers may not have noticed yet that their leader is gone, so it has to say itself that it
// leads. Are we meant, then by votes of this very round; and never by what we have forgotten.
bool Election::is_sure_to_lead(const Vote& vote, const Ballots& ballots) const {
  if (vote.leader == options_.self)
    return has_memory_ && vote.round == round_ && vote.zxid == initial_.zxid;
  const auto leader = ballots.find(vote.leader);
  return leader != ballots.end() && leader->second.state == Role::kLeading;
}

}  // namespace synod::consensus::zab
