// SASL between servers (quorum.auth.*, reference 2.6): DIGEST-MD5 by Cyrus SASL, in ZooKeeper's
// packets, without a socket.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "net/jaas.h"

struct sasl_conn;

namespace synod::net {

struct SaslOptions {
  // Of the JAAS file: see net/jaas.h.
  std::map<std::string, std::string> passwords;  // QuorumServer's user_<name>, by name
  std::string username;                          // QuorumLearner's; empty: it has none
  std::string password;
};

// From the sections that quorum.auth.server.saslLoginContext and .learner.saslLoginContext name.
[[nodiscard]] Result<SaslOptions> sasl_options(const JaasSections& sections,
                                               const std::string& server_section,
                                               const std::string& learner_section);

class SaslContext {
 public:
  // An error says what the machine lacks.
  [[nodiscard]] static Result<std::shared_ptr<const SaslContext>> load(SaslOptions options);

  [[nodiscard]] const SaslOptions& options() const { return options_; }

 private:
  explicit SaslContext(SaslOptions options) : options_(std::move(options)) {}

  SaslOptions options_;
};

// The exchange on one link. After each call take what is for the wire.
class QuorumSasl {
 public:
  enum class Side { kLearner, kServer };

  // A server whose peer does not start an exchange is done, unless one is required.
  QuorumSasl(std::shared_ptr<const SaslContext> context, Side side, bool is_required);
  ~QuorumSasl();
  QuorumSasl(const QuorumSasl&) = delete;
  QuorumSasl& operator=(const QuorumSasl&) = delete;

  void receive(BytesView wire);

  [[nodiscard]] bool is_done() const { return is_done_; }
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] Bytes take_wire() { return std::exchange(wire_, {}); }
  // Once done: what came behind the exchange.
  [[nodiscard]] Bytes take_rest() { return std::exchange(input_, {}); }

 private:
  struct Callbacks;

  bool take_packet();
  void step_learner(std::int32_t status, BytesView token);
  void step_server(BytesView token);
  void send(std::int32_t status, BytesView token);
  void fail(const std::string& why);

  std::shared_ptr<const SaslContext> context_;
  Side side_;
  bool is_required_;
  std::unique_ptr<Callbacks> callbacks_;
  sasl_conn* connection_ = nullptr;
  bool has_started_ = false;  // the mechanism
  Bytes input_;
  Bytes wire_;
  bool is_done_ = false;
  std::string failure_;
};

}  // namespace synod::net
