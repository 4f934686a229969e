// DIGEST-MD5 (RFC 2831), as Java's servers use it: identity only (qop auth), no later
// re-authentication. Values in, values out.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

namespace synod::net {

// Both ends have to mean the same.
struct DigestNames {
  std::string service;
  std::string host;  // ZooKeeper's realm, too
};

class DigestServer {
 public:
  using Passwords = std::function<std::optional<std::string>(const std::string& user)>;

  // `nonce`: never used before, and not to be guessed.
  DigestServer(DigestNames names, std::string nonce);

  [[nodiscard]] Bytes challenge() const;
  // The answer to the challenge: who it is, and the proof that we know the password too.
  struct Welcome {
    std::string user;
    Bytes proof;
  };
  [[nodiscard]] Result<Welcome> judge(BytesView response, const Passwords& passwords) const;

 private:
  DigestNames names_;
  std::string nonce_;
};

class DigestClient {
 public:
  DigestClient(DigestNames names, std::string user, std::string password, std::string nonce);

  [[nodiscard]] Result<Bytes> respond(BytesView challenge);
  [[nodiscard]] bool is_proof(BytesView last) const;

 private:
  DigestNames names_;
  std::string user_;
  std::string password_;
  std::string nonce_;
  Bytes proof_;  // that the server will send; empty: it was not asked yet
};

// From the system's source of randomness.
[[nodiscard]] std::string make_nonce();

}  // namespace synod::net
