#include "consensus/native/peer_links.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace synod::consensus::native {
namespace {

constexpr std::size_t kMaxUngreeted = 256;

// The first byte of a frame's body. An empty body only says that the sender lives.
enum class FrameKind : std::uint8_t { kMessage, kService, kSnapshotHead, kAddress };

Bytes with_kind(FrameKind kind, BytesView body) {
  Bytes out;
  out.reserve(body.size() + 1);
  put_u8(out, static_cast<std::uint8_t>(kind));
  out.append(body);
  return out;
}

Bytes encode_address(const std::vector<Endpoint>& endpoints) {
  Bytes body;
  for (const Endpoint& endpoint : endpoints) {
    put_bytes(body, endpoint.host);
    put_u32(body, endpoint.port);
  }
  return body;
}

std::optional<std::vector<Endpoint>> decode_address(BytesView body) {
  Fields in(body);
  std::vector<Endpoint> endpoints;
  while (in.ok() && !in.rest().empty()) {
    Endpoint& endpoint = endpoints.emplace_back();
    endpoint.host = in.bytes();
    const std::uint32_t port = in.u32();
    if (port > 0xffff) return std::nullopt;
    endpoint.port = static_cast<std::uint16_t>(port);
  }
  if (!in.ok()) return std::nullopt;
  return endpoints;
}

std::optional<ServiceMessage> decode_service(BytesView body) {
  Fields in(body);
  ServiceMessage message;
  const std::uint8_t kind = in.u8();
  message.kind = static_cast<ServiceMessage::Kind>(kind);
  message.data = in.bytes();
  message.identities = in.bytes();
  const bool is_known = kind <= static_cast<std::uint8_t>(ServiceMessage::Kind::kTouchesWanted);
  if (!in.is_complete() || !is_known) return std::nullopt;
  return message;
}

void keep_earlier(std::optional<SteadyTimeMs>& earliest, SteadyTimeMs candidate) {
  if (!earliest || candidate < *earliest) earliest = candidate;
}

}  // namespace

// ---- peers ------------------------------------------------------------------------------------

void PeerLinks::set_peers(std::map<ServerId, Member> peers) {
  std::vector<LinkId> gone;
  for (const auto& [id, link] : links_)
    if (!peers.contains(link.peer) && is_pending_dial(link, link.peer)) gone.push_back(id);
  for (const LinkId link : gone) drop(link, "it is no peer any more");
  for (const auto& [id, link] : up_)
    if (!peers.contains(id)) links_.at(link).address = address_of(id);
  for (auto& [id, member] : peers) {
    SYNOD_ASSERT(id != options_.self);
    const auto known = peers_.find(id);
    if (known != peers_.end())
      known->second.member = std::move(member);
    else
      peers_.emplace(id, Peer{.member = std::move(member), .dial_at = now_, .heard_at = now_});
  }
  std::erase_if(peers_, [&](const auto& peer) { return !peers.contains(peer.first); });
}

// Nothing: it never said.
std::vector<Endpoint> PeerLinks::address_of(ServerId id) const {
  const auto peer = peers_.find(id);
  if (peer != peers_.end()) return peer->second.member.quorum;
  const auto up = up_.find(id);
  return up == up_.end() ? std::vector<Endpoint>() : links_.at(up->second).address;
}

bool PeerLinks::is_pending_dial(const Link& link, ServerId peer) {
  return link.peer == peer && link.is_dialled && !link.is_greeted &&
         link.purpose == Purpose::kMessages;
}

// Not up, and not being dialled: when it is to be dialled.
std::optional<SteadyTimeMs> PeerLinks::dial_time(ServerId id, const Peer& peer) const {
  const auto is_pending = [&](const auto& link) { return is_pending_dial(link.second, id); };
  if (up_.contains(id) || std::ranges::any_of(links_, is_pending)) return std::nullopt;
  if (id < options_.self) return peer.dial_at;
  return std::max(peer.dial_at, SteadyTimeMs{peer.heard_at.value + options_.connect_timeout_ms});
}

void PeerLinks::tick_peer(ServerId id, Peer& peer) {
  const auto at = dial_time(id, peer);
  if (!at || *at > now_) return;
  peer.dial_at = {now_.value + options_.redial_ms};
  const LinkId link = outbox_.dial(id, Port::kQuorum, peer.member.quorum);
  Link& dialled = links_[link];
  dialled.peer = id;
  dialled.is_dialled = true;
  dialled.heard_at = dialled.sent_at = now_;
}

// ---- time -------------------------------------------------------------------------------------

void PeerLinks::tick(SteadyTimeMs now) {
  now_ = now;
  std::vector<LinkId> links;
  for (const auto& [id, link] : links_) links.push_back(id);
  for (const LinkId link : links) tick_link(link);
  for (auto& [id, peer] : peers_) tick_peer(id, peer);
}

