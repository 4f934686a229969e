#include "replica/authentication.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

namespace synod::replica {
namespace {

std::string base64(const unsigned char* bytes, std::size_t count) {
  std::string text((count + 2) / 3 * 4 + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes,
                                     static_cast<int>(count));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

// "user:password" -> "user:base64(hash of all of it)".
std::optional<std::string> digest_id(const std::string& algorithm, BytesView auth) {
  const EVP_MD* hash = EVP_get_digestbyname(algorithm.c_str());
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned count = 0;
  if (hash == nullptr ||
      EVP_Digest(auth.data(), auth.size(), bytes.data(), &count, hash, nullptr) != 1)
    return std::nullopt;
  return std::string(auth.substr(0, auth.find(':'))) + ":" + base64(bytes.data(), count);
}

}  // namespace

std::optional<state::AuthIds> authenticate(const AuthenticationRules& rules,
                                           std::string_view scheme, BytesView auth,
                                           std::string_view address) {
  if (scheme == "ip") return state::AuthIds{{"ip", std::string(address)}};
  if (scheme != "digest" || !rules.has_digest) return std::nullopt;
  const auto id = digest_id(rules.digest_algorithm, auth);
  if (!id) return std::nullopt;
  state::AuthIds ids;
  if (*id == rules.super_digest) ids.push_back({"super", ""});
  ids.push_back({"digest", *id});
  return ids;
}

bool has_required_identity(const AuthenticationRules& rules, const state::AuthIds& ids) {
  if (rules.required_schemes.empty()) return true;
  return std::ranges::any_of(ids, [&](const state::AuthId& id) {
    return std::ranges::find(rules.required_schemes, id.scheme) != rules.required_schemes.end();
  });
}

std::string user_name(const state::AuthId& id) {
  if (id.scheme == "super") return "";
  return id.scheme == "digest" ? id.id.substr(0, id.id.find(':')) : id.id;
}

}  // namespace synod::replica
