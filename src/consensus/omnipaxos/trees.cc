#include "consensus/omnipaxos/trees.h"

#include <algorithm>

namespace synod::consensus::omnipaxos {

void Trees::begin(ServerId peer, std::uint64_t number) {
  end(peer);
  trees_[peer] = {number, shared_->links.begin_snapshot(peer, {})};
}

// The head says which tree it is: as it is now, not as it was when the link was dialled.
void Trees::linked(ServerId peer, LinkId link) {
  const auto tree = trees_.find(peer);
  if (tree == trees_.end() || tree->second.link != link) return;
  const Zxid zxid = shared_->journal.applied();
  shared_->links.send_head(link,
                           encode(SnapshotHead{ballot_, tree->second.number, zxid,
                                               std::min(zxid, shared_->journal.committed())}));
  shared_->outbox.add(effect::SendSnapshot{link, zxid});
}

void Trees::lost(ServerId peer, LinkId link) {
  const auto tree = trees_.find(peer);
  if (tree != trees_.end() && tree->second.link == link) tree->second.link.reset();
}

void Trees::tick() {
  for (auto& [peer, tree] : trees_)
    if (!tree.link && shared_->links.is_up(peer))
      tree.link = shared_->links.begin_snapshot(peer, {});
}

void Trees::end(ServerId peer) {
  const auto tree = trees_.find(peer);
  if (tree == trees_.end()) return;
  if (tree->second.link) shared_->links.close(*tree->second.link);
  trees_.erase(tree);
}

void Trees::end_all() {
  while (!trees_.empty()) end(trees_.begin()->first);
}

}  // namespace synod::consensus::omnipaxos
