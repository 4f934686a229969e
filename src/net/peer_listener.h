// One of a server's two ports: bound, tried again where that fails, and what connects to it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "consensus/engine.h"
#include "net/acceptor.h"
#include "net/resolver.h"

namespace synod::net {

class PeerListener : public std::enable_shared_from_this<PeerListener> {
 public:
  struct Options {
    std::string name;  // "election port", for messages
    std::vector<consensus::Endpoint> endpoints;
    int retries = 3;  // 0: for ever
    std::chrono::milliseconds retry_delay{1000};
  };
  struct Events {
    std::function<void(boost::asio::ip::tcp::socket socket)> accepted;
    std::function<void(const std::string& text)> warn;
    std::function<void(const Error& error)> failed;
  };
  PeerListener(boost::asio::io_context& io, Options options, Events events);

  void start(Resolver& resolver);
  void close();
  [[nodiscard]] std::uint16_t bound_port() const;  // of the first endpoint; 0: not bound yet

 private:
  void bind();
  void resolved(std::size_t endpoint, const Result<Addresses>& addresses);
  [[nodiscard]] Result<void> open(const consensus::Endpoint& endpoint, const Addresses& addresses);
  void bound();
  void not_bound(const std::string& why);
  void accept(boost::asio::ip::tcp::acceptor& acceptor);

  boost::asio::io_context& io_;
  Options options_;
  Events events_;
  Resolver* resolver_ = nullptr;  // null: closed
  boost::asio::steady_timer timer_;
  int failures_ = 0;
  std::vector<std::unique_ptr<boost::asio::ip::tcp::acceptor>> acceptors_;
};

}  // namespace synod::net
