#include "consensus/zab/election_links.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "jute/codec.h"

namespace synod::consensus::zab {
namespace {

constexpr std::size_t kLengthBytes = 4;
// Accepted links that have not said who they are. Honest ones say it at once, so when there are too
// many, it is the longest silent that goes.
constexpr std::size_t kMaxGreeting = 256;
// Servers that are no members: they may ask who leads, but not in any number.
constexpr std::ptrdiff_t kMaxStrangers = 64;
// Between two dials to a server that does not answer. A server that starts dials us, so this is for
// networks that heal.
constexpr std::int64_t kFirstRetryMs = 100;
constexpr std::int64_t kLongestRetryMs = 1000;
// How long the larger server may take to call back before we ask again.
constexpr std::int64_t kCallBackMs = 500;

SteadyTimeMs later(SteadyTimeMs from, std::int64_t ms) { return {from.value + ms}; }

void keep_earlier(std::optional<SteadyTimeMs>& earliest, std::optional<SteadyTimeMs> candidate) {
  if (candidate && (!earliest || *candidate < *earliest)) earliest = candidate;
}

}  // namespace

ElectionLinks::ElectionLinks(Options options, JointMembership members, Outbox& outbox)
    : options_(std::move(options)), members_(members), outbox_(outbox) {}

// ---- what the network tells us ------------------------------------------------------------------

void ElectionLinks::accepted(LinkId link) {
  make_room_for_greeting();
  links_[link] = {.stage = Stage::kGreeting,
                  .server = {},
                  .input = {},
                  .deadline = later(now_, options_.handshake_timeout_ms)};
}

void ElectionLinks::linked(LinkId id) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  Link& link = found->second;
  SYNOD_ASSERT(link.stage == Stage::kDialling);
  // In one piece: a Java server that gets it in two closes the connection.
  outbox_.send(id, encode_initial_message(options_.self, own_addresses()));
  if (link.server < options_.self) return install(link.server, id);
  // The other end closes: were it us, the challenge might be lost on the way.
  link.stage = Stage::kChallenged;
  link.deadline = later(now_, options_.handshake_timeout_ms);
}

void ElectionLinks::unlinked(LinkId id) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  const Link link = std::move(found->second);
  forget(id);
  if (link.stage == Stage::kGreeting) return;
  Peer& peer = peers_[link.server];
  switch (link.stage) {
    case Stage::kChallenged:
      peer.called_by = peer.next_dial = later(now_, kCallBackMs);
      return;
    case Stage::kUp:
      // The larger server dials at once, once: the smaller would only cross it.
      if (link.is_heard && link.server < options_.self) {
        peer.next_dial = now_;
        return dial_if_due(link.server, peer);
      }
      [[fallthrough]];
    case Stage::kDialling:
    case Stage::kGreeting:
      return retry_later(peer);
  }
}

void ElectionLinks::received(LinkId id, BytesView bytes) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  Link& link = found->second;
  if (link.stage != Stage::kGreeting && link.stage != Stage::kUp) return;  // it has nothing to say
  link.input.append(bytes);
  return link.stage == Stage::kGreeting ? greet(id) : read_frames(id);
}

// ---- time ---------------------------------------------------------------------------------------

void ElectionLinks::tick(SteadyTimeMs now) {
  now_ = now;
  std::vector<LinkId> overdue;
  for (const auto& [id, link] : links_) {
    if (link.deadline && *link.deadline <= now) overdue.push_back(id);
  }
  for (const LinkId id : overdue) {
    const Link& link = links_.at(id);
    const bool is_greeting = link.stage == Stage::kGreeting;
    const ServerId server = link.server;
    drop(id, is_greeting ? "it did not say who it is" : "");
    if (!is_greeting) retry_later(peers_[server]);
  }
  for (auto& [server, peer] : peers_) {
    const auto silence = silence_deadline(peer);
    if (silence && *silence <= now) {
      ++peer.failures;
      peer.next_dial = now;
      drop(*peer.link, "no answer from server " + std::to_string(server.value));
    }
    dial_if_due(server, peer);
  }
}

std::optional<SteadyTimeMs> ElectionLinks::next_deadline() const {
  std::optional<SteadyTimeMs> earliest;
  for (const auto& [id, link] : links_) keep_earlier(earliest, link.deadline);
  for (const auto& [server, peer] : peers_) {
    keep_earlier(earliest, silence_deadline(peer));
    if (is_wanted(server, peer)) keep_earlier(earliest, peer.next_dial);
  }
  return earliest;
}

