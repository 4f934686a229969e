// Leading through a change of the membership (reference, quorum protocol 6).
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "consensus/zab/leader.h"
#include "jute/codec.h"

namespace synod::consensus::zab {

using Stage = LearnerHandler::Stage;

bool Leader::votes(const LearnerHandler& learner) const {
  return learner.counts() && members().is_voter(learner.server());
}

// It knows of a change that we do not know to be decided. Looking for a leader again we hear of it.
void Leader::refuse_newer_configuration(const LearnerHandler& learner) {
  if (votes(learner) && members().can_change() && phase_ != Phase::kBroadcast)
    end(fmt::format("server {} knows of a newer membership", learner.server().value));
  learners_.drop(learner.link(), "its configuration is newer than ours");
}

// Version 0 is what files say that nobody has changed: the first epoch gives it one.
void Leader::give_first_version() {
  if (!members().can_change() || members().newest().version != 0) return;
  Membership versioned = members().decided();
  versioned.version = Zxid::of(epoch_, 0).value;
  shared_->versioned = std::move(versioned);
}

// ---- the commit of a change -------------------------------------------------------------------

std::optional<Zxid> Leader::change_under_way() const {
  if (!members().is_joint()) return std::nullopt;
  return Zxid{members().newest().version};
}

// All that was proposed before goes out to a follower before the news does, so that those who leave
// at the news have it all, and outgoing_ is satisfied by what they acknowledged first.
void Leader::commit_change(Zxid change) {
  const ServerId designated = designated_leader(change);
  Outgoing outgoing{members().decided(), proposed_};
  commit(change, designated);
  if (outgoing.until > change) outgoing_ = std::move(outgoing);
  if (designated != shared_->options.self) hand_over(designated);
}

// This server, if it may go on; else, of the new voters that have the change, one that has most.
ServerId Leader::designated_leader(Zxid change) const {
  const ServerId self = shared_->options.self;
  if (may_go_on()) return self;
  const LearnerHandler* best = nullptr;
  for (const auto& [link, learner] : learners_) {
    if (!learner.is_up_to_date() || !learner.counts() || learner.acked() < change) continue;
    if (members().newest().weight(learner.server()) == 0) continue;
    if (best == nullptr || learner.acked() > best->acked()) best = &learner;
  }
  return best == nullptr ? self : best->server();
}

// It votes in the new membership, and is found where it was.
bool Leader::may_go_on() const {
  const ServerId self = shared_->options.self;
  const Membership& next = members().newest();
  const auto before = members().decided().members.find(self);
  if (!next.is_voter(self)) return false;
  return before == members().decided().members.end() ||
         before->second.quorum == next.members.at(self).quorum;
}

// long designatedLeader; observers have not seen the transaction yet and get it as well.
void Leader::announce_change(const Entry& entry, ServerId designated) {
  Bytes news;
  jute::Writer(news).i64(designated.value);
  for (auto& [link, learner] : learners_) {
    if (!learner.is_forwarded()) continue;
    if (learner.is_observer())
      learner.inform(entry, designated);
    else
      learner.send({.type = PacketType::kCommitAndActivate, .zxid = entry.zxid, .data = news});
  }
}

// ---- the end of a leader ----------------------------------------------------------------------

// Nothing is proposed or committed from here on: whoever hears the news has the same log as the
// successor, which brings it to its end. They all leave on their own.
void Leader::hand_over(ServerId designated) {
  successor_ = designated;
  enter(Phase::kHandingOver);
  phase_deadline_ = shared_->after_ticks(shared_->options.sync_limit);
  round_.clear();
  waiting_.clear();
  Status status = shared_->status;
  status.is_serving = false;
  shared_->set_status(status);
  end_when_all_have_left();
}

void Leader::end_when_all_have_left() {
  const bool is_anybody_left = std::ranges::any_of(
      learners_, [](const auto& handler) { return handler.second.is_forwarded(); });
  if (is_anybody_left && shared_->now < phase_deadline_) return;
  end(fmt::format("the membership has changed, and server {} leads", successor_->value));
}

// ---- quorums ----------------------------------------------------------------------------------

bool Leader::is_quorum_of_all(const Servers& servers) const {
  return members().is_quorum(servers) && (!outgoing_ || outgoing_->membership.is_quorum(servers));
}

// Who is to observe from the last change on is about to leave, and comes again as one.
Servers Leader::in_step() const {
  Servers servers{shared_->options.self};
  for (const auto& [link, learner] : learners_)
    if (learner.is_up_to_date() && learner.counts() && learner.is_in_touch() &&
        !members().is_observer(learner.server()))
      add_to(servers, learner.server());
  return servers;
}

std::optional<std::string> Leader::why_not(const Membership& next) const {
  const Servers ready = in_step();
  if (next.is_quorum(ready)) return std::nullopt;
  std::string lacking;
  std::size_t count = 0;
  for (const ServerId voter : next.voters()) {
    if (std::ranges::binary_search(ready, voter)) continue;
    lacking +=
        fmt::format("{}server.{} {}", count++ == 0 ? "" : ", ", voter.value, what_lacks(voter));
  }
  return fmt::format("{} of the {} participants it needs a majority of are not in step: {}", count,
                     next.voter_count(), lacking);
}

std::string Leader::what_lacks(ServerId server) const {
  const auto found = std::ranges::find_if(learners_, [&](const auto& handler) {
    return handler.second.stage() != Stage::kGreeting && handler.second.server() == server;
  });
  if (found == learners_.end()) return "is not connected";
  const LearnerHandler& learner = found->second;
  if (learner.is_observer() || members().is_observer(server))
    return "is an observer, which acknowledges nothing before the change";
  if (!learner.is_up_to_date()) return "is still being brought up to date";
  return "is not heard of any more";
}

}  // namespace synod::consensus::zab
