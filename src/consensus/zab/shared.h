// What the two roles and their engine share. It outlives the roles.
#pragma once

#include <optional>
#include <string>

#include "base/random.h"
#include "consensus/journal.h"
#include "consensus/outbox.h"
#include "consensus/zab/joint_membership.h"
#include "consensus/zab/options.h"

namespace synod::consensus::zab {

struct Shared {
  const Options& options;
  Outbox& outbox;
  Journal& journal;
  Status& status;
  SteadyTimeMs now;
  std::int64_t epoch_heard = -1;  // the newest that a learner said it has promised
  // Before the first epoch of an ensemble is established: its members, with the version that they
  // get then (reference, quorum protocol 6.5).
  std::optional<Membership> versioned = {};
  Random random{0};  // seeded when the engine starts

  [[nodiscard]] SteadyTimeMs after_ticks(std::int64_t ticks) const {
    return {now.value + ticks * options.tick_ms};
  }
  [[nodiscard]] JointMembership members() const {
    if (!options.is_reconfig_enabled) return options.membership;
    return JointMembership(journal.configurations());
  }
  // What UPTODATE says to be decided. An unestablished leader's inheritance is: a quorum that
  // accepts it commits it. Of an established one what is not committed follows as a PROPOSAL.
  [[nodiscard]] std::string new_leader_text() const {
    if (versioned) return versioned->to_text();
    return (status.is_serving ? members().decided() : members().newest()).to_text();
  }

  void set_status(Status changed) {
    if (changed == status) return;
    status = changed;
    outbox.add(effect::StatusChanged{changed});
  }
};

}  // namespace synod::consensus::zab
