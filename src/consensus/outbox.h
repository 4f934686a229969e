// The effects of one engine, gathered in the order they are owed, from all its parts.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "consensus/engine.h"

namespace synod::consensus {

class Outbox {
 public:
  // Consecutive sends on one link become one: what belongs together travels in one segment.
  void send(LinkId link, BytesView bytes);
  // The number of the new link.
  LinkId dial(ServerId server, Port port, std::vector<Endpoint> endpoints);
  void close(LinkId link, std::string reason = {});
  void warn(std::string text);
  void add(Effect effect);  // any other

  [[nodiscard]] Effects take();

 private:
  Effects effects_;
  LinkId next_link_{1};  // dialled links are odd
};

}  // namespace synod::consensus
