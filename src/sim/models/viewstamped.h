// Viewstamped Replication Revisited (Liskov and Cowling 2012; consensus.md 6): views take turns to
// be led, and one begins when a quorum has said so, each of them to a quorum. So whoever votes has
// to reach a quorum itself.
#pragma once

#include "sim/models/replication.h"

namespace synod::sim::models {

class Viewstamped final : public Replication {
 public:
  explicit Viewstamped(Options options);

 private:
  [[nodiscard]] ServerId leader_of(std::uint32_t epoch) const override;
  void on_silence() override;
  void repeat() override;
  void on_election(ServerId from, const Message& message) override;
  // A view that is over: who leads it hears of the next as everybody does.
  void on_stale(ServerId /*from*/) override {}

  void change_view(std::uint32_t view);
  void do_view_change_when_due();

  std::vector<ServerId> voters_;
  std::uint32_t changing_to_ = 0;    // the view that this server has asked for
  consensus::Servers asked_for_it_;  // and who else has
};

}  // namespace synod::sim::models
