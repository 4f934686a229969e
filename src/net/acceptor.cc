#include "net/acceptor.h"

#include <boost/asio/ip/v6_only.hpp>

namespace synod::net {

using boost::asio::ip::tcp;

Acceptor open_acceptor(boost::asio::io_context& io,
                       const std::optional<boost::asio::ip::address>& address, std::uint16_t port,
                       int backlog) {
  boost::system::error_code error;
  tcp::endpoint endpoint(tcp::v6(), port);
  if (address) endpoint.address(*address);
  auto acceptor = std::make_unique<tcp::acceptor>(io);
  acceptor->open(endpoint.protocol(), error);
  if (error && !address) {  // a machine without IPv6
    endpoint = tcp::endpoint(tcp::v4(), port);
    acceptor->open(endpoint.protocol(), error);
  }
  const auto step = [&](auto&& call) {
    if (!error) call();
  };
  step([&] { acceptor->set_option(tcp::acceptor::reuse_address(true), error); });
  step([&] {
    if (endpoint.address().is_v6())
      acceptor->set_option(boost::asio::ip::v6_only(address.has_value()), error);
  });
  step([&] { acceptor->bind(endpoint, error); });
  step([&] {
    acceptor->listen(backlog > 0 ? backlog : tcp::acceptor::max_listen_connections, error);
  });
  if (error) return {nullptr, error};
  return {std::move(acceptor), {}};
}

void refuse(tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(boost::asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);  // in the destructor Asio takes that option back
}

}  // namespace synod::net
