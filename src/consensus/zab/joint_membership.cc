#include "consensus/zab/joint_membership.h"

#include <algorithm>

#include "base/mutation.h"

namespace synod::consensus::zab {

const Membership& JointMembership::decided() const {
  if (!log_) return *fixed_;
  const auto& undecided = log_->undecided();
  return undecided.size() < 2 ? log_->decided() : undecided[undecided.size() - 2].membership;
}

bool JointMembership::is_quorum(const Servers& servers) const {
  if (!newest().is_quorum(servers)) return false;
  return !is_joint() || decided().is_quorum(servers) || is_mutated(Mutation::kZabNewQuorumIsEnough);
}

bool JointMembership::is_quorum_of_either(const Servers& servers) const {
  return newest().is_quorum(servers) || decided().is_quorum(servers);
}

bool JointMembership::is_voter(ServerId server) const {
  return newest().is_voter(server) || (is_joint() && decided().is_voter(server));
}

std::vector<ServerId> JointMembership::voters() const {
  Servers voters = decided().voters();
  std::ranges::sort(voters);
  if (is_joint())
    for (const ServerId voter : newest().voters()) add_to(voters, voter);
  return voters;
}

bool JointMembership::is_observer(ServerId server) const {
  const auto member = decided().members.find(server);
  return member != decided().members.end() && member->second.is_observer &&
         !newest().is_voter(server);
}

const Member* JointMembership::find(ServerId server) const {
  for (const Membership* membership : {&decided(), &newest()})
    if (const auto member = membership->members.find(server); member != membership->members.end())
      return &member->second;
  return nullptr;
}

}  // namespace synod::consensus::zab
