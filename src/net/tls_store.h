// Key stores and trust stores: PEM and PKCS12, told apart by what is in the file.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "net/openssl_ptr.h"
#include "net/tls.h"

namespace synod::net {

struct KeyStore {
  OpensslPtr<EVP_PKEY> key;
  OpensslPtr<X509> certificate;  // the key's
  std::vector<OpensslPtr<X509>> chain;
};
[[nodiscard]] Result<KeyStore> load_key_store(const TlsStore& store);

struct TrustStore {
  std::vector<OpensslPtr<X509>> authorities;
  std::vector<OpensslPtr<X509_CRL>> revoked;
};
[[nodiscard]] Result<TrustStore> load_trust_store(const TlsStore& store);

}  // namespace synod::net
