// What the two roles and their engine share. It outlives the roles.
#pragma once

#include "consensus/journal.h"
#include "consensus/outbox.h"
#include "consensus/zab/options.h"

namespace synod::consensus::zab {

struct Shared {
  const Options& options;
  Outbox& outbox;
  Journal& journal;
  Status& status;
  SteadyTimeMs now;
  std::int64_t epoch_heard = -1;  // the newest that a learner said it has promised

  [[nodiscard]] SteadyTimeMs after_ticks(std::int64_t ticks) const {
    return {now.value + ticks * options.tick_ms};
  }
  [[nodiscard]] const Membership& membership() const { return options.membership; }

  void set_status(Status changed) {
    if (changed == status) return;
    status = changed;
    outbox.add(effect::StatusChanged{changed});
  }
};

}  // namespace synod::consensus::zab
