#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "net/tls_store.h"

namespace synod::net {

namespace {

Result<void> use_keys(SSL_CTX* context, const TlsStore& store) {
  Result<KeyStore> keys = load_key_store(store);
  if (!keys) return std::unexpected(keys.error());
  if (::SSL_CTX_use_certificate(context, keys->certificate.get()) != 1 ||
      ::SSL_CTX_use_PrivateKey(context, keys->key.get()) != 1)
    return fail(ErrorKind::kMalformed, store.location + ": " + openssl_error());
  for (OpensslPtr<X509>& certificate : keys->chain) {
    if (::SSL_CTX_add1_chain_cert(context, certificate.get()) != 1)
      return fail(ErrorKind::kMalformed, store.location + ": " + openssl_error());
  }
  return {};
}

Result<void> use_trust(SSL_CTX* context, const TlsOptions& options) {
  if (options.trust_store.location.empty()) {
    if (::SSL_CTX_set_default_verify_paths(context) != 1)
      return fail(ErrorKind::kIo, "the system's authorities: " + openssl_error());
    return {};
  }
  Result<TrustStore> trust = load_trust_store(options.trust_store);
  if (!trust) return std::unexpected(trust.error());
  X509_STORE* const store = ::SSL_CTX_get_cert_store(context);
  for (const auto& authority : trust->authorities) ::X509_STORE_add_cert(store, authority.get());
  for (const auto& list : trust->revoked) ::X509_STORE_add_crl(store, list.get());
  // What the operator trusts is trusted, be it an authority or a server's own certificate.
  unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;
  if (options.is_crl_checked) {
    if (trust->revoked.empty()) {
      return fail(ErrorKind::kRefused, options.trust_store.location +
                                           " holds no list of revoked certificates, and they are "
                                           "to be checked (crl)");
    }
    flags |= X509_V_FLAG_CRL_CHECK;
  }
  ::X509_STORE_set_flags(store, flags);
  return {};
}

Result<void> use_protocols(SSL_CTX* context, const std::vector<std::string>& protocols) {
  int least = TLS1_2_VERSION;
  int most = TLS1_3_VERSION;
  if (!protocols.empty()) {
    const auto has = [&](std::string_view name) {
      return std::ranges::find(protocols, name) != protocols.end();
    };
    const bool has_12 = has("TLSv1.2") || has("TLS");
    const bool has_13 = has("TLSv1.3") || has("TLS");
    if (!has_12 && !has_13) {
      return fail(ErrorKind::kRefused, "enabledProtocols: TLSv1.2 and TLSv1.3 are possible, " +
                                           protocols.front() + " is not");
    }
    if (!has_12) least = TLS1_3_VERSION;
    if (!has_13) most = TLS1_2_VERSION;
  }
  ::SSL_CTX_set_min_proto_version(context, least);
  ::SSL_CTX_set_max_proto_version(context, most);
  return {};
}

// Java and the standards have one set of names, OpenSSL has another.
Result<void> use_ciphers(SSL_CTX* context, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  ::SSL_CTX_set_cipher_list(context, "ALL:!aNULL");
  STACK_OF(SSL_CIPHER)* const all = ::SSL_CTX_get_ciphers(context);
  std::string old_ones;
  std::string new_ones;  // TLS 1.3 has a list of its own
  for (const std::string& name : names) {
    for (int i = 0; i < sk_SSL_CIPHER_num(all); ++i) {
      const SSL_CIPHER* const cipher = sk_SSL_CIPHER_value(all, i);
      if (name != ::SSL_CIPHER_standard_name(cipher) && name != ::SSL_CIPHER_get_name(cipher))
        continue;
      const bool is_new = std::string_view(::SSL_CIPHER_get_version(cipher)) == "TLSv1.3";
      std::string& list = is_new ? new_ones : old_ones;
      if (!list.empty()) list += ':';
      list += ::SSL_CIPHER_get_name(cipher);
    }
  }
  if (old_ones.empty() && new_ones.empty())
    return fail(ErrorKind::kRefused, "ciphersuites: none of them is known: " + names.front());
  if (!old_ones.empty()) {
    ::SSL_CTX_set_cipher_list(context, old_ones.c_str());
  } else {
    ::SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  }
  if (new_ones.empty()) {
    ::SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  } else {
    ::SSL_CTX_set_ciphersuites(context, new_ones.c_str());
  }
  return {};
}

bool names(X509* certificate, const std::string& host) {
  return ::X509_check_ip_asc(certificate, host.c_str(), 0) == 1 ||
         ::X509_check_host(certificate, host.data(), host.size(),
                           X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1;
}

bool is_address(const std::string& host) {
  boost::system::error_code error;
  boost::asio::ip::make_address(host, error);
  return !error;
}

std::string subject_of(X509* certificate) {
  std::array<char, 256> text{};
  ::X509_NAME_oneline(::X509_get_subject_name(certificate), text.data(), text.size());
  return text.data();
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::load(TlsOptions options) {
  OpensslPtr<SSL_CTX> context(::SSL_CTX_new(::TLS_method()));
  SYNOD_ASSERT(context != nullptr);
  ::SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF);
  ::SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_num_tickets(context.get(), 0);
  ::SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  Result<void> done;
  if (!options.key_store.location.empty()) done = use_keys(context.get(), options.key_store);
  if (done) done = use_trust(context.get(), options);
  if (done) done = use_protocols(context.get(), options.enabled_protocols);
  if (done) done = use_ciphers(context.get(), options.cipher_suites);
  if (!done) return std::unexpected(done.error());
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(options), std::move(context)));
}

// ---- one connection ---------------------------------------------------------------------------

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context, Side side, std::string peer)
    : context_(std::move(context)),
      side_(side),
      peer_(std::move(peer)),
      ssl_(::SSL_new(context_->context_.get())),
      in_(::BIO_new(::BIO_s_mem())),
      out_(::BIO_new(::BIO_s_mem())) {
  SYNOD_ASSERT(ssl_ != nullptr && in_ != nullptr && out_ != nullptr);
  ::BIO_set_mem_eof_return(in_, -1);  // empty is not the end
  ::SSL_set_bio(ssl_.get(), in_, out_);
  if (side_ == Side::kClient) {
    ::SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, nullptr);
    expect_name();
    ::SSL_set_connect_state(ssl_.get());
    shake_hands();
  } else {
    const ClientAuth auth = context_->options_.client_auth;
    const int need = auth == ClientAuth::kNeed ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    ::SSL_set_verify(ssl_.get(),
                     auth == ClientAuth::kNone ? SSL_VERIFY_NONE : SSL_VERIFY_PEER | need, nullptr);
    ::SSL_set_accept_state(ssl_.get());
  }
}

