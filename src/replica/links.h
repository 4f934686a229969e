// The port to other servers: what the replica needs from whoever runs it, sockets or a simulated
// network. Links are streams of bytes, in order, until they break.
#pragma once

#include <cstddef>
#include <vector>

#include "base/bytes.h"
#include "consensus/engine.h"

namespace synod::replica {

class Links {
 public:
  // Starts a link and returns at once: Replica::linked() or Replica::unlinked() follows, never from
  // within this call. Whoever answers must prove to be `server` where links are authenticated.
  virtual void dial(consensus::LinkId link, ServerId server, consensus::Port port,
                    std::vector<consensus::Endpoint> endpoints) = 0;
  // Takes all of it. A link whose unsent bytes pass the host's bound is broken by the host: one
  // slow server costs nobody else anything.
  virtual void send(consensus::LinkId link, Bytes bytes) = 0;
  // What was sent before may still go out. No event of this link follows.
  virtual void close(consensus::LinkId link) = 0;
  // Bytes sent and not yet handed to the network. Replica::drained() follows when they were many
  // (kManyBytes or more) and have become few (less than half of that).
  [[nodiscard]] virtual std::size_t unsent(consensus::LinkId link) const = 0;

  static constexpr std::size_t kManyBytes = std::size_t{1} << 20;

 protected:
  ~Links() = default;
};

// For a server that has no peers.
class NoLinks final : public Links {
 public:
  void dial(consensus::LinkId, ServerId, consensus::Port,
            std::vector<consensus::Endpoint>) override {}
  void send(consensus::LinkId, Bytes) override {}
  void close(consensus::LinkId) override {}
  [[nodiscard]] std::size_t unsent(consensus::LinkId) const override { return 0; }
};

}  // namespace synod::replica
