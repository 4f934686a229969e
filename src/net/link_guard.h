// What stands between a connection and the engine where links are protected: is it TLS, the
// handshake, the exchange of SASL. Bytes in, bytes out; no socket.
//
//   quorum port:   [TLS] [SASL] the engine's bytes
//   election port: [TLS] the dialler's initial message [SASL] the engine's other bytes
//
// The engine's first send on a link that it dialled there begins with the whole initial message. On
// one that was accepted it is held back until SASL has said who that is.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "consensus/engine.h"
#include "net/peer_options.h"
#include "net/quorum_sasl.h"
#include "net/send_queue.h"
#include "net/tls.h"

namespace synod::net {

class LinkGuard {
 public:
  enum class Side { kDialled, kAccepted };
  // `peer`: the host that was dialled, or the address of who dialled.
  LinkGuard(const PeerSecurity& security, Side side, consensus::Port port, std::string peer);

  // After each of these take what is for the wire and for the engine.
  void receive(BytesView wire);
  void send(Bytes bytes);  // the engine's
  void end();
  // Nothing came within the time for telling TLS from plain.
  void stop_detecting();

  // The engine may be told of the link.
  [[nodiscard]] bool is_linked() const { return is_linked_; }
  // There is nothing left to wait for.
  [[nodiscard]] bool is_open() const { return stage_ == Stage::kOpen; }
  // Open, and the bytes are as they are: the guard may go once its own are taken.
  [[nodiscard]] bool is_through() const { return is_open() && !tls_; }
  [[nodiscard]] bool is_detecting() const { return stage_ == Stage::kDetecting; }
  // The link is to be broken off, when what is for the wire is written.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  // The other end said that it ends; what it sent before has come.
  [[nodiscard]] bool has_ended() const { return tls_ && tls_->has_ended(); }

  void take_wire(SendQueue& into);
  [[nodiscard]] Bytes take_arrived();  // only when linked
  [[nodiscard]] std::size_t held() const { return held_.size(); }

 private:
  enum class Stage : std::uint8_t { kDetecting, kTls, kInitial, kSasl, kOpen };

  void begin_tls();
  void begin_plain();
  void decrypted(BytesView plain);
  void take_initial();
  void begin_sasl();
  void run_sasl(BytesView bytes);
  void open();
  void write(BytesView plain);
  void fail(std::string why);

  const PeerSecurity& security_;
  Side side_;
  consensus::Port port_;
  std::string peer_;
  Stage stage_ = Stage::kDetecting;
  bool is_linked_ = false;
  std::optional<TlsSession> tls_;
  std::optional<QuorumSasl> sasl_;
  Bytes initial_;   // of an accepted election link: the message, and what came with it
  SendQueue held_;  // the engine's: until the link is open, or the turn ends
  Bytes wire_;
  Bytes arrived_;
  std::string failure_;
};

// Whether links have to pass anything at all.
[[nodiscard]] inline bool is_guarded(const PeerSecurity& security) {
  return security.tls != nullptr || security.sasl != nullptr;
}

}  // namespace synod::net
