#include "net/peer_link.h"

#include <sys/socket.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <utility>

#include "net/acceptor.h"
#include "net/peer_links.h"

namespace synod::net {

using boost::asio::ip::tcp;
using replica::Links;

namespace {

// How long what was sent before the end may take to go out.
constexpr std::chrono::seconds kEndingTime{2};
// Parts given to the kernel in one call.
constexpr std::size_t kPartsMax = 128;

std::string last_error() {
  return boost::system::error_code(errno, boost::system::system_category()).message();
}

}  // namespace

PeerLink::PeerLink(PeerLinks& owner, consensus::LinkId id, ServerId server, consensus::Port port,
                   std::vector<consensus::Endpoint> endpoints)
    : owner_(owner),
      id_(id),
      server_(server),
      port_(port),
      endpoints_(std::move(endpoints)),
      stage_(Stage::kUndialled) {}

PeerLink::PeerLink(PeerLinks& owner, consensus::LinkId id, consensus::Port port, tcp::socket socket,
                   std::string address)
    : owner_(owner),
      id_(id),
      port_(port),
      address_(std::move(address)),
      stage_(Stage::kOpen),
      is_stranger_(true) {
  adopt(std::move(socket));
}

// ---- the beginning ----------------------------------------------------------------------------

void PeerLink::dial() {
  stage_ = Stage::kDialling;
  dialer_ = std::make_shared<PeerDialer>(
      *owner_.io_, std::move(endpoints_),
      [self = shared_from_this()](Result<PeerDialer::Connected> result) {
        self->connected(std::move(result));
      });
  dialer_->start(*owner_.resolver_, owner_.options_.dial_timeout);
}

void PeerLink::connected(Result<PeerDialer::Connected> result) {
  dialer_ = nullptr;
  if (stage_ != Stage::kDialling) return;  // the core has given it up; flush() comes
  if (!result) return break_off(result.error().text);
  address_ = result->host;
  adopt(std::move(result->socket));
  stage_ = Stage::kOpen;
  guard(LinkGuard::Side::kDialled);
}

void PeerLink::adopt(tcp::socket socket) {
  socket_ = std::move(socket);
  boost::system::error_code ignored;
  socket_->non_blocking(true, ignored);
  socket_->set_option(tcp::no_delay(true), ignored);
  if (port_ == consensus::Port::kElection && owner_.options_.is_keep_alive)
    socket_->set_option(boost::asio::socket_base::keep_alive(true), ignored);
}

void PeerLink::start_accepted() { guard(LinkGuard::Side::kAccepted); }

// ---- the handshake, where there is one --------------------------------------------------------

void PeerLink::guard(LinkGuard::Side side) {
  const PeerSecurity& security = owner_.options_.security;
  if (is_guarded(security)) {
    guard_ = std::make_unique<LinkGuard>(security, side, port_, address_);
    wait_for_handshake(guard_->is_detecting() ? security.detection_timeout
                                              : security.handshake_timeout);
    pump();
  } else {
    announce();
  }
  wait_for_input();
}

void PeerLink::wait_for_handshake(std::chrono::milliseconds time) {
  timer_.emplace(*owner_.io_, time);
  timer_->async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (error || self->stage_ != Stage::kOpen || !self->guard_ || self->guard_->is_open()) return;
    const bool was_detecting = self->guard_->is_detecting();
    self->guard_->stop_detecting();
    if (!was_detecting || self->guard_->is_detecting())
      return self->break_off("no handshake in time");
    self->wait_for_handshake(self->owner_.options_.security.handshake_timeout);
    self->pump();
  });
}

void PeerLink::announce() {
  is_announced_ = true;
  if (server_ == ServerId{})
    owner_.sink_->accepted(id_, port_);
  else
    owner_.linked(*this);
}

// What the guard has made of what came, and of time.
void PeerLink::pump() {
  guard_->take_wire(unsent_);
  if (!is_waiting_for_room_) write();
  if (!guard_->failure().empty()) return break_off(guard_->failure());
  if (guard_->is_linked() && !is_announced_) announce();
  if (stage_ != Stage::kOpen || !is_announced_) return;
  const Bytes arrived = guard_->take_arrived();
  const bool has_ended = guard_->has_ended();
  if (guard_->is_open()) timer_.reset();
  if (guard_->is_through()) {
    guard_->take_wire(unsent_);
    guard_.reset();
  }
  if (!arrived.empty()) owner_.sink_->received(id_, arrived);
  if (has_ended) break_off("the other end closed it");
}

// ---- bytes in ---------------------------------------------------------------------------------

