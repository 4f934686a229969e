// Who is to be led, and who leads next (6; dissertation 3.10, 4).
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "consensus/raft/leader.h"

namespace synod::consensus::raft {
namespace {

// Behind the log's end: what comes while it catches up is no more than that (dissertation 4.2.1).
constexpr std::ptrdiff_t kInStepEntries = 256;

}  // namespace

// ---- changes of membership --------------------------------------------------------------------

void Leader::reconfigured() {
  if (ended_) return;
  meet_peers();
  if (transfer_ && !shared_->configuration.is_voter(transfer_->target)) give_up_transfer();
  leave_joint();
  // Fewer may have to be asked now (consensus.md 3.12 #4).
  commit_what_a_quorum_has();
  step_down_when_removed();
}

// Members, and whoever else is connected.
void Leader::meet_peers() {
  const Zxid last = shared_->journal.last_logged();
  const auto peers = shared_->configuration.peers_of(shared_->options.self);
  for (const auto& [peer, member] : peers)
    if (const auto [at, is_new] = peers_.try_emplace(peer); is_new)
      at->second.reset(last, shared_->now);
  for (const ServerId peer : shared_->links.up())
    if (const auto [at, is_new] = peers_.try_emplace(peer); is_new)
      at->second.reset(last, shared_->now);
  std::erase_if(peers_, [&](const auto& peer) {
    return !peers.contains(peer.first) && !shared_->links.is_up(peer.first);
  });
}

// C_old,new is committed: C_new follows it, and counts alone. Once that is committed as well, the
// servers that are left out can be switched off.
void Leader::leave_joint() {
  const bool is_joint = shared_->configuration.is_joint();
  if (!std::exchange(was_joint_, is_joint) || is_joint) return;
  const Zxid zxid = next_zxid();
  shared_->journal.append({zxid, shared_->forms->write(EntryKind::kConfiguration, zxid,
                                                       shared_->configuration.newest().to_text())});
}

// It led until then without counting itself.
void Leader::step_down_when_removed() {
  const Configuration& configuration = shared_->configuration;
  if (!configuration.is_committed() || configuration.is_voter(shared_->options.self)) return;
  flush();  // of the commit the others hear from here
  hand_over();
  end("it is no voter any more");
}

// To the voter that has most; nobody has to wait for its timer to run out then.
void Leader::hand_over() {
  const auto is_able = [&](const auto& peer) {
    const auto& [id, progress] = peer;
    return counts(id, progress) && shared_->links.is_up(id) &&
           progress.state() == Progress::State::kReplicate &&
           progress.sent() == shared_->journal.last_logged();
  };
  const Peers::value_type* best = nullptr;
  for (const auto& peer : peers_)
    if (is_able(peer) && (best == nullptr || peer.second.match() > best->second.match()))
      best = &peer;
  if (best != nullptr) shared_->send(best->first, message::TimeoutNow{.term = shared_->term()});
}

std::optional<std::string> Leader::why_not(const Membership& next) const {
  Servers in_step;
  std::string lacking;
  for (const ServerId voter : next.voters()) {
    const auto lack = what_it_lacks(voter);
    if (!lack)
      add_to(in_step, voter);
    else
      lacking += fmt::format("{}server.{} {}", lacking.empty() ? "" : ", ", voter.value, *lack);
  }
  if (next.is_quorum(in_step)) return std::nullopt;
  return fmt::format("only {} of its {} participants are in step: {}", in_step.size(),
                     next.voter_count(), lacking);
}

std::optional<std::string> Leader::what_it_lacks(ServerId server) const {
  if (server == shared_->options.self) return std::nullopt;
  const auto found = peers_.find(server);
  if (found == peers_.end() || !shared_->links.is_up(server) || !found->second.is_joined)
    return "is not connected";
  if (!found->second.has_memory) return "has not been synchronised yet";
  const History& history = shared_->journal.history();
  const Zxid match = found->second.match();
  if (match < history.base()) return "is far behind";
  const auto behind = std::distance(history.after(match), history.end());
  if (behind > kInStepEntries) return fmt::format("lacks {} entries", behind);
  return std::nullopt;
}

// ---- leadership transfer ----------------------------------------------------------------------

// Dissertation 3.10. Another target takes the place of the first.
bool Leader::transfer(ServerId target) {
  const auto found = peers_.find(target);
  if (found == peers_.end() || !counts(target, found->second)) return false;
  if (transfer_ && transfer_->target == target) return true;
  transfer_ = Transfer{target, shared_->in(shared_->options.election_timeout_ms)};
  return true;
}

// It has been sent everything, and the order of its link says that it has it before it campaigns.
// From then on nothing is proposed that it would not have.
void Leader::transfer_when_ready() {
  if (!transfer_ || transfer_->is_told || !shared_->status.is_serving) return;
  const Progress& progress = peers_.at(transfer_->target);
  if (progress.state() != Progress::State::kReplicate ||
      progress.sent() != shared_->journal.last_logged())
    return;
  transfer_->is_told = has_let_go_ = true;
  Status status = shared_->status;
  status.is_serving = false;
  shared_->set_status(status);
  shared_->send(transfer_->target, message::TimeoutNow{.term = shared_->term()});
}

void Leader::give_up_transfer_when_due() {
  if (transfer_ && shared_->now >= transfer_->until) give_up_transfer();
}

void Leader::give_up_transfer() {
  transfer_.reset();
  serve();
}

}  // namespace synod::consensus::raft