// There is no heartbeat here, and a connection to a machine that is gone can look well for minutes.
// While it matters, a link on which nothing answers is replaced; longer is waited each time, for it
// may be the other server that hangs.
std::optional<SteadyTimeMs> ElectionLinks::silence_deadline(const Peer& peer) const {
  if (!wants_voters_ || !peer.link || !peer.waits_since) return std::nullopt;
  const std::int64_t times = 1 + std::min<std::int64_t>(peer.failures, 10);
  return later(*peer.waits_since, options_.connect_timeout_ms * times);
}

// ---- what the election tells us -----------------------------------------------------------------

void ElectionLinks::send(ServerId to, BytesView payload) {
  SYNOD_ASSERT(to != options_.self);
  Peer& peer = peers_[to];
  peer.last = framed(payload);
  peer.is_last_sent = false;
  if (peer.link) return say(peer);
  dial_if_due(to, peer);
}

void ElectionLinks::want_voters(bool is_wanted) {
  wants_voters_ = is_wanted;
  for (auto& [server, peer] : peers_) {
    peer.last.clear();
    peer.is_last_sent = true;
    peer.waits_since.reset();
  }
  if (!is_wanted) return;
  for (const ServerId voter : members_.voters()) {
    if (voter == options_.self) continue;
    Peer& peer = peers_[voter];
    peer.failures = 0;
    peer.next_dial = now_;
    dial_if_due(voter, peer);
  }
}

void ElectionLinks::say(Peer& peer) {
  outbox_.send(*peer.link, peer.last);
  peer.is_last_sent = true;
  if (!peer.waits_since) peer.waits_since = now_;
}

std::vector<ElectionLinks::Message> ElectionLinks::take_messages() {
  return std::exchange(messages_, {});
}

bool ElectionLinks::take_has_new_link() { return std::exchange(has_new_link_, false); }

ElectionLinks::Reach ElectionLinks::reach(ServerId server) const {
  const auto found = peers_.find(server);
  if (found == peers_.end()) return Reach::kNone;
  const Peer& peer = found->second;
  if (peer.link) return Reach::kLinked;
  return peer.dial || (peer.called_by && now_ < *peer.called_by) ? Reach::kTrying : Reach::kNone;
}

// ---- dialling -----------------------------------------------------------------------------------

bool ElectionLinks::is_member(ServerId server) const { return members_.find(server) != nullptr; }

// Nowhere that we know of: then who is called back at it knows better, or does not call.
std::vector<Endpoint> ElectionLinks::own_addresses() const {
  if (const Member* self = members_.find(options_.self)) return self->election;
  if (!options_.addresses.empty()) return options_.addresses;
  return {{"0.0.0.0", 0}};
}

// Whether a link has to be dialled, now or at peer.next_dial.
bool ElectionLinks::is_wanted(ServerId server, const Peer& peer) const {
  if (peer.link || peer.dial) return false;
  return !peer.is_last_sent || (wants_voters_ && members_.is_voter(server));
}

void ElectionLinks::dial_if_due(ServerId server, Peer& peer) {
  if (is_wanted(server, peer) && peer.next_dial <= now_) dial(server, peer);
}

void ElectionLinks::dial(ServerId server, Peer& peer) {
  const Member* member = members_.find(server);
  const auto& addresses = member == nullptr ? peer.addresses : member->election;
  if (addresses.empty()) {  // nowhere to dial: it has to come to us
    peer.last.clear();
    peer.is_last_sent = true;
    return;
  }
  peer.dial = outbox_.dial(server, Port::kElection, addresses);
  links_[*peer.dial] = {.stage = Stage::kDialling,
                        .server = server,
                        .input = {},
                        .deadline = later(now_, options_.connect_timeout_ms)};
}

// While nobody looks, what could not be said is not worth a second dial: who wants to know asks.
void ElectionLinks::retry_later(Peer& peer) {
  const std::int64_t doublings = std::min<std::int64_t>(peer.failures++, 4);
  peer.next_dial = later(now_, std::min(kFirstRetryMs << doublings, kLongestRetryMs));
  peer.called_by.reset();
  if (wants_voters_) return;
  peer.last.clear();
  peer.is_last_sent = true;
}

// The newest link wins.
void ElectionLinks::install(ServerId server, LinkId id) {
  Peer& peer = peers_[server];
  if (peer.link && *peer.link != id) drop(*peer.link);
  if (peer.dial && *peer.dial != id) drop(*peer.dial);
  peer.dial.reset();
  peer.link = id;
  peer.called_by.reset();
  peer.waits_since.reset();
  Link& link = links_.at(id);
  link.stage = Stage::kUp;
  link.server = server;
  link.deadline.reset();
  if (members_.is_voter(server)) has_new_link_ = true;
  if (!peer.last.empty()) say(peer);
}

