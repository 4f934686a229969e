// One connection a pair of servers, for the engines of our own: dialled for as long as the other is
// a peer, greeted, framed; and a connection apart for each snapshot, so that no heartbeat waits
// behind one.
//
// Of two servers that know each other the one with the larger number dials. A server that hears
// nothing of a peer for a while dials it whatever its number, for it may not be known there yet (it
// is about to be added). A connection that greets takes over from one that did before, which
// belongs to a life of the peer, or of the network, that is over. Where two dials cross, the one
// with the smaller number gives up its own: both keep the same.
//
// What is sent to a peer arrives in order, until its connection is lost: kDown. kUp begins anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "consensus/engine.h"
#include "consensus/membership.h"
#include "consensus/native/frames.h"
#include "consensus/outbox.h"

namespace synod::consensus::native {

namespace event {
struct Up {
  ServerId peer;
  bool is_new = false;  // it has no memory
};
struct Down {
  ServerId peer;
};
struct Message {
  ServerId peer;
  Bytes body;  // the engine's own
};
struct Service {
  ServerId peer;
  ServiceMessage message;
};
// A peer sends its tree on this link, announced by `head` (the engine's own); `first_bytes` of it
// are here. To be answered by ReceiveSnapshot, or by close().
struct Snapshot {
  ServerId peer;
  LinkId link;
  Bytes head;
  Bytes first_bytes;
};
// begin_snapshot() has a link: SendSnapshot may go out on it now, behind the head.
struct SnapshotLinked {
  ServerId peer;
  LinkId link;
};
// Either end's snapshot link is gone; what was to pass on it may not have arrived.
struct SnapshotLost {
  ServerId peer;
  LinkId link;
};
}  // namespace event

using PeerEvent = std::variant<event::Up, event::Down, event::Message, event::Service,
                               event::Snapshot, event::SnapshotLinked, event::SnapshotLost>;

class PeerLinks {
 public:
  struct Options {
    ServerId self;
    EngineTag engine{};
    std::int64_t redial_ms = 100;
    std::int64_t connect_timeout_ms = 2000;  // until the greeting
    // A connection on which nothing came for so long is given up; a third of it without anything to
    // send, and an empty frame is.
    std::int64_t silence_ms = 3000;
    // Where this server is to be found: said to those it dials, who may not know it yet. Of one
    // that does not say it only what it dials itself comes to be.
    std::vector<Endpoint> own;
  };
  // The outbox outlives this.
  PeerLinks(Options options, Outbox& outbox) : options_(std::move(options)), outbox_(outbox) {}

  // Whom to be connected with, by number; may change at any time. Others are not dialled any more,
  // and stay up until their connections are lost: strangers that greet are up like peers.
  void set_peers(std::map<ServerId, Member> peers);
  // Goes into greetings from now on.
  void set_new(bool is_new) { is_new_ = is_new; }

  void accepted(LinkId link);
  void linked(LinkId link);
  void unlinked(LinkId link);
  void received(LinkId link, BytesView bytes);
  void tick(SteadyTimeMs now);  // also once before anything else
  [[nodiscard]] std::optional<SteadyTimeMs> next_deadline() const;

  // What happened, in order. To be taken after each of the calls above.
  [[nodiscard]] std::vector<PeerEvent> take_events();

  // To a peer that is up; to others it is dropped.
  void send(ServerId peer, BytesView body);
  void send(ServerId peer, const ServiceMessage& message);
  [[nodiscard]] bool is_up(ServerId peer) const { return up_.contains(peer); }
  [[nodiscard]] std::vector<ServerId> up() const;
  [[nodiscard]] std::optional<LinkId> link_of(ServerId peer) const;
  [[nodiscard]] std::optional<ServerId> peer_of(LinkId link) const;

  // Opens a link for a snapshot to one that is up; SnapshotLinked or SnapshotLost follows. An empty
  // head is one that is known only then: send_head() before SendSnapshot.
  LinkId begin_snapshot(ServerId peer, BytesView head);
  void send_head(LinkId link, BytesView head);
  // A peer's connection: Down follows. A snapshot's: no event.
  void close(LinkId link, std::string reason = {});

 private:
  struct Link {
    ServerId peer;  // nobody: it has not greeted yet
    Purpose purpose = Purpose::kMessages;
    bool is_dialled = false;
    bool is_greeted = false;        // by the other side
    bool has_head = false;          // of a snapshot that comes
    Bytes head;                     // of a snapshot that goes
    std::vector<Endpoint> address;  // of a stranger, if it is known
    FrameReader reader;
    SteadyTimeMs heard_at;
    SteadyTimeMs sent_at;
  };
  struct Peer {
    Member member;
    SteadyTimeMs dial_at;
    SteadyTimeMs heard_at;  // of it, by any link; what "for a while" counts from
  };

  void greet(LinkId link, Link& to);
  [[nodiscard]] std::vector<Endpoint> address_of(ServerId peer) const;
  void read(LinkId link);
  // False: the link is no more.
  bool read_greeting(LinkId link);
  bool read_body(LinkId link, BytesView body);
  void bring_up(LinkId link, bool is_new);
  void drop(LinkId link, std::string reason);
  void forget(LinkId link);
  void tick_link(LinkId link);
  void tick_peer(ServerId id, Peer& peer);
  [[nodiscard]] static bool is_pending_dial(const Link& link, ServerId peer);
  [[nodiscard]] std::optional<SteadyTimeMs> dial_time(ServerId id, const Peer& peer) const;
  [[nodiscard]] SteadyTimeMs heard_of_snapshot(const Link& link) const;

  Options options_;
  Outbox& outbox_;
  bool is_new_ = false;
  SteadyTimeMs now_;
  std::map<ServerId, Peer> peers_;
  std::map<LinkId, Link> links_;
  std::map<ServerId, LinkId> up_;
  std::vector<PeerEvent> events_;
};

}  // namespace synod::consensus::native
