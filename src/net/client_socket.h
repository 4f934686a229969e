// One client's socket: moves bytes between the kernel and the connection object, nothing else.
// Lives on its loop's thread.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "replica/client_connection.h"

namespace synod::net {

class ClientLoop;

class ClientSocket : public std::enable_shared_from_this<ClientSocket> {
 public:
  ClientSocket(ClientLoop& loop, boost::asio::ip::tcp::socket socket, std::string address,
               std::shared_ptr<replica::ClientConnection> connection);

  void start() { wait_for_input(); }
  // The core gave the connection output, or its end.
  void flush();
  void close();

  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] replica::ClientConnection& connection() { return *connection_; }
  [[nodiscard]] bool is_open() const { return socket_.is_open(); }

 private:
  void wait_for_input();
  void read();
  bool write();  // false: the kernel takes no more for now
  void wait_for_room();
  void take_output();
  void answer_word(const std::string& word);

  ClientLoop& loop_;
  boost::asio::ip::tcp::socket socket_;
  std::string address_;
  std::shared_ptr<replica::ClientConnection> connection_;
  Bytes unsent_;
  std::size_t sent_ = 0;  // of unsent_
  bool is_reading_ = false;
  bool is_writing_ = false;  // waits for room
};

}  // namespace synod::net
