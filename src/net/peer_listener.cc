#include "net/peer_listener.h"

#include <utility>

namespace synod::net {

using boost::asio::ip::tcp;

PeerListener::PeerListener(boost::asio::io_context& io, Options options, Events events)
    : io_(io), options_(std::move(options)), events_(std::move(events)), timer_(io) {}

void PeerListener::start(Resolver& resolver) {
  resolver_ = &resolver;
  bind();
}

void PeerListener::close() {
  resolver_ = nullptr;
  timer_.cancel();
  boost::system::error_code ignored;
  for (const auto& acceptor : acceptors_) acceptor->close(ignored);
}

std::uint16_t PeerListener::bound_port() const {
  if (acceptors_.empty()) return 0;
  boost::system::error_code ignored;
  return acceptors_.front()->local_endpoint(ignored).port();
}

void PeerListener::bind() {
  acceptors_.clear();
  resolved(0, Addresses{});
}

// The endpoints one after the other; all of them have to be had. The first call is for none.
void PeerListener::resolved(std::size_t endpoint, const Result<Addresses>& addresses) {
  if (resolver_ == nullptr) return;
  if (!addresses) return not_bound(addresses.error().text);
  if (endpoint != 0) {
    if (const auto opened = open(options_.endpoints[endpoint - 1], *addresses); !opened)
      return not_bound(opened.error().text);
  }
  if (endpoint == options_.endpoints.size()) return bound();
  const std::string& host = options_.endpoints[endpoint].host;
  if (is_wildcard(host)) return resolved(endpoint + 1, Addresses{});
  resolver_->resolve(host, [self = shared_from_this(), endpoint](const Result<Addresses>& found) {
    self->resolved(endpoint + 1, found);
  });
}

// A name may stand for addresses that this machine does not have beside one that it has.
Result<void> PeerListener::open(const consensus::Endpoint& endpoint, const Addresses& addresses) {
  const std::string where = endpoint.host + ":" + std::to_string(endpoint.port);
  const auto complaint = [&](const boost::system::error_code& error) {
    return fail(ErrorKind::kIo,
                "cannot listen on the " + options_.name + " " + where + ": " + error.message());
  };
  if (addresses.empty()) {
    Acceptor opened = open_acceptor(io_, {}, endpoint.port);
    if (opened.error) return complaint(opened.error);
    acceptors_.push_back(std::move(opened.socket));
    return {};
  }
  std::size_t count = 0;
  boost::system::error_code missing;
  for (const auto& address : addresses) {
    Acceptor opened = open_acceptor(io_, address, endpoint.port);
    if (opened.socket) {
      acceptors_.push_back(std::move(opened.socket));
      ++count;
    } else if (opened.error == boost::asio::error::address_in_use) {
      return complaint(opened.error);
    } else {
      missing = opened.error;
    }
  }
  if (count == 0) return complaint(missing);
  return {};
}

void PeerListener::bound() {
  if (failures_ != 0) events_.warn("the " + options_.name + " is open now");
  for (const auto& acceptor : acceptors_) accept(*acceptor);
}

void PeerListener::not_bound(const std::string& why) {
  acceptors_.clear();
  ++failures_;
  if (options_.retries != 0 && failures_ >= options_.retries) {
    return events_.failed(
        {ErrorKind::kIo, why + " (" + std::to_string(failures_) +
                             (failures_ == 1 ? " try" : " tries") +
                             "). Is another server running? Its server.N line names the port; "
                             "electionPortBindRetry says how often to try (0: for ever)."});
  }
  events_.warn(why + "; trying again");
  timer_.expires_after(options_.retry_delay);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error && self->resolver_ != nullptr) self->bind();
  });
}

void PeerListener::accept(tcp::acceptor& acceptor) {
  acceptor.async_accept([self = shared_from_this(), &acceptor](
                            const boost::system::error_code& error, tcp::socket socket) {
    if (error == boost::asio::error::operation_aborted || self->resolver_ == nullptr) return;
    if (!error) {
      self->events_.accepted(std::move(socket));
      return self->accept(acceptor);
    }
    // Out of descriptors, most likely: again when some may be free.
    self->events_.warn("cannot accept on the " + self->options_.name + ": " + error.message());
    const auto pause = std::make_shared<boost::asio::steady_timer>(self->io_);
    pause->expires_after(std::chrono::milliseconds(100));
    pause->async_wait([self, pause, &acceptor](const boost::system::error_code&) {
      if (self->resolver_ != nullptr) self->accept(acceptor);
    });
  });
}

}  // namespace synod::net