void PeerLinks::tick_link(LinkId id) {
  Link& link = links_.at(id);
  const std::int64_t silent_ms = now_.value - link.heard_at.value;
  if (!link.is_greeted) {
    if (silent_ms >= options_.connect_timeout_ms) drop(id, "it does not greet");
    return;
  }
  if (link.has_head) return;  // the replica has it now, and says when it is lost
  if (link.purpose == Purpose::kSnapshot) {
    if (now_.value - heard_of_snapshot(link).value >= options_.silence_ms)
      drop(id, "nothing was heard of the other end");
    return;
  }
  if (silent_ms >= options_.silence_ms) return drop(id, "nothing was heard on it");
  if (now_.value - link.sent_at.value < options_.silence_ms / 3) return;
  link.sent_at = now_;
  outbox_.send(id, encode_frame({}));
}

// A tree may take its time, and nothing comes back on its link: its other end lives for as long as
// it is heard of elsewhere.
SteadyTimeMs PeerLinks::heard_of_snapshot(const Link& link) const {
  const auto peer = peers_.find(link.peer);
  if (peer != peers_.end()) return std::max(link.heard_at, peer->second.heard_at);
  const auto up = up_.find(link.peer);
  return up == up_.end() ? link.heard_at : std::max(link.heard_at, links_.at(up->second).heard_at);
}

std::optional<SteadyTimeMs> PeerLinks::next_deadline() const {
  std::optional<SteadyTimeMs> earliest;
  for (const auto& [id, link] : links_) {
    if (!link.is_greeted) {
      keep_earlier(earliest, {link.heard_at.value + options_.connect_timeout_ms});
    } else if (link.has_head) {
      continue;
    } else if (link.purpose == Purpose::kSnapshot) {
      keep_earlier(earliest, {heard_of_snapshot(link).value + options_.silence_ms});
    } else {
      keep_earlier(earliest, {link.heard_at.value + options_.silence_ms});
      keep_earlier(earliest, {link.sent_at.value + options_.silence_ms / 3});
    }
  }
  for (const auto& [id, peer] : peers_)
    if (const auto at = dial_time(id, peer)) keep_earlier(earliest, *at);
  return earliest;
}

// ---- links come and go ------------------------------------------------------------------------

void PeerLinks::accepted(LinkId id) {
  const auto is_open = [](const auto& link) { return link.second.peer.value == 0; };
  if (std::ranges::count_if(links_, is_open) >= std::ptrdiff_t{kMaxUngreeted})
    return outbox_.close(id, "too many that do not say who they are");
  Link& link = links_[id];
  link.heard_at = link.sent_at = now_;
}

void PeerLinks::linked(LinkId id) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  Link& link = found->second;
  link.heard_at = now_;
  greet(id, link);
  // Who takes a snapshot has nothing to say on that link.
  if (link.purpose != Purpose::kSnapshot) return;
  link.is_greeted = true;
  if (!link.head.empty()) send_head(id, link.head);
  events_.emplace_back(event::SnapshotLinked{link.peer, id});
}

void PeerLinks::send_head(LinkId id, BytesView head) {
  outbox_.send(id, encode_frame(with_kind(FrameKind::kSnapshotHead, head)));
}

void PeerLinks::greet(LinkId id, Link& to) {
  to.sent_at = now_;
  outbox_.send(id, encode(Greeting{.engine = options_.engine,
                                   .purpose = to.purpose,
                                   .from = options_.self,
                                   .to = to.peer,
                                   .is_new = is_new_}));
  if (to.is_dialled && to.purpose == Purpose::kMessages && !options_.own.empty())
    outbox_.send(id, encode_frame(with_kind(FrameKind::kAddress, encode_address(options_.own))));
}

void PeerLinks::unlinked(LinkId id) { forget(id); }

void PeerLinks::drop(LinkId id, std::string reason) {
  outbox_.close(id, std::move(reason));
  forget(id);
}

void PeerLinks::close(LinkId id, std::string reason) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  if (found->second.purpose == Purpose::kMessages) return drop(id, std::move(reason));
  links_.erase(found);
  outbox_.close(id, std::move(reason));
}

void PeerLinks::forget(LinkId id) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  const Link link = std::move(found->second);
  links_.erase(found);
  if (link.purpose == Purpose::kSnapshot) {
    events_.emplace_back(event::SnapshotLost{link.peer, id});
    return;
  }
  const auto up = up_.find(link.peer);
  if (up == up_.end() || up->second != id) return;
  up_.erase(up);
  events_.emplace_back(event::Down{link.peer});
}

LinkId PeerLinks::begin_snapshot(ServerId peer, BytesView head) {
  const LinkId id = outbox_.dial(peer, Port::kQuorum, address_of(peer));
  Link& link = links_[id];
  link.peer = peer;
  link.purpose = Purpose::kSnapshot;
  link.is_dialled = true;
  link.head = head;
  link.heard_at = link.sent_at = now_;
  return id;
}

// ---- what arrives -----------------------------------------------------------------------------

void PeerLinks::received(LinkId id, BytesView bytes) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  Link& link = found->second;
  link.heard_at = now_;
  link.reader.feed(bytes);
  read(id);
}

