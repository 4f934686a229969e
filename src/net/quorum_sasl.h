// SASL between servers (quorum.auth.*): who may be a peer.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/error.h"

namespace synod::net {

struct SaslOptions {
  // Of the JAAS file: see net/jaas.h.
  std::map<std::string, std::string> passwords;  // QuorumServer's user_<name>
  std::string username;                          // QuorumLearner's
  std::string password;
};

}  // namespace synod::net
