#include "net/tls.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "net/test_certificates.h"

namespace synod::net {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::string path(const std::string& name) { return TestCertificates::get().path(name); }

TlsOptions options(const std::string& keys = "server.pem", const std::string& trust = "ca.pem") {
  TlsOptions made;
  made.key_store = {path(keys), "secret", ""};
  made.trust_store = {path(trust), "secret", ""};
  return made;
}

std::shared_ptr<const TlsContext> load(TlsOptions given) {
  auto loaded = TlsContext::load(std::move(given));
  EXPECT_TRUE(loaded) << loaded.error().text;
  return loaded ? *loaded : nullptr;
}

std::string load_error(TlsOptions given) {
  const auto loaded = TlsContext::load(std::move(given));
  EXPECT_FALSE(loaded);
  return loaded ? "" : loaded.error().text;
}

// Two ends, and a wire that takes it in pieces.
struct Pair {
  Pair(const TlsOptions& dialler, const TlsOptions& acceptor,
       const std::string& dialled = "127.0.0.1", const std::string& from = "127.0.0.1")
      : client(load(dialler), TlsSession::Side::kClient, dialled),
        server(load(acceptor), TlsSession::Side::kServer, from) {
    carry();
  }
  void carry(std::size_t piece = 100) {
    for (bool has_moved = true; has_moved;) {
      has_moved = move(client, server, piece);
      has_moved = move(server, client, piece) || has_moved;
    }
  }
  static bool move(TlsSession& from, TlsSession& to, std::size_t piece) {
    const Bytes wire = from.take_wire();
    for (std::size_t at = 0; at < wire.size(); at += piece)
      to.receive(BytesView(wire).substr(at, piece));
    return !wire.empty();
  }
  [[nodiscard]] bool is_up() const { return client.is_up() && server.is_up(); }
  TlsSession client;
  TlsSession server;
};

void expect_talk(Pair& pair) {
  ASSERT_TRUE(pair.is_up()) << pair.client.failure() << "; " << pair.server.failure();
  const Bytes large(3'000'000, 'x');
  pair.client.send(large);
  pair.server.send("an answer");
  pair.carry(65'536);
  EXPECT_TRUE(pair.server.take_plain() == large);
  EXPECT_EQ(pair.client.take_plain(), "an answer");
  pair.client.end();
  pair.carry();
  EXPECT_TRUE(pair.server.has_ended());
  EXPECT_THAT(pair.server.failure(), IsEmpty());
}

TEST(Tls, TwoServersTalk) {
  Pair pair(options(), options());
  expect_talk(pair);
}

TEST(Tls, AllKindsOfStores) {
  Pair with_pkcs12(options("server.p12", "trust.p12"), options("locked.pem", "ca.pem"));
  expect_talk(with_pkcs12);
  TlsOptions by_file = options("server.p12", "ca.pem");
  by_file.key_store.password = "not this one";
  by_file.key_store.password_path = path("password");
  Pair with_file(by_file, options("server.pem", "trust.p12"));
  expect_talk(with_file);
}

TEST(Tls, ProtocolsAndCiphers) {
  for (const char* protocol : {"TLSv1.2", "TLSv1.3"}) {
    TlsOptions one = options();
    one.enabled_protocols = {protocol};
    Pair pair(one, options());
    expect_talk(pair);
  }
  TlsOptions one = options();
  one.cipher_suites = {"TLS_OF_TOMORROW", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"};
  Pair pair(options(), one);
  expect_talk(pair);

  TlsOptions old = options();
  old.enabled_protocols = {"TLSv1.2"};
  TlsOptions young = options();
  young.cipher_suites = {"TLS_AES_128_GCM_SHA256"};
  Pair strangers(old, young);
  EXPECT_FALSE(strangers.is_up());

  old.enabled_protocols = {"SSLv3"};
  EXPECT_THAT(load_error(old), HasSubstr("SSLv3"));
  one.cipher_suites = {"TLS_OF_TOMORROW"};
  EXPECT_THAT(load_error(one), HasSubstr("TLS_OF_TOMORROW"));
}

TEST(Tls, WhoIsNotTrusted) {
  Pair foreign_server(options(), options("foreign-server.pem", "ca.pem"));
  EXPECT_FALSE(foreign_server.client.is_up());
  EXPECT_THAT(foreign_server.client.failure(), HasSubstr("self-signed certificate in"));

  Pair foreign_client(options("foreign-server.pem", "ca.pem"), options());
  EXPECT_FALSE(foreign_client.server.is_up());
  EXPECT_THAT(foreign_client.server.failure(), HasSubstr("self-signed certificate in"));

  Pair expired(options(), options("expired.pem"));
  EXPECT_FALSE(expired.client.is_up());
  EXPECT_THAT(expired.client.failure(), HasSubstr("expired"));
}

TEST(Tls, WhoHasNoCertificate) {
  TlsOptions bare = options();
  bare.key_store = {};
  Pair refused(bare, options());
  EXPECT_FALSE(refused.server.is_up());
  EXPECT_THAT(refused.server.failure(), HasSubstr("did not return a certificate"));

  TlsOptions lenient = options();
  lenient.client_auth = ClientAuth::kWant;
  Pair wanted(bare, lenient);
  expect_talk(wanted);
  Pair distrusted(options("foreign-server.pem"), lenient);
  EXPECT_FALSE(distrusted.server.is_up());
  lenient.client_auth = ClientAuth::kNone;
  Pair unasked(options("foreign-server.pem"), lenient);
  expect_talk(unasked);
}

TEST(Tls, WhoIsNotWhoWasDialled) {
  Pair wrong(options(), options(), "127.0.0.2");
  EXPECT_FALSE(wrong.client.is_up());
  EXPECT_THAT(wrong.client.failure(), HasSubstr("does not name 127.0.0.2"));
  Pair by_name(options(), options(), "localhost");
  expect_talk(by_name);
  TlsOptions trusting = options();
  trusting.is_host_verified = false;
  Pair any(trusting, options(), "127.0.0.2");
  expect_talk(any);
}

TEST(Tls, WhoDialsUsIsOneOfTheServers) {
  Pair wrong(options("elsewhere.pem"), options());
  EXPECT_FALSE(wrong.server.is_up());
  EXPECT_THAT(wrong.server.failure(), HasSubstr("names neither 127.0.0.1"));
  TlsOptions ensemble = options();
  ensemble.hosts = {"zk-1.example", "zk-9.example"};
  Pair known(options("elsewhere.pem"), ensemble);
  expect_talk(known);
  ensemble.hosts = {};
  ensemble.is_client_host_verified = false;
  Pair any(options("elsewhere.pem"), ensemble);
  expect_talk(any);
}

TEST(Tls, WhoIsRevoked) {
  Pair unchecked(options(), options("revoked.pem"));
  expect_talk(unchecked);
  TlsOptions strict = options("server.pem", "ca-crl.pem");
  strict.is_crl_checked = true;
  Pair refused(strict, options("revoked.pem"));
  EXPECT_FALSE(refused.client.is_up());
  EXPECT_THAT(refused.client.failure(), HasSubstr("revoked"));
  Pair fine(strict, options());
  expect_talk(fine);
  strict.trust_store.location = path("ca.pem");
  EXPECT_THAT(load_error(strict), HasSubstr("no list of revoked certificates"));
}

TEST(Tls, StoresThatCannotBeUsedAreNamed) {
  EXPECT_THAT(load_error(options("nothing.pem")), HasSubstr("cannot read"));
  EXPECT_THAT(load_error(options("ca.pem")), HasSubstr("no private key"));
  EXPECT_THAT(load_error(options("server.key")), HasSubstr("no certificate"));
  EXPECT_THAT(load_error(options("log")), HasSubstr("log"));
  TlsOptions wrong = options("locked.pem");
  wrong.key_store.password = "guess";
  EXPECT_THAT(load_error(wrong), HasSubstr("is the password right?"));
  wrong = options("server.p12");
  wrong.key_store.password = "guess";
  EXPECT_THAT(load_error(wrong), HasSubstr("the password is wrong"));
  std::ofstream(path("java.jks"), std::ios::binary) << "\xfe\xed\xfe\xed and so on";
  EXPECT_THAT(load_error(options("java.jks")), HasSubstr("keytool -importkeystore -srckeystore"));
}

TEST(Tls, GarbageEndsTheSession) {
  for (const Bytes& garbage :
       {Bytes(1000, '\x16'), Bytes(1000, '\0'), Bytes("GET / HTTP/1.1\r\n")}) {
    TlsSession server(load(options()), TlsSession::Side::kServer, "127.0.0.1");
    server.receive(garbage);
    EXPECT_FALSE(server.is_up());
    EXPECT_THAT(server.failure(), HasSubstr("TLS"));
    server.receive(garbage);  // and more of it does nothing
  }
  Pair pair(options(), options());
  pair.server.receive("garbage in the middle");
  EXPECT_THAT(pair.server.failure(), HasSubstr("TLS"));
}

}  // namespace
}  // namespace synod::net
