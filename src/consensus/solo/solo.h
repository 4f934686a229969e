// The engine of a quorum of one: it leads from the start, and what is durable here is committed.
#pragma once

#include "consensus/engine.h"

namespace synod::consensus {

class Solo final : public Engine {
 public:
  void start(const Beginning& beginning) override;
  void tick(SteadyTimeMs /*now*/) override {}
  void durable(Zxid up_to) override;
  void propose(Entry entry) override;
  [[nodiscard]] Zxid next_zxid() const override { return proposed_.next(); }
  void read_index(std::uint64_t token) override;
  [[nodiscard]] const Status& status() const override { return status_; }
  [[nodiscard]] Effects drain() override;

 private:
  Status status_;
  Zxid proposed_;
  Zxid committed_;
  Effects effects_;
};

}  // namespace synod::consensus
