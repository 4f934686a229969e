#include "net/peer_links.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "net/acceptor.h"
#include "net/peer_link.h"
#include "net/peer_listener.h"
#include "net/resolver.h"

namespace synod::net {

using boost::asio::ip::tcp;
using consensus::LinkId;
using consensus::Port;

namespace {

const char* name_of(Port port) {
  switch (port) {
    case Port::kElection:
      return "election";
    case Port::kQuorum:
      return "quorum";
    case Port::kObserverMaster:
      return "observer master";
  }
  return "";
}

}  // namespace

PeerLinks::PeerLinks(PeerOptions options, PeerEvents events)
    : options_(std::move(options)), events_(std::move(events)) {}

PeerLinks::~PeerLinks() { stop(); }

void PeerLinks::start(boost::asio::io_context& io, LinkEvents& sink) {
  io_ = &io;
  sink_ = &sink;
  resolver_ = std::make_unique<Resolver>(io, options_.lookup);
  listen(Port::kElection, options_.election, options_.bind_retries);
  listen(Port::kQuorum, options_.quorum, options_.bind_retries);
  // Nothing but observers depends on it.
  listen(Port::kObserverMaster, options_.observer_master, 0);
  flush();
}

void PeerLinks::listen(Port port, std::vector<consensus::Endpoint> endpoints, int retries) {
  if (options_.is_listening_on_all) {
    for (consensus::Endpoint& endpoint : endpoints) endpoint.host.clear();
    std::ranges::sort(endpoints, {}, &consensus::Endpoint::port);
    const auto same = std::ranges::unique(endpoints);
    endpoints.erase(same.begin(), same.end());
  }
  auto listener = std::make_shared<PeerListener>(
      *io_,
      PeerListener::Options{.name = std::string(name_of(port)) + " port",
                            .endpoints = std::move(endpoints),
                            .retries = retries,
                            .retry_delay = options_.bind_retry_delay},
      PeerListener::Events{
          .accepted = [this, port](tcp::socket socket) { admit(port, std::move(socket)); },
          .warn = events_.warn,
          .failed = events_.failed});
  listener->start(*resolver_);
  listeners_.emplace(port, std::move(listener));
}

void PeerLinks::stop() {
  if (io_ == nullptr) return;
  flush();
  for (const auto& [port, listener] : std::exchange(listeners_, {})) listener->close();
  for (const auto& [id, link] : std::exchange(links_, {})) link->abandon();
  for (const auto& weak : std::exchange(ending_, {})) {
    if (const auto link = weak.lock()) link->abandon();
  }
  noted_.clear();
  resolver_.reset();
  io_ = nullptr;
}

std::uint16_t PeerLinks::bound_port(Port port) const {
  const auto found = listeners_.find(port);
  return found == listeners_.end() ? 0 : found->second->bound_port();
}

// ---- what the core asks for -------------------------------------------------------------------

void PeerLinks::note(const std::shared_ptr<PeerLink>& link) {
  if (!std::exchange(link->is_noted, true)) noted_.push_back(link);
}

void PeerLinks::dial(LinkId id, ServerId server, Port port,
                     std::vector<consensus::Endpoint> endpoints) {
  auto link = std::make_shared<PeerLink>(*this, id, server, port, std::move(endpoints));
  const bool is_new = links_.emplace(id, link).second;
  SYNOD_ASSERT(is_new);
  note(link);
}

// The core may not have heard yet that a link is gone.
void PeerLinks::send(LinkId id, Bytes bytes) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  found->second->send(std::move(bytes));
  note(found->second);
}

void PeerLinks::close(LinkId id) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  const auto link = found->second;
  links_.erase(found);
  link->end();
  note(link);
  std::erase_if(ending_, [](const auto& weak) { return weak.expired(); });
  ending_.push_back(link);
}

std::size_t PeerLinks::unsent(LinkId id) const {
  const auto found = links_.find(id);
  return found == links_.end() ? 0 : found->second->unsent();
}

void PeerLinks::flush() {
  if (io_ == nullptr) return;
  std::swap(noted_, flushing_);
  for (const auto& link : flushing_) {
    link->is_noted = false;
    link->flush();
    if (ending_.size() > kEndingMax) link->abandon_if_ending();
  }
  flushing_.clear();
}

// ---- what links have to tell ------------------------------------------------------------------

void PeerLinks::admit(Port port, tcp::socket socket) {
  boost::system::error_code error;
  const auto peer = socket.remote_endpoint(error);
  if (error) return;  // gone already
  std::string address = to_text(peer.address());
  std::size_t strangers = 0;
  std::size_t of_this_address = 0;
  for (const auto& [id, link] : links_) {
    if (!link->is_stranger()) continue;
    ++strangers;
    if (link->address() == address) ++of_this_address;
  }
  if (strangers >= options_.max_strangers ||
      of_this_address >= options_.max_strangers_per_address) {
    events_.complain("refused a connection to the " + std::string(name_of(port)) + " port from " +
                     address + ": too many that have not said who they are");
    return refuse(socket);
  }
  last_accepted_.value += 2;
  const auto link = std::make_shared<PeerLink>(*this, last_accepted_, port, std::move(socket),
                                               std::move(address));
  links_.emplace(link->id(), link);
  link->start_accepted();
}

void PeerLinks::linked(PeerLink& link) {
  complaints_.erase({link.server(), link.port()});
  sink_->linked(link.id());
}

// A server that is down is dialled again and again: only the first failure, and another reason, are
// worth a line.
void PeerLinks::broken(PeerLink& link, bool was_open, const std::string& why) {
  links_.erase(link.id());
  const std::string port = name_of(link.port());
  if (link.server() == ServerId{}) {
    events_.complain("the link from " + link.address() + " to the " + port + " port broke: " + why);
  } else if (was_open) {
    events_.complain("the " + port + " link to server " + std::to_string(link.server().value) +
                     " broke: " + why);
  } else if (std::string& last = complaints_[{link.server(), link.port()}]; last != why) {
    last = why;
    events_.complain("cannot reach the " + port + " port of server " +
                     std::to_string(link.server().value) + ": " + why);
  }
  if (link.is_known()) sink_->unlinked(link.id());
}

}  // namespace synod::net
