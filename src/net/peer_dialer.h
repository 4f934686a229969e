// One dial: names looked up, then all addresses behind them tried, each a moment after the one
// before, until one connects.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "consensus/engine.h"
#include "net/resolver.h"

namespace synod::net {

class PeerDialer : public std::enable_shared_from_this<PeerDialer> {
 public:
  struct Connected {
    boost::asio::ip::tcp::socket socket;
    std::string host;  // as it was asked for
  };
  using Done = std::function<void(Result<Connected>)>;

  PeerDialer(boost::asio::io_context& io, std::vector<consensus::Endpoint> endpoints, Done done);

  // `done` is called once, later, unless cancel() comes first.
  void start(Resolver& resolver, std::chrono::milliseconds timeout);
  void cancel();

 private:
  struct Candidate {
    boost::asio::ip::tcp::endpoint endpoint;
    std::string host;
  };

  void resolved(const consensus::Endpoint& endpoint, const Result<Addresses>& addresses);
  void try_next();
  void connected(boost::asio::ip::tcp::socket& socket, std::string host);
  void finish(Result<Connected> result);
  void note(const std::string& complaint);

  boost::asio::io_context& io_;
  std::vector<consensus::Endpoint> endpoints_;
  Done done_;
  boost::asio::steady_timer deadline_;
  boost::asio::steady_timer stagger_;
  std::size_t unresolved_ = 0;
  std::vector<Candidate> candidates_;
  std::size_t next_ = 0;  // of candidates_
  std::vector<std::shared_ptr<boost::asio::ip::tcp::socket>> trying_;
  std::string complaints_;  // what has failed so far
};

}  // namespace synod::net