void PeerLink::wait_for_input() {
  if (stage_ != Stage::kOpen) return;
  socket_->async_wait(tcp::socket::wait_read,
                      [self = shared_from_this()](const boost::system::error_code& error) {
                        if (!error) self->read();
                      });
}

// One buffer's worth a turn, so that a server that is being brought up to date keeps nobody
// waiting. Until it has been dealt with, the sender waits: that is all the back-pressure it takes.
void PeerLink::read() {
  if (stage_ != Stage::kOpen) return;
  boost::system::error_code error;
  const std::size_t count = socket_->read_some(boost::asio::buffer(owner_.read_buffer_), error);
  if (error == boost::asio::error::would_block) return wait_for_input();
  if (error == boost::asio::error::eof) return break_off("the other end closed it");
  if (error) return break_off(error.message());
  const BytesView bytes(owner_.read_buffer_.data(), count);
  if (guard_) {
    guard_->receive(bytes);
    pump();
  } else {
    owner_.sink_->received(id_, bytes);
  }
  wait_for_input();
}

// ---- bytes out --------------------------------------------------------------------------------

void PeerLink::send(Bytes bytes) {
  is_stranger_ = false;
  if (guard_)
    guard_->send(std::move(bytes));
  else
    unsent_.push(std::move(bytes));
  if (unsent() >= Links::kManyBytes) was_full_ = true;
}

void PeerLink::flush() {
  if (stage_ == Stage::kUndialled) return dial();
  if (stage_ == Stage::kGone) return abandon();
  if (!socket_ || is_breaking_) return;
  if (guard_) {
    guard_->take_wire(unsent_);
    if (stage_ == Stage::kEnding) guard_->end();
    guard_->take_wire(unsent_);
  }
  if (!is_waiting_for_room_) write();
  if (stage_ == Stage::kEnding) return finish_ending();
  if (unsent() > owner_.options_.max_unsent) {
    break_off_later("it does not take what is sent: " + std::to_string(unsent()) +
                    " bytes were waiting");
  }
}

// All there is, as far as the kernel takes it.
void PeerLink::write() {
  while (!unsent_.is_empty()) {
    std::array<iovec, kPartsMax> parts;
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = unsent_.gather(parts);
    const ssize_t count = ::sendmsg(socket_->native_handle(), &message, MSG_NOSIGNAL);
    if (count >= 0) {
      unsent_.consume(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      wait_for_room();
      break;
    } else if (errno != EINTR) {
      return break_off_later(last_error());
    }
  }
  settle();
}

void PeerLink::wait_for_room() {
  is_waiting_for_room_ = true;
  socket_->async_wait(tcp::socket::wait_write,
                      [self = shared_from_this()](const boost::system::error_code& error) {
                        self->is_waiting_for_room_ = false;
                        if (!error) self->flush();
                      });
}

// Tells the core, later, that there is room again.
void PeerLink::settle() {
  if (!was_full_ || unsent() >= Links::kManyBytes / 2) return;
  was_full_ = false;
  boost::asio::post(*owner_.io_, [self = shared_from_this()] {
    if (self->stage_ == Stage::kOpen) self->owner_.sink_->drained(self->id_);
  });
}

// ---- the end ----------------------------------------------------------------------------------

void PeerLink::break_off(const std::string& why) {
  if (stage_ == Stage::kGone) return;
  const bool is_wanted = stage_ != Stage::kEnding;
  const bool was_open = is_announced_;
  const auto self = shared_from_this();  // the owner may hold the last reference
  abandon();
  if (is_wanted) owner_.broken(*this, was_open, why);
}

void PeerLink::break_off_later(std::string why) {
  if (std::exchange(is_breaking_, true)) return;
  boost::asio::post(*owner_.io_,
                    [self = shared_from_this(), why = std::move(why)] { self->break_off(why); });
}

void PeerLink::finish_ending() {
  if (unsent_.is_empty() || is_breaking_) return abandon();
  if (std::exchange(is_ending_timed_, true)) return;
  timer_.emplace(*owner_.io_, kEndingTime);
  timer_->async_wait(
      [self = shared_from_this()](const boost::system::error_code&) { self->abandon(); });
}

void PeerLink::abandon() {
  stage_ = Stage::kGone;
  if (dialer_) std::exchange(dialer_, nullptr)->cancel();
  unsent_.clear();
  timer_.reset();
  if (!socket_ || !socket_->is_open()) return;
  boost::system::error_code ignored;
  socket_->shutdown(tcp::socket::shutdown_send, ignored);
  socket_->close(ignored);
}

}  // namespace synod::net
