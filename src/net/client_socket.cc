#include "net/client_socket.h"

#include <boost/asio/buffer.hpp>
#include <utility>

#include "net/client_loop.h"
#include "net/clock.h"

namespace synod::net {

using boost::asio::ip::tcp;

namespace {

// A client that lets this much pile up (events, mostly) is not coming back for it.
constexpr std::size_t kUnsentMax = std::size_t{256} << 20;
// A buffer that grew beyond this is given back once it is empty.
constexpr std::size_t kBufferKept = 64 * 1024;

}  // namespace

ClientSocket::ClientSocket(ClientLoop& loop, tcp::socket socket, std::string address,
                           std::shared_ptr<replica::ClientConnection> connection)
    : loop_(loop),
      socket_(std::move(socket)),
      address_(std::move(address)),
      connection_(std::move(connection)) {
  socket_.non_blocking(true);
}

void ClientSocket::wait_for_input() {
  if (is_reading_ || !socket_.is_open()) return;
  is_reading_ = true;
  socket_.async_wait(tcp::socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->is_reading_ = false;
                       if (error) return self->close();
                       self->read();
                     });
}

// One buffer's worth a turn, so that no client keeps the others waiting.
void ClientSocket::read() {
  if (!socket_.is_open()) return;
  boost::system::error_code error;
  const std::size_t count = socket_.read_some(boost::asio::buffer(loop_.read_buffer_), error);
  if (error == boost::asio::error::would_block) return wait_for_input();
  if (error || count == 0) return close();
  bool has_submitted = false;
  std::string word;
  {
    const std::scoped_lock lock(loop_.mutex_);
    connection_->receive({loop_.read_buffer_.data(), count}, steady_now());
    has_submitted = !loop_.lane_.submitted.empty();
    word = connection_->word();
  }
  if (!word.empty()) answer_word(word);
  if (has_submitted) loop_.hooks_.submitted();
  flush();
}

// The answer speaks of all connections, so it is made while no lock is held.
void ClientSocket::answer_word(const std::string& word) {
  const std::string text = loop_.hooks_.answer_word(word);
  const std::scoped_lock lock(loop_.mutex_);
  connection_->answer_word(text);
}

void ClientSocket::take_output() {
  if (!unsent_.empty()) {
    unsent_.append(connection_->output());
    connection_->output().clear();
  } else {
    std::swap(unsent_, connection_->output());
  }
}

void ClientSocket::flush() {
  if (!socket_.is_open()) return;
  bool is_ending = false;
  bool is_congested = false;
  while (!is_writing_) {
    bool has_submitted = false;
    {
      const std::scoped_lock lock(loop_.mutex_);
      take_output();
      connection_->resume();
      has_submitted = !loop_.lane_.submitted.empty();
      is_ending = connection_->is_ending();
      is_congested = connection_->is_congested();
    }
    if (has_submitted) loop_.hooks_.submitted();
    if (unsent_.empty()) break;
    if (!write()) return;
  }
  if (is_writing_) {  // what came meanwhile stays with the connection until there is room
    const std::scoped_lock lock(loop_.mutex_);
    if (connection_->output().size() > kUnsentMax)
      is_ending = true;
    else
      return;
  }
  if (is_ending) return close();
  if (!is_congested) wait_for_input();
}

bool ClientSocket::write() {
  while (sent_ < unsent_.size()) {
    boost::system::error_code error;
    sent_ += socket_.write_some(boost::asio::buffer(unsent_.data() + sent_, unsent_.size() - sent_),
                                error);
    if (error == boost::asio::error::would_block) {
      wait_for_room();
      return false;
    }
    if (error) {
      close();
      return false;
    }
  }
  sent_ = 0;
  unsent_.clear();
  if (unsent_.capacity() > kBufferKept) unsent_ = Bytes();
  return true;
}

void ClientSocket::wait_for_room() {
  is_writing_ = true;
  socket_.async_wait(tcp::socket::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->is_writing_ = false;
                       if (error) return self->close();
                       if (self->socket_.is_open() && self->write()) self->flush();
                     });
}

void ClientSocket::close() {
  if (!socket_.is_open()) return;
  const auto self = shared_from_this();  // the loop's table may hold the last reference
  boost::system::error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  socket_.close(ignored);
  std::string complaint;
  {
    const std::scoped_lock lock(loop_.mutex_);
    complaint = connection_->complaint();
    connection_->disconnected();
  }
  if (!complaint.empty()) loop_.hooks_.complained(address_, complaint);
  loop_.hooks_.submitted();
  loop_.forget(*this);
}

}  // namespace synod::net
