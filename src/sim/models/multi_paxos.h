// Multi-Paxos, as in "Paxos Made Moderately Complex" and the comparison of the Omni-Paxos paper
// (consensus.md 6): whoever does not hear the owner of the highest ballot prepares a higher one.
// Who hears whom else is nobody's concern.
#pragma once

#include <algorithm>

#include "sim/models/replication.h"

namespace synod::sim::models {

class MultiPaxos final : public Replication {
 public:
  using Replication::Replication;

 private:
  [[nodiscard]] ServerId leader_of(std::uint32_t epoch) const override;
  void on_silence() override;
  void repeat() override;
  void on_election(ServerId from, const Message& message) override;
  void on_stale(ServerId from) override;

  std::uint32_t highest_seen_ = 0;  // promised by anybody
};

}  // namespace synod::sim::models
