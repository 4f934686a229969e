// A node as a snapshot holds it, after its path.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "jute/records.h"

namespace synod::storage {

// acl_id names a list of the snapshot's ACL map; this one needs no entry: world:anyone, everything.
inline constexpr std::int64_t kOpenAclId = -1;

struct NodeImage {
  NullableView data;
  std::int64_t acl_id = kOpenAclId;
  jute::StatPersisted stat;
  static void fields(auto& self, auto&& visit) { visit(self.data, self.acl_id, self.stat); }
};

}  // namespace synod::storage
