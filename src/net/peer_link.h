// One link to another server, from its dial or its acceptance to its end: a socket, and what waits
// to be written to it. Lives on the core's loop.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "consensus/engine.h"
#include "net/link_guard.h"
#include "net/peer_dialer.h"
#include "net/send_queue.h"

namespace synod::net {

class PeerLinks;

class PeerLink : public std::enable_shared_from_this<PeerLink> {
 public:
  // To be dialled by the first flush().
  PeerLink(PeerLinks& owner, consensus::LinkId id, ServerId server, consensus::Port port,
           std::vector<consensus::Endpoint> endpoints);
  // Accepted.
  PeerLink(PeerLinks& owner, consensus::LinkId id, consensus::Port port,
           boost::asio::ip::tcp::socket socket, std::string address);

  void start_accepted();

  // What the core asked for; done by flush().
  void send(Bytes bytes);
  void end() { stage_ = stage_ == Stage::kOpen ? Stage::kEnding : Stage::kGone; }
  void flush();
  // At once; nothing is said of it to anybody.
  void abandon();
  void abandon_if_ending() {
    if (stage_ == Stage::kEnding) abandon();
  }

  [[nodiscard]] consensus::LinkId id() const { return id_; }
  [[nodiscard]] consensus::Port port() const { return port_; }
  [[nodiscard]] ServerId server() const { return server_; }
  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] bool is_stranger() const { return is_stranger_; }
  [[nodiscard]] std::size_t unsent() const {
    return unsent_.size() + (guard_ ? guard_->held() : 0);
  }
  // The core has been told of it, or asked for it.
  [[nodiscard]] bool is_known() const { return is_announced_ || server_ != ServerId{}; }
  bool is_noted = false;  // in the owner's list for the next flush()

 private:
  enum class Stage : std::uint8_t {
    kUndialled,
    kDialling,
    kOpen,
    kEnding,  // the core is done with it; what it sent goes out, for a while
    kGone,
  };

  void dial();
  void connected(Result<PeerDialer::Connected> result);
  void adopt(boost::asio::ip::tcp::socket socket);
  void guard(LinkGuard::Side side);
  void wait_for_handshake(std::chrono::milliseconds time);
  void announce();
  void pump();
  void wait_for_input();
  void read();
  void write();
  void wait_for_room();
  void settle();
  void break_off(const std::string& why);
  void break_off_later(std::string why);
  void finish_ending();

  PeerLinks& owner_;
  consensus::LinkId id_;
  ServerId server_{};  // 0: accepted
  consensus::Port port_;
  std::vector<consensus::Endpoint> endpoints_;  // until it is dialled
  std::string address_;                         // of the other end
  Stage stage_;
  std::shared_ptr<PeerDialer> dialer_;
  std::optional<boost::asio::ip::tcp::socket> socket_;
  std::unique_ptr<LinkGuard> guard_;                // null: bytes pass as they are
  std::optional<boost::asio::steady_timer> timer_;  // of the handshake, then of the end
  SendQueue unsent_;
  bool is_stranger_ = false;
  bool is_announced_ = false;
  bool is_waiting_for_room_ = false;
  bool is_ending_timed_ = false;
  bool is_breaking_ = false;  // break_off_later() was called
  bool was_full_ = false;     // the core waits for drained()
};

}  // namespace synod::net