void PeerLinks::read(LinkId id) {
  if (!links_.at(id).is_greeted && !read_greeting(id)) return;
  while (true) {
    const auto found = links_.find(id);
    if (found == links_.end() || found->second.has_head) return;
    const auto body = found->second.reader.next();
    if (!body) return drop(id, body.error());
    if (!*body) return;
    if (!read_body(id, **body)) return;
  }
}

bool PeerLinks::read_greeting(LinkId id) {
  Link& link = links_.at(id);
  const auto greeting = link.reader.greeting();
  // What was refused will be refused again: not at once. Who is refused is told by whom, and finds
  // the reason itself.
  const auto refuse = [&](std::string why) {
    if (!link.is_dialled) greet(id, link);
    if (const auto peer = peers_.find(link.peer); peer != peers_.end())
      peer->second.dial_at = {now_.value + options_.connect_timeout_ms};
    drop(id, std::move(why));
    return false;
  };
  if (!greeting) return refuse(greeting.error());
  if (!*greeting) return false;
  const Greeting& said = **greeting;
  if (link.is_dialled && said.from != link.peer)
    return refuse(
        fmt::format("server {} answers where server {} should", said.from.value, link.peer.value));
  link.peer = said.from;
  if (said.engine != options_.engine)
    return refuse(
        "it runs another consensus engine (the key `consensus` must be the same for all)");
  if (said.to != options_.self || said.from == options_.self)
    return refuse(fmt::format("it is server {} and looks for server {}, which is not this one",
                              said.from.value, said.to.value));
  link.is_greeted = true;
  if (said.purpose == Purpose::kSnapshot) {
    if (link.is_dialled) return refuse("it answers a dial with a snapshot");
    link.purpose = Purpose::kSnapshot;
    return true;
  }
  if (!link.is_dialled) greet(id, link);
  bring_up(id, said.is_new);
  return true;
}

void PeerLinks::bring_up(LinkId id, bool is_new) {
  const ServerId peer = links_.at(id).peer;
  const auto known = peers_.find(peer);
  if (known != peers_.end()) known->second.heard_at = now_;
  if (peer > options_.self) {
    std::vector<LinkId> crossing;
    for (const auto& [other, link] : links_)
      if (is_pending_dial(link, peer)) crossing.push_back(other);
    for (const LinkId other : crossing) drop(other, {});
  }
  if (const auto old = up_.find(peer); old != up_.end()) drop(old->second, "a newer one took over");
  up_[peer] = id;
  events_.emplace_back(event::Up{peer, is_new});
}

bool PeerLinks::read_body(LinkId id, BytesView body) {
  Link& link = links_.at(id);
  if (const auto peer = peers_.find(link.peer); peer != peers_.end()) peer->second.heard_at = now_;
  if (body.empty()) return true;
  const auto kind = static_cast<FrameKind>(body.front());
  body.remove_prefix(1);
  const bool is_snapshot = link.purpose == Purpose::kSnapshot;
  if (kind == FrameKind::kMessage && !is_snapshot) {
    events_.emplace_back(event::Message{link.peer, Bytes(body)});
    return true;
  }
  if (kind == FrameKind::kService && !is_snapshot) {
    auto message = decode_service(body);
    if (message) {
      events_.emplace_back(event::Service{link.peer, std::move(*message)});
      return true;
    }
  }
  if (kind == FrameKind::kAddress && !is_snapshot && !link.is_dialled) {
    if (auto address = decode_address(body)) {
      link.address = *std::move(address);
      return true;
    }
  }
  if (kind == FrameKind::kSnapshotHead && is_snapshot && !link.is_dialled) {
    link.has_head = true;
    Bytes head(body);
    events_.emplace_back(event::Snapshot{link.peer, id, std::move(head), link.reader.take_rest()});
    return false;
  }
  drop(id, "a frame that makes no sense");
  return false;
}

std::vector<PeerEvent> PeerLinks::take_events() { return std::exchange(events_, {}); }

// ---- what leaves ------------------------------------------------------------------------------

void PeerLinks::send(ServerId peer, BytesView body) {
  const auto up = up_.find(peer);
  if (up == up_.end()) return;
  links_.at(up->second).sent_at = now_;
  outbox_.send(up->second, encode_frame(with_kind(FrameKind::kMessage, body)));
}

void PeerLinks::send(ServerId peer, const ServiceMessage& message) {
  const auto up = up_.find(peer);
  if (up == up_.end()) return;
  Bytes body;
  put_u8(body, static_cast<std::uint8_t>(message.kind));
  put_bytes(body, message.data);
  put_bytes(body, message.identities);
  links_.at(up->second).sent_at = now_;
  outbox_.send(up->second, encode_frame(with_kind(FrameKind::kService, body)));
}

std::vector<ServerId> PeerLinks::up() const {
  std::vector<ServerId> up;
  for (const auto& [peer, link] : up_) up.push_back(peer);
  return up;
}

std::optional<LinkId> PeerLinks::link_of(ServerId peer) const {
  const auto found = up_.find(peer);
  return found == up_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<ServerId> PeerLinks::peer_of(LinkId link) const {
  const auto found = links_.find(link);
  if (found == links_.end() || found->second.peer.value == 0) return std::nullopt;
  return found->second.peer;
}

}  // namespace synod::consensus::native
