// G8: what a server sends claims nothing that a crash could take back. Zab's messages are read as
// they leave, and held against what the disk has flushed (consensus.md 5.5):
//
//   ACK of a transaction     it is on disk
//   ACK of NEWLEADER         the history of the epochs before is, and then currentEpoch
//   ACKEPOCH                 acceptedEpoch is, and the last zxid it tells
//   a vote for itself        the zxid it claims is
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "consensus/engine.h"
#include "consensus/zab/packets.h"
#include "sim/ghost.h"

namespace synod::sim {

class WireClaims {
 public:
  // What a file of that name would hold after a power cut; -1: nothing.
  using DurableEpoch = std::function<std::int64_t(std::size_t server, const std::string& name)>;

  WireClaims(const Ghost& ghost, DurableEpoch durable_epoch, Ghost::Complain complain)
      : ghost_(ghost), durable_epoch_(std::move(durable_epoch)), complain_(std::move(complain)) {}

  void started(std::size_t server);  // its links are gone
  void accepted(std::size_t server, consensus::LinkId link, consensus::Port port);
  void effect(std::size_t server, const consensus::Effect& effect);

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
  void complain(std::size_t server, const std::string& text) const;

  const Ghost& ghost_;
  DurableEpoch durable_epoch_;
  Ghost::Complain complain_;
  std::map<std::pair<std::size_t, consensus::LinkId>, Link> links_;
};

}  // namespace synod::sim
