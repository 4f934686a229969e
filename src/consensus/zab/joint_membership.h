// The memberships that count: what is decided and, while a change of it is in the log and not known
// to be committed, what it changes to. Then a quorum is one of both (reference, quorum protocol
// 1.3, 6.2; ZooKeeper's QV and lastSeenQV).
#pragma once

#include <vector>

#include "base/ids.h"
#include "consensus/configurations.h"
#include "consensus/membership.h"

namespace synod::consensus::zab {

// A view: what it looks at outlives it, and changes under it.
class JointMembership {
 public:
  // Without reconfiguration: always this one.
  JointMembership(const Membership& fixed) : fixed_(&fixed) {}  // NOLINT: it is one
  JointMembership(Membership&& gone) = delete;
  explicit JointMembership(const Configurations& log) : log_(&log) {}

  [[nodiscard]] bool can_change() const { return log_ != nullptr; }

  // The next change is proposed when the one before is committed: of those in the log all but the
  // last are decided, whatever our own files say.
  [[nodiscard]] const Membership& decided() const;
  [[nodiscard]] const Membership& newest() const { return log_ ? log_->newest() : *fixed_; }
  [[nodiscard]] bool is_joint() const { return log_ && !log_->undecided().empty(); }

  [[nodiscard]] bool is_quorum(const Servers& servers) const;
  [[nodiscard]] bool is_quorum_of_either(const Servers& servers) const;
  [[nodiscard]] bool is_voter(ServerId server) const;  // in either
  [[nodiscard]] std::vector<ServerId> voters() const;  // of both
  // What is decided says that it observes, and no change is about to let it vote. Who is no member
  // at all learns as a follower does, without a vote (6.5).
  [[nodiscard]] bool is_observer(ServerId server) const;
  // Where it is found; null: in neither.
  [[nodiscard]] const Member* find(ServerId server) const;

 private:
  const Membership* fixed_ = nullptr;
  const Configurations* log_ = nullptr;
};

}  // namespace synod::consensus::zab
