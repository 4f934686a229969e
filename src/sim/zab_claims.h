// What servers of Zab claim to each other, on both ports (consensus.md 5.5):
//
//   ACK of a transaction     it is on disk
//   ACK of NEWLEADER         the history of the epochs before is, and then currentEpoch
//   ACKEPOCH                 acceptedEpoch is, and the last zxid it tells
//   a vote for itself        the zxid it claims is
#pragma once

#include <map>
#include <utility>

#include "consensus/zab/packets.h"
#include "sim/claims.h"

namespace synod::sim {

class ZabClaims final : public Claims {
 public:
  using Claims::Claims;

  void started(std::size_t server) override;
  void accepted(std::size_t server, consensus::LinkId link, consensus::Port port) override;
  void effect(std::size_t server, const consensus::Effect& effect) override;

 private:
  struct Link {
    consensus::Port port{};
    bool is_dialled = false;
    bool has_greeted = false;  // the initial message of the election port is out
    consensus::zab::PacketReader packets;
    Bytes frames;
  };

  void sent(std::size_t server, Link& link, BytesView bytes);
  void check_packet(std::size_t server, const consensus::zab::QuorumPacket& packet);
  void check_ack(std::size_t server, Zxid zxid);
  void check_vote(std::size_t server, BytesView payload);

  std::map<std::pair<std::size_t, consensus::LinkId>, Link> links_;
};

}  // namespace synod::sim
