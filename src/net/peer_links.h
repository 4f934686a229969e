// The links to other servers over TCP: dials, the ports for other servers, and the bytes.
//
// All of it lives on the core's loop. What the core asks for (dial, send, close) is only noted and
// is done by flush(), after the core's turn: one write a link a turn, and no event from within a
// call. Links may be used by the core before start(); nothing happens until then.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "net/peer_options.h"
#include "replica/links.h"

namespace synod::net {

// Who is told of links: see replica/replica.h. Called on the loop, never from within a call to
// PeerLinks.
class LinkEvents {
 public:
  virtual void accepted(consensus::LinkId link, consensus::Port port) = 0;
  virtual void linked(consensus::LinkId link) = 0;
  virtual void unlinked(consensus::LinkId link) = 0;
  virtual void received(consensus::LinkId link, BytesView bytes) = 0;
  virtual void drained(consensus::LinkId link) = 0;

 protected:
  ~LinkEvents() = default;
};

class PeerLink;
class PeerListener;
class Resolver;

class PeerLinks final : public replica::Links {
 public:
  PeerLinks(PeerOptions options, PeerEvents events);
  ~PeerLinks();

  // Opens the ports, and does what was asked for meanwhile.
  void start(boost::asio::io_context& io, LinkEvents& sink);
  // After each turn of the core.
  void flush();
  // Closes everything; no event follows.
  void stop();

  // Of the first endpoint; 0 until it is bound.
  [[nodiscard]] std::uint16_t bound_port(consensus::Port port) const;
  [[nodiscard]] std::size_t link_count() const { return links_.size(); }

  // ---- replica::Links
  void dial(consensus::LinkId link, ServerId server, consensus::Port port,
            std::vector<consensus::Endpoint> endpoints) override;
  void send(consensus::LinkId link, Bytes bytes) override;
  void close(consensus::LinkId link) override;
  [[nodiscard]] std::size_t unsent(consensus::LinkId link) const override;

 private:
  friend class PeerLink;
  static constexpr std::size_t kReadBytes = 64 * 1024;
  // Links that the core has closed and that still send; more get no time for that.
  static constexpr std::size_t kEndingMax = 64;

  void listen(consensus::Port port, std::vector<consensus::Endpoint> endpoints, int retries);
  void admit(consensus::Port port, boost::asio::ip::tcp::socket socket);
  void note(const std::shared_ptr<PeerLink>& link);
  void linked(PeerLink& link);
  void broken(PeerLink& link, bool was_open, const std::string& why);

  PeerOptions options_;
  PeerEvents events_;
  boost::asio::io_context* io_ = nullptr;  // null: not started, or stopped
  LinkEvents* sink_ = nullptr;
  std::unique_ptr<Resolver> resolver_;
  std::map<consensus::Port, std::shared_ptr<PeerListener>> listeners_;
  boost::unordered_flat_map<consensus::LinkId, std::shared_ptr<PeerLink>> links_;
  consensus::LinkId last_accepted_;  // even; the core's dials are odd
  std::vector<std::weak_ptr<PeerLink>> ending_;
  std::vector<std::shared_ptr<PeerLink>> noted_;                            // for the next flush()
  std::vector<std::shared_ptr<PeerLink>> flushing_;                         // within flush() only
  std::map<std::pair<ServerId, consensus::Port>, std::string> complaints_;  // the last, of dials
  std::array<char, kReadBytes> read_buffer_;  // used within one handler only
};

}  // namespace synod::net