void TlsSession::receive(BytesView wire) {
  if (!failure_.empty() || has_ended_) return;
  const int written = ::BIO_write(in_, wire.data(), static_cast<int>(wire.size()));
  SYNOD_ASSERT(written == static_cast<int>(wire.size()));
  if (!is_up_) shake_hands();
  if (is_up_) read();
}

void TlsSession::shake_hands() {
  ::ERR_clear_error();
  if (const int result = ::SSL_do_handshake(ssl_.get()); result != 1) return give_up(result);
  if (side_ == Side::kServer) failure_ = verify_dialler();
  is_up_ = failure_.empty();
}

// What we dialled is who we expect.
void TlsSession::expect_name() {
  const bool is_verified = context_->options_.is_host_verified;
  X509_VERIFY_PARAM* const rules = ::SSL_get0_param(ssl_.get());
  ::X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (is_address(peer_)) {
    if (is_verified) ::X509_VERIFY_PARAM_set1_ip_asc(rules, peer_.c_str());
  } else {
    if (is_verified) ::X509_VERIFY_PARAM_set1_host(rules, peer_.data(), peer_.size());
    // Says which server is meant, where several share an address.
    ::SSL_set_tlsext_host_name(ssl_.get(), peer_.c_str());
  }
}

// Who dialled us may be any of the servers; OpenSSL's own check takes one name.
std::string TlsSession::verify_dialler() const {
  const TlsOptions& options = context_->options_;
  const OpensslPtr<X509> certificate(::SSL_get1_peer_certificate(ssl_.get()));
  if (!certificate) return {};  // and clientAuth allows that
  if (!options.is_client_host_verified || names(certificate.get(), peer_)) return {};
  for (const std::string& host : options.hosts) {
    if (names(certificate.get(), host)) return {};
  }
  return "its certificate (" + subject_of(certificate.get()) + ") names neither " + peer_ +
         " nor any server of the ensemble (clientHostnameVerification)";
}

void TlsSession::read() {
  std::array<char, 16 * 1024> part;
  for (;;) {
    ::ERR_clear_error();
    const int count = ::SSL_read(ssl_.get(), part.data(), static_cast<int>(part.size()));
    if (count <= 0) return give_up(count);
    plain_.append(part.data(), static_cast<std::size_t>(count));
  }
}

// Or waits for more.
void TlsSession::give_up(int result) {
  switch (::SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return;
    case SSL_ERROR_ZERO_RETURN:
      has_ended_ = true;
      return;
    default:
      break;
  }
  failure_ = "TLS: " + openssl_error();
  const long verdict = ::SSL_get_verify_result(ssl_.get());
  if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
    failure_ += ": it does not name " + peer_ + " (hostnameVerification)";
  else if (verdict != X509_V_OK)
    failure_ += std::string(": ") + ::X509_verify_cert_error_string(verdict);
}

void TlsSession::send(BytesView plain) {
  SYNOD_ASSERT(is_up_);
  while (!plain.empty() && failure_.empty()) {
    const std::size_t part = std::min(plain.size(), std::size_t{1} << 20);
    ::ERR_clear_error();
    const int count = ::SSL_write(ssl_.get(), plain.data(), static_cast<int>(part));
    if (count <= 0) {
      failure_ = "TLS: " + openssl_error();
      return;
    }
    plain.remove_prefix(static_cast<std::size_t>(count));
  }
}

void TlsSession::end() {
  if (is_up_ && failure_.empty()) ::SSL_shutdown(ssl_.get());
  ::ERR_clear_error();
}

Bytes TlsSession::take_wire() {
  char* data = nullptr;
  const long size = ::BIO_get_mem_data(out_, &data);
  Bytes bytes(data, static_cast<std::size_t>(size));
  (void)BIO_reset(out_);
  return bytes;
}

}  // namespace synod::net
