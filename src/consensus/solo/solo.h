// The engine of a quorum of one: it leads from the start, and what is durable here is committed.
#pragma once

#include "consensus/engine.h"

namespace synod::consensus {

class Solo final : public Engine {
 public:
  void start(Zxid last) override;
  void propose(Entry entry) override;
  void durable(Zxid up_to) override;
  [[nodiscard]] Zxid next_zxid() const override { return proposed_.next(); }
  [[nodiscard]] Effects drain() override;

 private:
  Zxid proposed_;
  Zxid committed_;
  Effects effects_;
};

}  // namespace synod::consensus
