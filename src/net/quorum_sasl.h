// SASL between servers (quorum.auth.*, reference 2.6): DIGEST-MD5 in ZooKeeper's packets, without a
// socket.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "net/digest_md5.h"
#include "net/jaas.h"

namespace synod::net {

struct SaslOptions {
  // Of the JAAS file: see net/jaas.h.
  std::map<std::string, std::string> passwords;  // QuorumServer's user_<name>, by name
  std::string username;                          // QuorumLearner's
  std::string password;
};

// From the sections that quorum.auth.server.saslLoginContext and .learner.saslLoginContext name.
[[nodiscard]] Result<SaslOptions> sasl_options(const JaasSections& sections,
                                               const std::string& server_section,
                                               const std::string& learner_section);

// The exchange on one link. After each call take what is for the wire.
class QuorumSasl {
 public:
  enum class Side { kLearner, kServer };

  // A server whose peer does not start an exchange is done, unless one is required.
  QuorumSasl(std::shared_ptr<const SaslOptions> options, Side side, bool is_required);

  void receive(BytesView wire);

  [[nodiscard]] bool is_done() const { return is_done_; }
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] Bytes take_wire() { return std::exchange(wire_, {}); }
  // Once done: what came behind the exchange.
  [[nodiscard]] Bytes take_rest() { return std::exchange(input_, {}); }

 private:
  bool take_packet();
  void step_learner(std::int32_t status, BytesView token);
  void step_server(BytesView token);
  void send(std::int32_t status, BytesView token);
  void fail(const std::string& why);

  std::shared_ptr<const SaslOptions> options_;
  Side side_;
  bool is_required_;
  std::optional<DigestServer> server_;  // since it was asked
  std::optional<DigestClient> client_;
  Bytes input_;
  Bytes wire_;
  bool is_done_ = false;
  std::string failure_;
};

}  // namespace synod::net
