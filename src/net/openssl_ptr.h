// OpenSSL's objects, owned.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace synod::net {

struct OpensslDeleter {
  void operator()(BIO* x) const { ::BIO_free(x); }
  void operator()(EVP_PKEY* x) const { ::EVP_PKEY_free(x); }
  void operator()(PKCS12* x) const { ::PKCS12_free(x); }
  void operator()(SSL* x) const { ::SSL_free(x); }
  void operator()(SSL_CTX* x) const { ::SSL_CTX_free(x); }
  void operator()(X509* x) const { ::X509_free(x); }
  void operator()(X509_CRL* x) const { ::X509_CRL_free(x); }
  void operator()(STACK_OF(X509) * x) const { sk_X509_pop_free(x, ::X509_free); }
  void operator()(STACK_OF(X509_INFO) * x) const { sk_X509_INFO_pop_free(x, ::X509_INFO_free); }
};
template <class T>
using OpensslPtr = std::unique_ptr<T, OpensslDeleter>;

// What OpenSSL complains of, and empties its list.
[[nodiscard]] std::string openssl_error();

}  // namespace synod::net
