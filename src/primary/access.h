// Access lists as requests bring them: which are acceptable, and what they become.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "jute/records.h"
#include "state/acl.h"

namespace synod::primary {

// Which schemes an access list may name. world, auth and ip are always there.
struct AccessSchemes {
  bool digest = true;
  bool sasl = false;
  bool x509 = false;
};

// Drops repeated entries, expands `auth` to the caller's own identities, checks every id
// (reference: fixupACL). Empty: the list is not acceptable (INVALIDACL).
[[nodiscard]] std::optional<jute::AclList> resolve_acl(const jute::NullableAclViews& requested,
                                                       const state::AuthIds& ids,
                                                       const AccessSchemes& schemes);

}  // namespace synod::primary
