// Access lists: interning, and the rule that decides who may do what.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/strong_id.h"
#include "jute/records.h"

namespace synod::state {

// A connection's identity: (scheme, id), e.g. ("ip", "127.0.0.1").
struct AuthId {
  std::string scheme;
  std::string id;
  friend auto operator<=>(const AuthId&, const AuthId&) = default;
};
using AuthIds = std::vector<AuthId>;

// Names an interned list. 0 is the open list (world:anyone, all permissions) of nodes that no
// client made.
using AclId = StrongId<struct AclIdTag, std::uint32_t>;
inline constexpr AclId kOpenAcl{0};
inline constexpr std::int64_t kOpenAclOnDisk = -1;

[[nodiscard]] jute::AclList to_owned(const std::vector<jute::AclView>& views);

// Every list is kept once, with a count of the nodes that use it. A list nobody uses any more stays
// readable until the next collect(), so that events about a deleted node can still be filtered by
// it.
class AclTable {
 public:
  // One more user of this list.
  AclId acquire(const std::vector<jute::AclView>& list);
  AclId acquire(const jute::AclList& list);
  void acquire(AclId id);
  void release(AclId id);
  void collect();

  [[nodiscard]] const jute::AclList& list(AclId id) const;

  // Lists in use, as a snapshot stores them (its ids start at 1; the open list has none).
  [[nodiscard]] std::vector<std::pair<std::int64_t, jute::AclList>> entries() const;

 private:
  struct Entry {
    jute::AclList list;
    std::string key;  // encoded list
    std::uint64_t users = 0;
  };
  AclId acquire_encoded(std::string key, const std::vector<jute::AclView>* views,
                        const jute::AclList* list);

  std::vector<std::unique_ptr<Entry>> entries_;  // by id - 1; null: free
  std::vector<std::uint32_t> free_;
  std::vector<AclId> unused_;  // released to zero since the last collect()
  boost::unordered_flat_map<std::string, AclId> by_key_;
};

// ZooKeeperServer.checkACL: may somebody with these ids do any of `wanted` under this list?
struct AccessRule {
  bool skip = false;            // zookeeper.skipACL=yes
  std::string any_sasl_user;    // zookeeper.letAnySaslUserDoX
  std::string x509_super_user;  // zookeeper.X509AuthenticationProvider.superUser
  [[nodiscard]] bool allows(const jute::AclList& list, std::int32_t wanted,
                            const AuthIds& ids) const;
};

// "addr[/bits]" as an `ip` entry of a list may say it; the address of a connection matches under
// the mask.
[[nodiscard]] bool is_valid_ip_pattern(std::string_view pattern);
[[nodiscard]] bool ip_matches(std::string_view address, std::string_view pattern);

}  // namespace synod::state
