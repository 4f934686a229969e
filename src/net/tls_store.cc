#include "net/tls_store.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

namespace synod::net {

namespace {

// A store larger than this is some other file.
constexpr std::size_t kStoreMax = std::size_t{16} << 20;
constexpr std::string_view kJksMagic("\xfe\xed\xfe\xed", 4);
constexpr std::string_view kJceksMagic("\xce\xce\xce\xce", 4);

Result<std::string> read_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || file.bad())
    return fail(ErrorKind::kIo, "cannot read " + path + ": " + std::strerror(errno));
  if (text.size() > kStoreMax) return fail(ErrorKind::kMalformed, path + " is too large");
  return text;
}

Result<std::string> password_of(const TlsStore& store) {
  if (store.password_path.empty()) return store.password;
  Result<std::string> text = read_file(store.password_path);
  if (!text) return text;
  const std::size_t end = text->find_first_of("\r\n");  // its first line
  if (end != std::string::npos) text->resize(end);
  return text;
}

OpensslPtr<BIO> memory_of(const std::string& text) {
  return OpensslPtr<BIO>(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

int give_password(char* into, int size, int /*is_writing*/, void* given) {
  const auto& password = *static_cast<const std::string*>(given);
  if (password.size() > static_cast<std::size_t>(size)) return -1;
  return static_cast<int>(password.copy(into, password.size()));
}

// What either kind of file holds.
struct Contents {
  OpensslPtr<EVP_PKEY> key;
  std::vector<OpensslPtr<X509>> certificates;
  std::vector<OpensslPtr<X509_CRL>> revoked;
};

// The chain comes in any order, and before or after the key.
Result<Contents> read_pem(const TlsStore& store, const std::string& text, std::string password) {
  Contents contents;
  const OpensslPtr<BIO> bio = memory_of(text);
  const OpensslPtr<STACK_OF(X509_INFO)> entries(
      ::PEM_X509_INFO_read_bio(bio.get(), nullptr, give_password, &password));
  if (!entries) return fail(ErrorKind::kMalformed, store.location + ": " + openssl_error());
  for (int i = 0; i < sk_X509_INFO_num(entries.get()); ++i) {
    X509_INFO* const entry = sk_X509_INFO_value(entries.get(), i);
    if (entry->x509 != nullptr)
      contents.certificates.emplace_back(std::exchange(entry->x509, nullptr));
    if (entry->crl != nullptr) contents.revoked.emplace_back(std::exchange(entry->crl, nullptr));
  }
  if (text.find("PRIVATE KEY-----") != std::string::npos) {
    const OpensslPtr<BIO> again = memory_of(text);
    contents.key.reset(::PEM_read_bio_PrivateKey(again.get(), nullptr, give_password, &password));
    if (!contents.key) {
      return fail(ErrorKind::kMalformed, store.location + ": the private key cannot be read (is " +
                                             "the password right?): " + openssl_error());
    }
  }
  return contents;
}

Result<Contents> read_pkcs12(const TlsStore& store, const std::string& text,
                             const std::string& password) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  const OpensslPtr<PKCS12> parsed(::d2i_PKCS12(nullptr, &bytes, static_cast<long>(text.size())));
  if (!parsed) {
    return fail(ErrorKind::kMalformed,
                store.location + " is neither PEM nor PKCS12: " + openssl_error());
  }
  Contents contents;
  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;
  STACK_OF(X509)* others = nullptr;
  if (::PKCS12_parse(parsed.get(), password.c_str(), &key, &certificate, &others) != 1) {
    return fail(ErrorKind::kMalformed,
                store.location +
                    " cannot be opened. Either the password is wrong, or it was written with "
                    "ciphers that have been retired; then rewrite it with: keytool "
                    "-importkeystore -srckeystore " +
                    store.location + " -destkeystore new.p12 -deststoretype PKCS12 (" +
                    openssl_error() + ")");
  }
  contents.key.reset(key);
  if (certificate != nullptr) contents.certificates.emplace_back(certificate);
  const OpensslPtr<STACK_OF(X509)> owner(others);
  while (others != nullptr && sk_X509_num(others) > 0)
    contents.certificates.emplace_back(sk_X509_shift(others));
  return contents;
}

Result<Contents> read_store(const TlsStore& store) {
  const Result<std::string> text = read_file(store.location);
  if (!text) return std::unexpected(text.error());
  const Result<std::string> password = password_of(store);
  if (!password) return std::unexpected(password.error());
  ::ERR_clear_error();
  if (text->starts_with(kJksMagic) || text->starts_with(kJceksMagic)) {
    return fail(ErrorKind::kRefused,
                store.location +
                    " is in Java's own format (JKS), which Synod does not read. Convert it with: "
                    "keytool -importkeystore -srckeystore " +
                    store.location + " -destkeystore " + store.location +
                    ".p12 -deststoretype PKCS12");
  }
  if (text->find("-----BEGIN ") != std::string::npos) return read_pem(store, *text, *password);
  return read_pkcs12(store, *text, *password);
}

}  // namespace

std::string openssl_error() {
  const unsigned long code = ::ERR_get_error();
  ::ERR_clear_error();
  if (code == 0) return "no reason given";
  const char* const reason = ::ERR_reason_error_string(code);
  return reason != nullptr ? reason : "error " + std::to_string(code);
}

Result<KeyStore> load_key_store(const TlsStore& store) {
  Result<Contents> contents = read_store(store);
  if (!contents) return std::unexpected(contents.error());
  if (!contents->key) return fail(ErrorKind::kMalformed, store.location + " holds no private key");
  KeyStore found;
  found.key = std::move(contents->key);
  for (OpensslPtr<X509>& certificate : contents->certificates) {
    if (!found.certificate && ::X509_check_private_key(certificate.get(), found.key.get()) == 1)
      found.certificate = std::move(certificate);
    else
      found.chain.push_back(std::move(certificate));
  }
  ::ERR_clear_error();  // of the checks that did not fit
  if (!found.certificate)
    return fail(ErrorKind::kMalformed, store.location + " holds no certificate of its key");
  return found;
}

Result<TrustStore> load_trust_store(const TlsStore& store) {
  Result<Contents> contents = read_store(store);
  if (!contents) return std::unexpected(contents.error());
  if (contents->certificates.empty())
    return fail(ErrorKind::kMalformed, store.location + " holds no certificate");
  return TrustStore{std::move(contents->certificates), std::move(contents->revoked)};
}

}  // namespace synod::net
