// The leader's side of the peers' logs (5.3): from memory, from the disk, or the whole tree.
#include <algorithm>
#include <utility>

#include "consensus/raft/leader.h"

namespace synod::consensus::raft {

using State = Progress::State;

// ---- sending ----------------------------------------------------------------------------------

void Leader::flush() {
  if (ended_) return;
  if (!reads_.empty() && reads_.front().round == 0) {
    begin_round();
    for (PendingRead& read : reads_)
      if (read.round == 0) read.round = round_;
    beat();
    answer_reads();
  }
  for (auto& [peer, progress] : peers_) {
    if (!shared_->links.is_up(peer)) continue;
    replicate(peer, progress);
    tell_commit(peer, progress);
    release(peer, progress);
  }
  transfer_when_ready();
}

void Leader::replicate(ServerId peer, Progress& progress) {
  while (progress.may_send(shared_->options)) {
    if (progress.sent() < shared_->journal.history().base()) return read_log(peer, progress);
    std::vector<Entry> entries = entries_after(progress.sent());
    if (entries.empty() && progress.state() != State::kProbe) return;
    send_entries(peer, progress, std::move(entries));
  }
}

std::vector<Entry> Leader::entries_after(Zxid zxid) const {
  const History& history = shared_->journal.history();
  std::vector<Entry> entries;
  std::size_t bytes = 0;
  for (auto entry = history.after(zxid);
       entry != history.end() && bytes < shared_->options.max_message_bytes; ++entry) {
    bytes += entry->bytes->size();
    entries.push_back(*entry);
  }
  return entries;
}

void Leader::send_entries(ServerId peer, Progress& progress, std::vector<Entry> entries) {
  const Zxid prev = progress.sent();
  const Zxid end = entries.empty() ? prev : entries.back().zxid;
  std::size_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.bytes->size();
  const bool is_probe = progress.state() == State::kProbe;
  progress.told = std::min(shared_->journal.committed(), end);
  progress.on_sent(prev, end, bytes, shared_->now);
  shared_->send(peer, message::AppendEntries{.term = shared_->term(),
                                             .prev = prev,
                                             .commit = shared_->journal.committed(),
                                             .wants_answer = is_probe,
                                             .entries = std::move(entries)});
}

// A commit is news also when nothing else is, and when the window is full.
void Leader::tell_commit(ServerId peer, Progress& progress) {
  if (progress.state() != State::kReplicate) return;
  if (progress.told < std::min(shared_->journal.committed(), progress.sent()))
    send_entries(peer, progress, {});
}

// The replica's answers count on everything that was committed before them.
void Leader::release(ServerId peer, Progress& progress) {
  if (progress.state() != State::kReplicate) return;
  for (; !progress.held.empty() && progress.held.front().after <= progress.told;
       progress.held.pop_front())
    shared_->links.send(peer, progress.held.front().message);
}

// ---- what memory does not reach ---------------------------------------------------------------

// The log answers only if it holds the entry that the follower ends with.
void Leader::read_log(ServerId peer, Progress& progress) {
  progress.begin_reading();
  shared_->outbox.add(effect::ReadLog{*shared_->links.link_of(peer), progress.sent(),
                                      shared_->journal.history().base()});
}

void Leader::log_read(LinkId link, std::optional<std::vector<Entry>> entries, bool is_end) {
  const auto peer = shared_->links.peer_of(link);
  if (!peer || shared_->links.link_of(*peer) != link) return;
  const auto found = peers_.find(*peer);
  if (found == peers_.end() || !found->second.is_reading()) return;
  Progress& progress = found->second;
  const bool is_wanted = progress.on_read();
  if (is_end || !entries) progress.end_reading();
  if (!is_wanted) return;
  if (!entries) return begin_snapshot(*peer, progress);
  std::vector<Entry> part;
  std::size_t bytes = 0;
  for (Entry& entry : *entries) {
    if (entry.zxid <= progress.sent()) continue;
    bytes += entry.bytes->size();
    part.push_back(std::move(entry));
    if (bytes < shared_->options.max_message_bytes) continue;
    send_entries(*peer, progress, std::exchange(part, {}));
    bytes = 0;
  }
  if (!part.empty()) send_entries(*peer, progress, std::move(part));
}

// Which position the tree has is known when it leaves: more may be committed by then. The link of
// an earlier tree may still be open; that tree has arrived, else nothing would be read for the
// peer.
void Leader::begin_snapshot(ServerId peer, Progress& progress) {
  if (const auto earlier = progress.snapshot_link()) shared_->links.close(*earlier);
  progress.begin_snapshot(shared_->links.begin_snapshot(peer, {}));
}

void Leader::snapshot_linked(ServerId peer, LinkId link) {
  const auto found = peers_.find(peer);
  if (found == peers_.end() || found->second.snapshot_link() != link)
    return shared_->links.close(link);
  const Zxid zxid = shared_->journal.applied();
  found->second.snapshot_sent(zxid);
  const Membership& settled = shared_->configuration.settled();
  shared_->links.send_head(
      link, encode(message::SnapshotHead{
                .term = shared_->term(), .zxid = zxid, .settled = settled.to_text()}));
  shared_->outbox.add(effect::SendSnapshot{link, zxid});
}

void Leader::snapshot_lost(ServerId peer, LinkId link) {
  const auto found = peers_.find(peer);
  if (found != peers_.end() && found->second.snapshot_link() == link)
    found->second.snapshot_gone(shared_->journal.last_logged(), shared_->now);
}

void Leader::close_links() {
  for (auto& [peer, progress] : peers_)
    if (const auto link = progress.snapshot_link()) shared_->links.close(*link);
}

// ---- answers ----------------------------------------------------------------------------------

void Leader::on_appended(ServerId from, const message::Appended& appended) {
  Progress* progress = heard(from, appended.has_memory);
  if (progress == nullptr) return;
  if (appended.match > shared_->journal.last_logged())
    return shared_->break_link(from, "it acknowledges what was never sent");
  progress->on_match(appended.match);
  commit_what_a_quorum_has();
}

void Leader::on_refused(ServerId from, const message::Refused& refused) {
  Progress* progress = heard(from, refused.has_memory);
  if (progress == nullptr || !progress->is_refusal_fresh(refused.prev)) return;
  if (refused.needs_tree) return begin_snapshot(from, *progress);
  if (refused.hint < refused.prev) progress->probe(step_back(refused));
}

// 5.3: to where this log may be as the follower's; or one entry back. Either way it ends where they
// are the same, at the beginning at the latest.
Zxid Leader::step_back(const message::Refused& refused) const {
  const History& history = shared_->journal.history();
  Zxid to = refused.hint;
  if (!shared_->options.fast_repair && refused.prev > history.base())
    to = Zxid{refused.prev.value - 1};
  return to < history.base() ? to : history.floor(to);
}

// ---- peers come and go ------------------------------------------------------------------------

// Also somebody who is no member: it is about to be one, or was one and has to hear of that.
void Leader::peer_up(ServerId peer) {
  const auto [found, is_guest] = peers_.try_emplace(peer);
  if (is_guest) found->second.heard_at = shared_->now;
  found->second.reset(shared_->journal.last_logged(), found->second.heard_at);
  beat(peer, found->second);
}

void Leader::peer_down(ServerId peer) {
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return;
  const auto snapshot = found->second.snapshot_link();
  found->second.reset(shared_->journal.last_logged(), found->second.heard_at);
  if (!shared_->configuration.is_member(peer)) peers_.erase(found);
  if (snapshot) shared_->links.close(*snapshot);
}

bool Leader::is_joined(ServerId peer) const {
  const auto found = peers_.find(peer);
  return found != peers_.end() && found->second.is_joined;
}

void Leader::send_to_learner(LinkId link, const ServiceMessage& message) {
  const auto peer = shared_->links.peer_of(link);
  if (peer && shared_->links.link_of(*peer) == link && is_joined(*peer))
    peers_.at(*peer).held.push_back({shared_->journal.committed(), message});
}

}  // namespace synod::consensus::raft
