#include "consensus/omnipaxos/trees.h"

namespace synod::consensus::omnipaxos {

void Trees::begin(ServerId peer) {
  end(peer);
  links_[peer] = shared_->links.begin_snapshot(peer, {});
}

// The head says which tree it is: as it is now, not as it was when the link was dialled.
void Trees::linked(ServerId peer, LinkId link) {
  const auto found = links_.find(peer);
  if (found == links_.end() || found->second != link) return;
  const Zxid zxid = shared_->journal.applied();
  shared_->links.send_head(link, encode(SnapshotHead{ballot_, zxid}));
  shared_->outbox.add(effect::SendSnapshot{link, zxid});
}

void Trees::lost(ServerId peer, LinkId link) {
  const auto found = links_.find(peer);
  if (found != links_.end() && found->second == link) found->second.reset();
}

void Trees::tick() {
  for (auto& [peer, link] : links_)
    if (!link && shared_->links.is_up(peer)) link = shared_->links.begin_snapshot(peer, {});
}

void Trees::end(ServerId peer) {
  const auto found = links_.find(peer);
  if (found == links_.end()) return;
  if (found->second) shared_->links.close(*found->second);
  links_.erase(found);
}

void Trees::end_all() {
  while (!links_.empty()) end(links_.begin()->first);
}

}  // namespace synod::consensus::omnipaxos
