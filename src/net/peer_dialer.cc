#include "net/peer_dialer.h"

#include <utility>

namespace synod::net {

using boost::asio::ip::tcp;

namespace {

// What an address gets before the next one is tried beside it (RFC 8305).
constexpr std::chrono::milliseconds kStagger{250};

std::string to_text(const tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  const std::string port = std::to_string(endpoint.port());
  return endpoint.address().is_v6() ? "[" + host + "]:" + port : host + ":" + port;
}

}  // namespace

PeerDialer::PeerDialer(boost::asio::io_context& io, std::vector<consensus::Endpoint> endpoints,
                       Done done)
    : io_(io),
      endpoints_(std::move(endpoints)),
      done_(std::move(done)),
      deadline_(io),
      stagger_(io) {}

void PeerDialer::start(Resolver& resolver, std::chrono::milliseconds timeout) {
  deadline_.expires_after(timeout);
  deadline_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (error || !self->done_) return;  // both may come due while the process stands still
    self->note("no answer in time");
    self->finish(fail(ErrorKind::kIo, self->complaints_));
  });
  unresolved_ = endpoints_.size();
  for (const consensus::Endpoint& endpoint : endpoints_) {
    resolver.resolve(endpoint.host,
                     [self = shared_from_this(), endpoint](const Result<Addresses>& addresses) {
                       self->resolved(endpoint, addresses);
                     });
  }
}

void PeerDialer::resolved(const consensus::Endpoint& endpoint, const Result<Addresses>& addresses) {
  if (!done_) return;
  --unresolved_;
  if (addresses) {
    for (const auto& address : *addresses)
      candidates_.push_back({tcp::endpoint(address, endpoint.port), endpoint.host});
  } else {
    note(addresses.error().text);
  }
  if (trying_.empty()) try_next();
}

// Also called when the one before has failed.
void PeerDialer::try_next() {
  if (next_ == candidates_.size()) {
    if (unresolved_ == 0 && trying_.empty()) finish(fail(ErrorKind::kIo, complaints_));
    return;
  }
  const Candidate& candidate = candidates_[next_++];
  auto socket = std::make_shared<tcp::socket>(io_);
  trying_.push_back(socket);
  socket->async_connect(candidate.endpoint, [self = shared_from_this(), socket,
                                             candidate](const boost::system::error_code& error) {
    if (!self->done_) return;
    if (!error) return self->connected(*socket, candidate.host);
    std::erase(self->trying_, socket);
    self->note(to_text(candidate.endpoint) + ": " + error.message());
    self->try_next();
  });
  stagger_.expires_after(kStagger);
  stagger_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error && self->done_) self->try_next();
  });
}

void PeerDialer::connected(tcp::socket& socket, std::string host) {
  // A port of this machine that nobody listens on may connect to itself.
  boost::system::error_code error;
  if (socket.local_endpoint(error) == socket.remote_endpoint(error)) {
    std::erase_if(trying_, [&](const auto& one) { return one.get() == &socket; });
    note("connected to itself");
    return try_next();
  }
  Connected result{std::move(socket), std::move(host)};
  finish(std::move(result));
}

void PeerDialer::finish(Result<Connected> result) {
  const Done done = std::move(done_);
  cancel();
  done(std::move(result));
}

void PeerDialer::cancel() {
  done_ = nullptr;
  deadline_.cancel();
  stagger_.cancel();
  for (const auto& socket : std::exchange(trying_, {})) {
    boost::system::error_code ignored;
    socket->close(ignored);
  }
}

void PeerDialer::note(const std::string& complaint) {
  if (!complaints_.empty()) complaints_ += "; ";
  complaints_ += complaint;
}

}  // namespace synod::net
