// TLS between servers: certificates and rules from the operator's files, and one connection's
// handshake and records, without a socket.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace synod::net {

enum class StoreType { kByName, kPem, kPkcs12, kJks };  // kByName: by the file's ending

// ssl.quorum.keyStore.* and ssl.quorum.trustStore.*
struct TlsStore {
  std::string location;       // empty: none
  std::string password;       // password, or what the file at passwordPath says
  std::string password_path;  // wins over the password, as in Java
  StoreType type = StoreType::kByName;
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
  bool is_crl_checked = false;     // lists are taken from the trust store's file (PEM)
};

}  // namespace synod::net
