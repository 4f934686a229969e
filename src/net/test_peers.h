// Two ends for the tests: links on real sockets of the loopback, and what they told.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "net/peer_links.h"

namespace synod::net {

inline constexpr consensus::LinkId kFirst{1};
inline constexpr consensus::LinkId kSecond{3};
inline constexpr ServerId kOther{2};

// A server without a replica: it notes what it is told.
class TestPeer final : private LinkEvents {
 public:
  explicit TestPeer(boost::asio::io_context& io, PeerOptions options = {})
      : links(with_ports(std::move(options)),
              {.warn = [this](const std::string& text) { warnings.push_back(text); },
               .complain = [this](const std::string& text) { complaints.push_back(text); },
               .failed = [this](const Error& error) { failures.push_back(error.text); }}) {
    links.start(io, *this);
  }

  [[nodiscard]] std::vector<consensus::Endpoint> endpoints(consensus::Port port) const {
    return {{"127.0.0.1", links.bound_port(port)}};
  }
  [[nodiscard]] bool is_open() const {
    return links.bound_port(consensus::Port::kElection) != 0 &&
           links.bound_port(consensus::Port::kQuorum) != 0;
  }
  // As the core does after its turn.
  void send(consensus::LinkId link, Bytes message) {
    links.send(link, std::move(message));
    links.flush();
  }
  void dial(consensus::LinkId link, consensus::Port port, std::vector<consensus::Endpoint> where) {
    links.dial(link, kOther, port, std::move(where));
    links.flush();
  }
  void close(consensus::LinkId link) {
    links.close(link);
    links.flush();
  }

  PeerLinks links;
  std::vector<std::pair<consensus::LinkId, consensus::Port>> accepted_links;
  std::vector<consensus::LinkId> linked_links;
  std::vector<consensus::LinkId> unlinked_links;
  std::vector<consensus::LinkId> drained_links;
  std::map<consensus::LinkId, Bytes> bytes;
  std::vector<std::string> warnings;
  std::vector<std::string> complaints;
  std::vector<std::string> failures;
  std::function<void(consensus::LinkId, BytesView)> on_received;  // instead of keeping them

 private:
  static PeerOptions with_ports(PeerOptions options) {
    if (options.quorum.empty()) options.quorum = {{"127.0.0.1", 0}};
    if (options.election.empty()) options.election = {{"127.0.0.1", 0}};
    return options;
  }

  void accepted(consensus::LinkId link, consensus::Port port) override {
    accepted_links.emplace_back(link, port);
  }
  void linked(consensus::LinkId link) override { linked_links.push_back(link); }
  void unlinked(consensus::LinkId link) override { unlinked_links.push_back(link); }
  void received(consensus::LinkId link, BytesView view) override {
    if (on_received) return on_received(link, view);
    bytes[link].append(view);
  }
  void drained(consensus::LinkId link) override { drained_links.push_back(link); }
};

class PeerTest : public testing::Test {
 protected:
  // Runs the loop until it is so; a test that waits in vain fails.
  void until(const std::function<bool()>& is_so) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!is_so()) {
      io_.restart();
      io_.run_for(std::chrono::milliseconds(1));
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "it never came to that";
    }
  }
  void run_for(std::chrono::milliseconds time) {
    io_.restart();
    io_.run_for(time);
  }
  boost::asio::ip::tcp::socket connect(const consensus::Endpoint& endpoint) {
    boost::asio::ip::tcp::socket socket(io_);
    socket.connect({boost::asio::ip::make_address(endpoint.host), endpoint.port});
    return socket;
  }
  // A port where nobody listens.
  consensus::Endpoint closed_port() {
    const boost::asio::ip::tcp::acceptor acceptor(io_,
                                                  {boost::asio::ip::make_address("127.0.0.1"), 0});
    return {"127.0.0.1", acceptor.local_endpoint().port()};
  }

  boost::asio::io_context io_;
};

}  // namespace synod::net
