#include "consensus/raft/configuration.h"

#include <algorithm>
#include <iterator>

#include "base/mutation.h"

namespace synod::consensus::raft {
namespace {

bool have_same_quorums(const Membership& one, const Membership& other) {
  return one.voters() == other.voters() && one.groups == other.groups &&
         one.weights == other.weights;
}

// Any majority of the one meets any majority of the other (dissertation 4.1).
bool is_single_step(const Membership& from, const Membership& to) {
  if (!from.groups.empty() || !to.groups.empty()) return false;
  Servers changed;
  std::ranges::set_symmetric_difference(from.voters(), to.voters(), std::back_inserter(changed));
  return changed.size() <= 1;
}

}  // namespace

const Membership& Configuration::newest() const {
  return is_mutated(Mutation::kRaftConfigurationWhenCommitted) ? log_.decided() : log_.newest();
}

// What is proposed behind another is proposed once that is committed.
const Membership& Configuration::before_newest() const {
  const auto& undecided = log_.undecided();
  return undecided.size() < 2 ? log_.decided() : undecided[undecided.size() - 2].membership;
}

const Membership& Configuration::settled() const {
  if (log_.undecided().empty()) return log_.decided();
  const Configurations::Logged& last = log_.undecided().back();
  return last.kind == EntryKind::kConfiguration ? last.membership : before_newest();
}

// A C_old,new that is known to be committed needs its old side no more: no server without it can be
// elected by a majority of that, and whoever has it asks the new side as well.
const Membership* Configuration::old() const {
  if (log_.undecided().empty() || log_.undecided().back().kind == EntryKind::kConfiguration)
    return nullptr;
  if (is_mutated(Mutation::kRaftJointAsksNewOnly) ||
      is_mutated(Mutation::kRaftConfigurationWhenCommitted))
    return nullptr;
  const Membership& before = before_newest();
  if (have_same_quorums(before, newest())) return nullptr;
  if (single_steps_ && is_single_step(before, newest())) return nullptr;
  return &before;
}

bool Configuration::is_voter(ServerId server) const {
  const Membership* before = old();
  return newest().is_voter(server) || (before != nullptr && before->is_voter(server));
}

bool Configuration::is_member(ServerId server) const {
  const Membership* before = old();
  return newest().members.contains(server) ||
         (before != nullptr && before->members.contains(server));
}

Servers Configuration::voters() const {
  Servers voters = newest().voters();
  if (const Membership* before = old())
    for (const ServerId voter : before->voters()) add_to(voters, voter);
  return voters;
}

bool Configuration::is_quorum(const Servers& servers) const {
  const Membership* before = old();
  return newest().is_quorum(servers) && (before == nullptr || before->is_quorum(servers));
}

std::map<ServerId, Member> Configuration::peers_of(ServerId self) const {
  std::map<ServerId, Member> peers = newest().members;
  if (const Membership* before = old())
    peers.insert(before->members.begin(), before->members.end());
  std::erase_if(peers, [&](const auto& peer) {
    return peer.first == self || (!is_voter(self) && !is_voter(peer.first));
  });
  return peers;
}

}  // namespace synod::consensus::raft
