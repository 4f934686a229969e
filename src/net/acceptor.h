// A listening socket.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <memory>
#include <optional>

namespace synod::net {

struct Acceptor {
  std::unique_ptr<boost::asio::ip::tcp::acceptor> socket;  // null: see `error`
  boost::system::error_code error;
};

// Without an address: all of them, IPv6 and IPv4 on one socket where the machine has both.
[[nodiscard]] Acceptor open_acceptor(boost::asio::io_context& io,
                                     const std::optional<boost::asio::ip::address>& address,
                                     std::uint16_t port, int backlog = -1);

// Closes with a reset, so that nothing of it stays behind.
void refuse(boost::asio::ip::tcp::socket& socket);

}  // namespace synod::net
