// What arrives, and whom it concerns: terms are compared here and nowhere else (5.1).
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "consensus/raft/raft.h"

namespace synod::consensus::raft {

// ---- what the links say -----------------------------------------------------------------------

// Handling one may break a link, which is the next.
void Raft::take_link_events() {
  for (auto events = links_.take_events(); !events.empty(); events = links_.take_events())
    for (const native::PeerEvent& event : events)
      std::visit([this](const auto& what) { on(what); }, event);
}

void Raft::on(const native::event::Up& up) {
  if (up.is_new)
    add_to(new_peers_, up.peer);
  else
    std::erase(new_peers_, up.peer);
  election_.peer_up(up.peer);
  if (auto* role = leader()) role->peer_up(up.peer);
  begin_if_all_are_new();
}

// What a learner and its leader say to each other beside the log does not survive the link.
void Raft::on(const native::event::Down& down) {
  shared_.peer_down(down.peer);
  election_.peer_down(down.peer);
  if (auto* role = leader()) role->peer_down(down.peer);
  if (auto* role = follower(); role != nullptr && role->leader() == down.peer) {
    leave("the link to the leader broke");
    election_.leader_lost();
  }
  std::erase_if(held_, [&](const auto& held) { return held.first == down.peer; });
}

void Raft::on(const native::event::Message& received) {
  const auto message = decode(received.body);
  if (!message) return shared_.break_link(received.peer, message.error());
  handle(received.peer, *message);
}

void Raft::on(const native::event::Service& received) {
  const auto link = links_.link_of(received.peer);
  if (!link || !shared_.status.is_serving) return;
  const bool is_learners = leader() != nullptr && leader()->is_joined(received.peer);
  const bool is_leaders = follower() != nullptr && follower()->leader() == received.peer;
  if (is_learners || is_leaders) outbox_.add(effect::Deliver{*link, received.message});
}

void Raft::on(const native::event::Snapshot& snapshot) {
  const auto message = decode(snapshot.head);
  const auto* head = message ? std::get_if<message::SnapshotHead>(&*message) : nullptr;
  auto settled = Membership::parse(head != nullptr ? head->settled : "");
  if (!settled) return links_.close(snapshot.link, "a tree that is not announced as one");
  if (head->term > shared_.term()) enter_newer_term(head->term, {});
  const bool is_leaders = head->term == shared_.term() && hear_leader(snapshot.peer);
  if (!is_leaders || shared_.is_log_changing || !follower()->is_tree_wanted(head->zxid))
    return links_.close(snapshot.link);
  // Else a tree with an uncommitted C_old,new would be joint with whatever was last heard of here.
  journal_.adopt(*std::move(settled));
  follower()->prepare_for_tree();
  installing_ = Installing{snapshot.link, snapshot.peer, head->term};
  outbox_.add(effect::ReceiveSnapshot{snapshot.link, head->zxid, snapshot.first_bytes});
}

void Raft::on(const native::event::SnapshotLinked& linked) {
  if (auto* role = leader())
    role->snapshot_linked(linked.peer, linked.link);
  else
    links_.close(linked.link);
}

void Raft::on(const native::event::SnapshotLost& lost) {
  if (installing_ && installing_->link == lost.link) {
    installing_.reset();
    shared_.is_log_changing = false;
    take_held();
  }
  if (auto* role = leader()) role->snapshot_lost(lost.peer, lost.link);
}

// Nobody remembers anything, so there was nothing to forget: the ensemble begins.
void Raft::begin_if_all_are_new() {
  if (journal_.has_memory() || journal_.last_logged() != Zxid{} || shared_.term() != 0) return;
  if (!configuration_.is_voter(options_.self)) return;
  const Servers voters = configuration_.voters();
  const bool are_all = std::ranges::all_of(voters, [&](ServerId voter) {
    return voter == options_.self || std::ranges::binary_search(new_peers_, voter);
  });
  if (are_all) shared_.gain_memory({});
}

// ---- messages ---------------------------------------------------------------------------------

void Raft::handle(ServerId from, const Message& message) {
  if (const auto* ask = std::get_if<message::RequestVote>(&message))
    return on_request_vote(from, *ask);
  const auto* vote = std::get_if<message::Vote>(&message);
  // It says the term that was asked about, in which nobody is yet.
  const bool is_of_future = vote != nullptr && vote->is_pre && vote->is_granted;
  if (term_of(message) > shared_.term() && !is_of_future) enter_newer_term(term_of(message), {});
  if (term_of(message) < shared_.term()) return answer_older(from, message);

  if (vote != nullptr) return election_.on_vote(from, *vote);
  if (const auto* append = std::get_if<message::AppendEntries>(&message))
    return on_append(from, *append);
  if (const auto* heartbeat = std::get_if<message::Heartbeat>(&message)) {
    if (hear_leader(from)) follower()->on_heartbeat(*heartbeat);
  } else if (std::holds_alternative<message::TimeoutNow>(message)) {
    on_timeout_now(from);
  } else if (auto* role = leader()) {
    if (const auto* appended = std::get_if<message::Appended>(&message))
      role->on_appended(from, *appended);
    else if (const auto* refused = std::get_if<message::Refused>(&message))
      role->on_refused(from, *refused);
    else if (const auto* reply = std::get_if<message::HeartbeatReply>(&message))
      role->on_heartbeat_reply(from, *reply);
  }
}

// Who was left behind in an older term would stay there (consensus.md 3.12 #17).
void Raft::answer_older(ServerId from, const Message& message) {
  if (std::holds_alternative<message::AppendEntries>(message) ||
      std::holds_alternative<message::Heartbeat>(message))
    shared_.send(from, message::HeartbeatReply{.term = shared_.term()});
}

void Raft::on_request_vote(ServerId from, const message::RequestVote& ask) {
  // It may have forgotten whom it voted for.
  if (!journal_.has_memory()) return;
  if (ask.is_pre) return election_.on_pre_vote(from, ask);
  if (election_.is_deaf_to(ask)) return;
  const bool is_granted = election_.would_grant(from, ask);
  const ServerId voted_for = is_granted ? from : ServerId{};
  if (ask.term > shared_.term())
    enter_newer_term(ask.term, voted_for);
  else if (is_granted && shared_.voted_for() != from)
    shared_.enter_term(ask.term, from);
  election_.answer(from, is_granted);
}

bool Raft::hear_leader(ServerId from) {
  const auto* role = follower();
  if (leader() != nullptr || (role != nullptr && role->leader() != from)) {
    shared_.break_link(from, fmt::format("term {} has another leader", shared_.term()));
    return false;
  }
  election_.leader_heard();
  if (role == nullptr) follow(from);
  return true;
}

void Raft::on_append(ServerId from, message::AppendEntries append) {
  if (!hear_leader(from)) return;
  if (shared_.is_log_changing || !follower()->on_append(append))
    held_.emplace_back(from, std::move(append));
}

void Raft::take_held() {
  while (!held_.empty() && !shared_.is_log_changing) {
    const auto [from, append] = std::move(held_.front());
    held_.pop_front();
    auto* role = follower();
    if (role == nullptr || role->leader() != from || append.term != shared_.term()) continue;
    if (!role->on_append(append)) held_.emplace_front(from, append);
  }
}

// Dissertation 3.10: its leader agrees, so nobody is asked first.
void Raft::on_timeout_now(ServerId from) {
  const auto* role = follower();
  if (role == nullptr || role->leader() != from) return;
  leave("the leader hands over");
  election_.campaign(true);
}

}  // namespace synod::consensus::raft
