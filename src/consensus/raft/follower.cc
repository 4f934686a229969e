#include "consensus/raft/follower.h"

#include <algorithm>
#include <utility>

#include "base/mutation.h"

namespace synod::consensus::raft {

Follower::Follower(Shared& shared, ServerId leader) : shared_(&shared), leader_(leader) {
  shared.set_status({.role = shared.learner_role(), .leader = leader, .epoch = shared.term()});
}

// ---- AppendEntries ----------------------------------------------------------------------------

bool Follower::on_append(const message::AppendEntries& append) {
  Journal& journal = shared_->journal;
  const History& history = journal.history();
  note_leader_commit(append.commit);
  // What is committed is in every leader's log (5.4.3), and may have left memory.
  const Zxid prev = std::max(append.prev, journal.committed());
  if (prev < history.base() || !history.contains(prev)) {
    refuse(append, prev < history.base());
    return true;
  }
  const auto end = take_entries(append);
  if (!end) return false;
  if (append.wants_answer || !append.entries.empty()) owed_ = *end;
  verified(*end);
  // Not what lies behind that in this log: it may be another leader's.
  journal.commit(std::min(append.commit, *end));
  serve_when_in_step();
  return true;
}

// The last position that this message shows to be as the leader has it. Nothing: a cut is needed,
// and under way. Entries that are here already are skipped: a message may be shorter than the log,
// and what follows was perhaps acknowledged. Only a proven conflict cuts (5.3).
std::optional<Zxid> Follower::take_entries(const message::AppendEntries& append) {
  Journal& journal = shared_->journal;
  Zxid at = std::max(append.prev, journal.committed());
  auto here = journal.history().after(at);
  auto there = std::ranges::upper_bound(append.entries, at, {}, &Entry::zxid);
  for (; here != journal.history().end() && there != append.entries.end(); ++here, ++there) {
    if (here->zxid != there->zxid) break;
    at = there->zxid;
  }
  const bool is_conflict =
      there != append.entries.end() || is_mutated(Mutation::kRaftTruncateWithoutConflict);
  if (here != journal.history().end() && is_conflict) {
    // What could not be cut can only be replaced.
    if (journal.needs_tree()) {
      refuse(append, true);
      return at;
    }
    cut(at);
    return std::nullopt;
  }
  for (; there != append.entries.end(); ++there) {
    journal.append(*there);
    at = there->zxid;
  }
  return at;
}

void Follower::cut(Zxid after) {
  prepare_for_tree();
  shared_->journal.cut(after);
}

// The last position before the one asked for: the leader goes on at or before that (5.3, the end).
void Follower::refuse(const message::AppendEntries& append, bool needs_tree) {
  const History& history = shared_->journal.history();
  const Zxid hint = append.prev < history.base() ? history.base() : history.floor(append.prev);
  shared_->send(leader_, message::Refused{.term = shared_->term(),
                                          .prev = append.prev,
                                          .hint = hint,
                                          .needs_tree = needs_tree,
                                          .has_memory = shared_->journal.has_memory()});
}

void Follower::verified(Zxid up_to) {
  verified_ = std::max(verified_, up_to);
  acknowledge();
}

// Never more than is on disk (consensus.md 3.13).
void Follower::acknowledge() {
  const Zxid match = std::min(verified_, shared_->journal.durable());
  if (match <= acknowledged_ && (!owed_ || match < *owed_)) return;
  if (owed_ && match >= *owed_) owed_.reset();
  acknowledged_ = match;
  shared_->send(leader_, message::Appended{.term = shared_->term(),
                                           .match = match,
                                           .has_memory = shared_->journal.has_memory()});
}

// ---- heartbeats -------------------------------------------------------------------------------

// The leader says no more than it knows this log to hold.
void Follower::on_heartbeat(const message::Heartbeat& heartbeat) {
  Journal& journal = shared_->journal;
  note_leader_commit(heartbeat.leader_commit);
  journal.commit(std::min(heartbeat.commit, journal.last_logged()));
  // A vote that is forgotten cannot have been for another leader of this term that counts.
  if (heartbeat.is_synchronised && !journal.has_memory()) shared_->gain_memory(leader_);
  shared_->send(leader_, message::HeartbeatReply{.term = shared_->term(),
                                                 .round = heartbeat.round,
                                                 .has_memory = journal.has_memory()});
  serve_when_in_step();
}

// ---- serving ----------------------------------------------------------------------------------

// Before its own term's no-op is committed a leader does not know what is (5.4.2, 8).
void Follower::note_leader_commit(Zxid commit) {
  if (!serve_after_ && commit.epoch() == shared_->term()) serve_after_ = commit;
}

// All that was committed when this leader was found is here, and nothing else is in the tree.
void Follower::serve_when_in_step() {
  const Journal& journal = shared_->journal;
  if (shared_->status.is_serving || shared_->is_log_changing) return;
  if (!serve_after_ || journal.committed() < *serve_after_) return;
  if (journal.committed() < journal.applied()) return;
  Status status = shared_->status;
  status.is_serving = true;
  shared_->set_status(status);
}

// From observer to voter, or back.
void Follower::reconfigured() {
  Status status = shared_->status;
  status.role = shared_->learner_role();
  shared_->set_status(status);
}

void Follower::send_to_leader(const ServiceMessage& message) {
  if (shared_->status.is_serving) shared_->links.send(leader_, message);
}

// ---- the leader's tree ------------------------------------------------------------------------

// It takes log and tree away. Everything this log shares with the leader's is at or before the
// place where they part, so if the tree's position is beyond that nothing is lost that may be
// committed. A position that is in this log is not beyond it (7: what follows is kept).
bool Follower::is_tree_wanted(Zxid zxid) const {
  const Journal& journal = shared_->journal;
  if (zxid <= journal.committed() || zxid <= verified_) return false;
  if (zxid > journal.last_logged()) return true;
  return zxid >= journal.history().base() && !journal.history().contains(zxid);
}

void Follower::prepare_for_tree() {
  Status status = shared_->status;
  status.is_serving = false;
  shared_->set_status(status);
  shared_->is_log_changing = true;
}

}  // namespace synod::consensus::raft
