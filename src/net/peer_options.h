// What an operator can set about the links to other servers.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "consensus/engine.h"

namespace synod::net {

class TlsContext;    // net/tls.h
struct SaslOptions;  // net/quorum_sasl.h

// What a link has to pass before the engine sees it (reference, quorum protocol 2.5 and 2.6).
struct PeerSecurity {
  std::shared_ptr<const TlsContext> tls;  // null: no TLS at all
  bool is_dialling_tls = false;           // sslQuorum
  bool is_accepting_tls = false;          // sslQuorum or portUnification
  bool is_accepting_plain = true;         // not sslQuorum, or portUnification
  // With both accepted: who says nothing for so long is taken to be plain
  // (ssl.quorum.handshakeDetectionTimeoutMillis).
  std::chrono::milliseconds detection_timeout{5000};

  std::shared_ptr<const SaslOptions> sasl;  // null: no SASL at all (quorum.auth.enableSasl)
  bool is_learner_sasl_required = false;    // we authenticate where we dial
  bool is_server_sasl_required = false;     // who dials us has to

  // For TLS and SASL together, from the connection's first moment.
  std::chrono::milliseconds handshake_timeout{10'000};
};

struct PeerOptions {
  // Where to listen: this server's own entries of the membership. A host that stands for all
  // addresses (0.0.0.0, ::, empty) does so here too; port 0 takes any free one.
  std::vector<consensus::Endpoint> quorum;
  std::vector<consensus::Endpoint> election;
  std::vector<consensus::Endpoint> observer_master;  // empty: observers learn from the leader
  bool is_listening_on_all = false;                  // quorumListenOnAllIPs
  // So many failures to bind, a second apart, and the server cannot go on (electionPortBindRetry);
  // 0: for ever.
  int bind_retries = 3;
  std::chrono::milliseconds bind_retry_delay{1000};

  // From the dial to a connection: names, and all addresses behind them (cnxTimeout).
  std::chrono::milliseconds dial_timeout{5000};
  bool is_keep_alive = true;  // on election links, which have no heartbeat of their own
  // A link with more than this unsent is broken. A snapshot is sent in slices as the link takes
  // them: what piles up here are messages to a server that does not read.
  std::size_t max_unsent = std::size_t{64} << 20;
  // Accepted links on which the engine has not said anything yet: it does not know who that is.
  std::size_t max_strangers = 256;
  std::size_t max_strangers_per_address = 64;

  PeerSecurity security;

  // Blocking; from any thread. Empty: the system's. Addresses as text, or an error to show.
  std::function<Result<std::vector<std::string>>(const std::string& host)> lookup;
};

struct PeerEvents {
  std::function<void(const std::string& text)> warn;
  std::function<void(const std::string& text)> complain;  // of a link: anyone can cause it
  // A port of ours cannot be had. Java ends with status 14.
  std::function<void(const Error& error)> failed;
};

}  // namespace synod::net