void ElectionLinks::drop(LinkId link, std::string reason) {
  outbox_.close(link, std::move(reason));
  forget(link);
}

void ElectionLinks::forget(LinkId id) {
  const auto found = links_.find(id);
  SYNOD_ASSERT(found != links_.end());
  const auto peer = peers_.find(found->second.server);
  if (peer != peers_.end()) {
    if (peer->second.link == id) peer->second.link.reset();
    if (peer->second.dial == id) peer->second.dial.reset();
  }
  links_.erase(found);
}

// ---- accepted links -----------------------------------------------------------------------------

void ElectionLinks::greet(LinkId id) {
  const auto found = find_initial_message(links_.at(id).input);
  if (!found && found.error() == InitialMessageProblem::kIncomplete) return;
  if (!found) return drop(id, "this is not how a server introduces itself");
  const InitialMessage& message = found->message;
  if (message.server == kAnonymous) return greeted_by_nameless(id, found->size);
  if (message.server.value <= 0) return drop(id, "a server's number is 1 or more");
  if (message.server == options_.self) return drop(id, "it says it has this server's number");
  if (!has_room_for(message.server)) return drop(id, "too many servers that are no members");
  if (message.server < options_.self) return greeted_by_smaller(id, message);
  greeted_by_larger(id, message, found->size);
}

// It wants to be called back. Where we have a link, it does not know of it any more.
void ElectionLinks::greeted_by_smaller(LinkId id, const InitialMessage& message) {
  drop(id);
  Peer& peer = peers_[message.server];
  peer.addresses = message.addresses;
  if (peer.link) drop(*peer.link);
  if (!peer.dial) dial(message.server, peer);
}

void ElectionLinks::greeted_by_larger(LinkId id, const InitialMessage& message,
                                      std::size_t message_size) {
  peers_[message.server].addresses = message.addresses;
  links_.at(id).input.erase(0, message_size);
  install(message.server, id);
  read_frames(id);
}

void ElectionLinks::greeted_by_nameless(LinkId id, std::size_t message_size) {
  const ServerId server{--nameless_count_};
  if (!has_room_for(server)) return drop(id, "too many servers that are no members");
  links_.at(id).input.erase(0, message_size);
  install(server, id);
  read_frames(id);
}

bool ElectionLinks::has_room_for(ServerId server) {
  if (is_member(server) || peers_.contains(server)) return true;
  std::erase_if(peers_, [&](const auto& known) {
    return !is_member(known.first) && !known.second.link && !known.second.dial;
  });
  const auto strangers =
      std::ranges::count_if(peers_, [&](const auto& known) { return !is_member(known.first); });
  return strangers < kMaxStrangers;
}

void ElectionLinks::make_room_for_greeting() {
  std::size_t count = 0;
  const std::pair<const LinkId, Link>* oldest = nullptr;
  for (const auto& link : links_) {
    if (link.second.stage != Stage::kGreeting) continue;
    ++count;
    if (oldest == nullptr || link.second.deadline < oldest->second.deadline) oldest = &link;
  }
  if (count >= kMaxGreeting) drop(oldest->first, "too many that do not say who they are");
}

// ---- frames -------------------------------------------------------------------------------------

void ElectionLinks::read_frames(LinkId id) {
  Link& link = links_.at(id);
  Peer& peer = peers_[link.server];
  BytesView rest = link.input;
  while (rest.size() >= kLengthBytes) {
    const auto length = jute::load_big_endian<std::int32_t>(rest.data());
    if (length < 1 || static_cast<std::size_t>(length) > kMaxFrameBytes) {
      drop(id, "a frame of " + std::to_string(length) + " bytes");
      return retry_later(peer);
    }
    const BytesView payload = rest.substr(kLengthBytes, static_cast<std::size_t>(length));
    if (payload.size() < static_cast<std::size_t>(length)) break;
    messages_.push_back(
        {.from = link.server, .payload = Bytes(payload), .is_first = !link.is_heard});
    link.is_heard = true;
    peer.failures = 0;
    peer.waits_since.reset();
    rest.remove_prefix(kLengthBytes + payload.size());
  }
  link.input.erase(0, link.input.size() - rest.size());
}

}  // namespace synod::consensus::zab
