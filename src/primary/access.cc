#include "primary/access.h"

#include <set>
#include <tuple>

namespace synod::primary {
namespace {

bool is_valid_digest_id(std::string_view id) {
  const std::size_t colon = id.find(':');
  return colon != std::string_view::npos && colon + 1 < id.size() &&
         id.find(':', colon + 1) == std::string_view::npos;
}

bool is_acceptable(const jute::Acl& entry, const AccessSchemes& schemes) {
  if (entry.scheme == "ip") return state::is_valid_ip_pattern(entry.id);
  if (entry.scheme == "digest") return schemes.digest && is_valid_digest_id(entry.id);
  if (entry.scheme == "sasl") return schemes.sasl;
  if (entry.scheme == "x509") return schemes.x509 && entry.id.find('=') != std::string::npos;
  return false;
}

// Says who somebody is, rather than where: `auth` stands for these.
bool is_authentication(std::string_view scheme, const AccessSchemes& schemes) {
  return (scheme == "digest" && schemes.digest) || (scheme == "sasl" && schemes.sasl) ||
         (scheme == "x509" && schemes.x509);
}

// Far beyond what fits into a transaction, whatever a list of many `auth` entries would expand to.
constexpr std::size_t kEntriesMax = 200'000;

bool expand_auth(std::int32_t perms, const state::AuthIds& ids, const AccessSchemes& schemes,
                 jute::AclList& out) {
  bool is_anyone = false;
  for (const state::AuthId& id : ids) {
    if (!is_authentication(id.scheme, schemes)) continue;
    if (out.size() >= kEntriesMax) return false;
    out.push_back({perms, id.scheme, id.id});
    is_anyone = true;
  }
  return is_anyone;
}

}  // namespace

std::optional<jute::AclList> resolve_acl(const jute::NullableAclViews& requested,
                                         const state::AuthIds& ids, const AccessSchemes& schemes) {
  if (!requested || requested->empty()) return std::nullopt;
  jute::AclList unique;
  std::set<std::tuple<std::int32_t, BytesView, BytesView>> seen;  // a list may hold 80,000 entries
  for (const jute::AclView& view : *requested) {
    if (!view.scheme || (!view.id && view.scheme != "auth")) return std::nullopt;
    const BytesView id = view.id.value_or("");  // of `auth` it means nothing
    if (!seen.emplace(view.perms, *view.scheme, id).second) continue;
    unique.push_back({view.perms, std::string(*view.scheme), std::string(id)});
  }
  jute::AclList resolved;
  for (jute::Acl& entry : unique) {
    if (entry.scheme == "world" && entry.id == "anyone") {
      resolved.push_back(std::move(entry));
    } else if (entry.scheme == "auth") {
      if (!expand_auth(entry.perms, ids, schemes, resolved)) return std::nullopt;
    } else if (is_acceptable(entry, schemes)) {
      resolved.push_back(std::move(entry));
    } else {
      return std::nullopt;
    }
  }
  return resolved;
}

}  // namespace synod::primary
