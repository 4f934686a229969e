// TLS between servers: certificates and rules from the operator's files, and one connection's
// handshake and records, without a socket.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "net/openssl_ptr.h"

namespace synod::net {

// ssl.quorum.keyStore.* and ssl.quorum.trustStore.*; what kind of file it is, its content says.
struct TlsStore {
  std::string location;       // empty: none
  std::string password;       // what the key .password says
  std::string password_path;  // what .passwordPath says; wins over the password, as in Java
};

enum class ClientAuth { kNone, kWant, kNeed };

// Properties ssl.quorum.*, or ssl.* for the client port.
struct TlsOptions {
  TlsStore key_store;
  TlsStore trust_store;                        // none: the system's authorities
  std::vector<std::string> enabled_protocols;  // "TLSv1.2", "TLSv1.3"; empty: both
  std::vector<std::string> cipher_suites;      // Java's names; empty: OpenSSL's choice
  ClientAuth client_auth = ClientAuth::kNeed;
  // The certificate of a server we dialled names the host we dialled; that of one that dialled us
  // names its address or one of `hosts`. Names are never looked up in reverse.
  bool is_host_verified = true;
  bool is_client_host_verified = true;
  std::vector<std::string> hosts;  // of all servers
  bool is_crl_checked = false;     // by the lists in the trust store (PEM)
};

class TlsContext {
 public:
  // Reads the files; an error says which, and what to do about it.
  [[nodiscard]] static Result<std::shared_ptr<const TlsContext>> load(TlsOptions options);

 private:
  friend class TlsSession;
  TlsContext(TlsOptions options, OpensslPtr<SSL_CTX> context)
      : options_(std::move(options)), context_(std::move(context)) {}

  TlsOptions options_;
  OpensslPtr<SSL_CTX> context_;
};

// One connection. After each call take what is for the wire, and what arrived.
class TlsSession {
 public:
  enum class Side { kClient, kServer };

  // `peer` is the host that was dialled, or the address of who dialled.
  TlsSession(std::shared_ptr<const TlsContext> context, Side side, std::string peer);

  void receive(BytesView wire);
  void send(BytesView plain);  // only when up
  void end();                  // says so to the other end

  [[nodiscard]] bool is_up() const { return is_up_; }
  // Why it cannot go on; for good. What is for the wire then is an alert.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] bool has_ended() const { return has_ended_; }  // the other end said so

  [[nodiscard]] Bytes take_wire();
  [[nodiscard]] Bytes take_plain() { return std::exchange(plain_, {}); }

 private:
  void shake_hands();
  void read();
  void expect_name();
  [[nodiscard]] std::string verify_dialler() const;
  void give_up(int result);

  std::shared_ptr<const TlsContext> context_;
  Side side_;
  std::string peer_;
  OpensslPtr<SSL> ssl_;
  BIO* in_ = nullptr;   // owned by ssl_
  BIO* out_ = nullptr;  // owned by ssl_
  Bytes plain_;
  bool is_up_ = false;
  bool has_ended_ = false;
  std::string failure_;
};

// Whether these bytes, the first of a connection, begin a TLS handshake. None of ZooKeeper's own
// beginnings starts alike.
[[nodiscard]] inline bool looks_like_tls(BytesView first) {
  return !first.empty() && first[0] == 0x16;
}

}  // namespace synod::net
