// Who a connection is: the `auth` packet, and the rule that some requests need an identity.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "state/acl.h"

namespace synod::replica {

struct AuthenticationRules {
  bool has_digest = true;
  std::string digest_algorithm = "SHA1";      // OpenSSL's name
  std::string super_digest;                   // "user:base64(hash)"; empty: there is no super user
  std::vector<std::string> required_schemes;  // any of these is needed for requests; empty: none
};

// The identities that the packet proves. Empty: it is refused (AUTHFAILED, and the connection
// closes). `address` is the connection's own, for scheme ip.
[[nodiscard]] std::optional<state::AuthIds> authenticate(const AuthenticationRules& rules,
                                                         std::string_view scheme, BytesView auth,
                                                         std::string_view address);

[[nodiscard]] bool has_required_identity(const AuthenticationRules& rules,
                                         const state::AuthIds& ids);

// What a client sees as its user: the text before ':' for digest, nothing for super.
[[nodiscard]] std::string user_name(const state::AuthId& id);

}  // namespace synod::replica
