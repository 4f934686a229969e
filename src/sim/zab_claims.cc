#include "sim/zab_claims.h"

#include <fmt/format.h>

#include "consensus/zab/election_messages.h"
#include "jute/codec.h"
#include "storage/epoch_files.h"

namespace synod::sim {

namespace effect = consensus::effect;
namespace zab = consensus::zab;

void ZabClaims::started(std::size_t server) {
  std::erase_if(links_, [&](const auto& link) { return link.first.first == server; });
}

void ZabClaims::accepted(std::size_t server, consensus::LinkId link, consensus::Port port) {
  links_[{server, link}].port = port;
}

void ZabClaims::effect(std::size_t server, const consensus::Effect& effect) {
  if (const auto* dial = std::get_if<effect::Dial>(&effect)) {
    Link& link = links_[{server, dial->link}];
    link.port = dial->port;
    link.is_dialled = true;
  } else if (const auto* close = std::get_if<effect::Close>(&effect)) {
    links_.erase({server, close->link});
  } else if (const auto* send = std::get_if<effect::Send>(&effect)) {
    const auto found = links_.find({server, send->link});
    if (found != links_.end()) sent(server, found->second, send->bytes);
  }
}

void ZabClaims::sent(std::size_t server, Link& link, BytesView bytes) {
  if (link.port != consensus::Port::kElection) {
    if (!link.is_dialled) return;  // a leader's: what it says is committed is G4's affair
    link.packets.feed(bytes);
    for (auto packet = link.packets.next(); packet && *packet; packet = link.packets.next())
      check_packet(server, **packet);
    return;
  }
  link.frames += bytes;
  if (link.is_dialled && !link.has_greeted) {
    const auto greeting = zab::find_initial_message(link.frames);
    if (!greeting) return;
    link.has_greeted = true;
    link.frames.erase(0, greeting->size);
  }
  while (link.frames.size() >= 4) {
    const auto length =
        static_cast<std::size_t>(jute::load_big_endian<std::int32_t>(link.frames.data()));
    if (link.frames.size() < 4 + length) return;
    check_vote(server, BytesView(link.frames).substr(4, length));
    link.frames.erase(0, 4 + length);
  }
}

void ZabClaims::check_packet(std::size_t server, const zab::QuorumPacket& packet) {
  if (packet.type == zab::PacketType::kAck) return check_ack(server, packet.zxid);
  if (packet.type != zab::PacketType::kAckEpoch) return;
  const std::int64_t promised = ghost().promised_epoch(server);
  if (durable_epoch(server, storage::kAcceptedEpochName) < promised)
    complain(server, fmt::format("ACKEPOCH before acceptedEpoch {} is on disk", promised));
  if (packet.zxid > ghost().last_durable(server))
    complain(server,
             fmt::format("ACKEPOCH tells of 0x{:x}, which is not on disk", packet.zxid.value));
}

void ZabClaims::check_ack(std::size_t server, Zxid zxid) {
  if (zxid.counter() != 0) {
    if (!ghost().has_durable(server, zxid))
      complain(server, fmt::format("ACK of 0x{:x}, which is not on disk", zxid.value));
    return;
  }
  if (durable_epoch(server, storage::kCurrentEpochName) < zxid.epoch())
    complain(server,
             fmt::format("ACK of NEWLEADER before currentEpoch {} is on disk", zxid.epoch()));
  if (!ghost().has_durable_before(server, zxid))
    complain(server,
             fmt::format("ACK of NEWLEADER 0x{:x} before the history is on disk", zxid.value));
}

void ZabClaims::check_vote(std::size_t server, BytesView payload) {
  const auto notification = zab::decode_notification(payload);
  if (!notification || notification->state != consensus::Role::kLooking) return;
  const zab::Vote& vote = notification->vote;
  if (vote.leader.value != static_cast<std::int64_t>(server) + 1) return;
  if (vote.zxid > ghost().last_durable(server))
    complain(server,
             fmt::format("votes for itself with 0x{:x}, which is not on disk", vote.zxid.value));
}

}  // namespace synod::sim
