// Guarded links, over real sockets.
#include "net/link_guard.h"

#include <gmock/gmock.h>

#include <boost/asio/write.hpp>

#include "net/test_certificates.h"
#include "net/test_peers.h"

namespace synod::net {
namespace {

using boost::asio::ip::tcp;
using consensus::LinkId;
using consensus::Port;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

enum class Switch { kPlain, kBoth, kTlsAndPlain, kTls };  // portUnification, then sslQuorum

PeerOptions with_tls(Switch position, const std::string& keys = "server.pem") {
  const TestCertificates& files = TestCertificates::get();
  TlsOptions options;
  options.key_store.location = files.path(keys);
  options.trust_store.location = files.path("ca.pem");
  PeerOptions made;
  if (position == Switch::kPlain) return made;
  const auto loaded = TlsContext::load(options);
  EXPECT_TRUE(loaded) << loaded.error().text;
  made.security.tls = *loaded;
  made.security.is_dialling_tls = position != Switch::kBoth;
  made.security.is_accepting_tls = true;
  made.security.is_accepting_plain = position != Switch::kTls;
  return made;
}

PeerOptions with_sasl(PeerOptions options, const std::string& password = "testpw") {
  options.security.sasl = std::make_shared<SaslOptions>(
      SaslOptions{.passwords = {{"test", "testpw"}}, .username = "test", .password = password});
  options.security.is_learner_sasl_required = true;
  options.security.is_server_sasl_required = true;
  return options;
}

Bytes initial_message() {
  return {
      "\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x0e"
      "127.0.0.1:3888",
      34};
}

class LinkGuardTest : public PeerTest {
 protected:
  // One dials the other and both speak; the election's dialler begins with its initial message.
  void expect_talk(const PeerOptions& dialler, const PeerOptions& acceptor) {
    for (const Port port : {Port::kElection, Port::kQuorum}) {
      TestPeer one(io_, dialler);
      TestPeer other(io_, acceptor);
      until([&] { return one.is_open() && other.is_open(); });
      one.dial(kFirst, port, other.endpoints(port));
      until([&] { return one.linked_links.size() == 1 || !one.unlinked_links.empty(); });
      ASSERT_THAT(one.complaints, IsEmpty());
      const Bytes said = initial_message() + Bytes(2'000'000, 'x');
      one.links.send(kFirst, said.substr(0, 50));
      one.links.send(kFirst, said.substr(50));
      one.links.flush();
      until([&] { return !other.accepted_links.empty(); });
      other.send(LinkId{2}, "an answer");
      until([&] {
        other.links.flush();
        one.links.flush();
        return other.bytes[LinkId{2}].size() == said.size() && one.bytes[kFirst].size() == 9;
      });
      EXPECT_TRUE(other.bytes[LinkId{2}] == said);
      EXPECT_EQ(one.links.unsent(kFirst), 0);
      one.send(kFirst, "last words");
      one.close(kFirst);
      until([&] { return !other.unlinked_links.empty(); });
      EXPECT_TRUE(other.bytes[LinkId{2}].ends_with("last words"));
      EXPECT_EQ(other.accepted_links.size(), 1);
    }
  }

  // The acceptor's engine hears of nothing, the dialler's of the end. Their complaints.
  std::pair<std::string, std::string> expect_no_talk(const PeerOptions& dialler,
                                                     const PeerOptions& acceptor, Port port) {
    TestPeer one(io_, dialler);
    TestPeer other(io_, acceptor);
    until([&] { return one.is_open() && other.is_open(); });
    one.dial(kFirst, port, other.endpoints(port));
    bool has_spoken = false;
    until([&] {
      if (!one.linked_links.empty() && !std::exchange(has_spoken, true))
        one.send(kFirst, initial_message() + "and more");
      return !one.unlinked_links.empty() && !other.complaints.empty();
    });
    EXPECT_THAT(other.accepted_links, IsEmpty());
    EXPECT_THAT(other.bytes, IsEmpty());
    EXPECT_EQ(other.links.link_count(), 0);
    if (one.complaints.empty() || other.complaints.empty()) return {};
    return {one.complaints.back(), other.complaints.back()};
  }
};

TEST_F(LinkGuardTest, Tls) { expect_talk(with_tls(Switch::kTls), with_tls(Switch::kTls)); }

TEST_F(LinkGuardTest, Sasl) { expect_talk(with_sasl({}), with_sasl({})); }

TEST_F(LinkGuardTest, SaslWithinTls) {
  expect_talk(with_sasl(with_tls(Switch::kTls)), with_sasl(with_tls(Switch::kTls)));
}

// The rolling switch from plain to TLS: neighbours in time always understand each other.
TEST_F(LinkGuardTest, OneStepAtATimeEverybodyUnderstandsEverybody) {
  for (const auto& [before, after] : {std::pair{Switch::kPlain, Switch::kBoth},
                                      {Switch::kBoth, Switch::kTlsAndPlain},
                                      {Switch::kTlsAndPlain, Switch::kTls}}) {
    expect_talk(with_tls(before), with_tls(after));
    expect_talk(with_tls(after), with_tls(before));
  }
}

TEST_F(LinkGuardTest, PlainToTls) {
  TestPeer one(io_);
  TestPeer other(io_, with_tls(Switch::kTls));
  until([&] { return other.is_open(); });
  one.dial(kFirst, Port::kQuorum, other.endpoints(Port::kQuorum));
  until([&] { return !one.linked_links.empty(); });
  one.send(kFirst, "FOLLOWERINFO");
  until([&] { return !one.unlinked_links.empty(); });
  EXPECT_THAT(other.complaints, ElementsAre(HasSubstr("does not speak TLS")));
  EXPECT_THAT(other.accepted_links, IsEmpty());
  EXPECT_THAT(other.unlinked_links, IsEmpty());
}

TEST_F(LinkGuardTest, WhoIsNotTrusted) {
  const auto foreign = expect_no_talk(with_tls(Switch::kTls, "foreign-server.pem"),
                                      with_tls(Switch::kTls), Port::kQuorum);
  EXPECT_THAT(foreign.second, HasSubstr("certificate"));
  const auto elsewhere = expect_no_talk(with_tls(Switch::kTls),
                                        with_tls(Switch::kTls, "elsewhere.pem"), Port::kElection);
  EXPECT_THAT(elsewhere.first, HasSubstr("does not name 127.0.0.1"));
}

TEST_F(LinkGuardTest, WhoDoesNotKnowThePassword) {
  for (const Port port : {Port::kElection, Port::kQuorum}) {
    const auto complaints = expect_no_talk(with_sasl({}, "guess"), with_sasl({}), port);
    EXPECT_THAT(complaints.first, HasSubstr("does not accept our name"));
    EXPECT_THAT(complaints.second, HasSubstr("SASL"));
  }
}

TEST_F(LinkGuardTest, WhoOffersNoPassword) {
  PeerOptions shy = with_sasl({});
  shy.security.is_learner_sasl_required = false;
  PeerOptions lenient = with_sasl({});
  lenient.security.is_server_sasl_required = false;
  expect_talk(shy, lenient);
  expect_talk({}, lenient);
  EXPECT_THAT(expect_no_talk(shy, with_sasl({}), Port::kElection).second,
              HasSubstr("serverRequireSasl"));
}

TEST_F(LinkGuardTest, WhoSaysNothing) {
  PeerOptions strict = with_sasl(with_tls(Switch::kTls));
  strict.security.detection_timeout = std::chrono::milliseconds(20);
  strict.security.handshake_timeout = std::chrono::milliseconds(60);
  TestPeer one(io_, strict);
  PeerOptions both = with_tls(Switch::kBoth);
  both.security.detection_timeout = std::chrono::milliseconds(20);
  TestPeer other(io_, both);
  until([&] { return one.is_open() && other.is_open(); });
  const tcp::socket silent = connect(one.endpoints(Port::kQuorum).front());
  tcp::socket slow = connect(one.endpoints(Port::kElection).front());
  boost::asio::write(slow, boost::asio::buffer("\x16\x03\x01", 3));
  const tcp::socket plain = connect(other.endpoints(Port::kQuorum).front());
  until([&] { return one.complaints.size() == 2 && other.accepted_links.size() == 1; });
  EXPECT_THAT(one.complaints, testing::Each(HasSubstr("no handshake in time")));
  EXPECT_EQ(one.links.link_count(), 0);
  EXPECT_EQ(other.links.link_count(), 1);
}

TEST_F(LinkGuardTest, GarbageCostsItsOwnLinkOnly) {
  TestPeer one(io_, with_sasl(with_tls(Switch::kTlsAndPlain)));
  TestPeer other(io_, with_sasl(with_tls(Switch::kTlsAndPlain)));
  until([&] { return one.is_open() && other.is_open(); });
  one.dial(kFirst, Port::kQuorum, other.endpoints(Port::kQuorum));
  until([&] { return !one.linked_links.empty() && !other.accepted_links.empty(); });
  std::size_t sent = 0;
  for (const Port port : {Port::kElection, Port::kQuorum}) {
    for (const Bytes& garbage :
         {Bytes(5000, '\x16'), Bytes(5000, '\0'), Bytes(5000, '\xff'),
          Bytes("GET / HTTP/1.1\r\n\r\n"),
          Bytes("\x5f\x24\x35\x01\x35\x01\xed\xcc\0\0\0\0\x7f\xff\xff\xff", 16),
          Bytes("\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\1\x7f\xff\xff\xff", 20)}) {
      tcp::socket socket = connect(other.endpoints(port).front());
      boost::asio::write(socket, boost::asio::buffer(garbage));
      ++sent;
      until([&] { return other.complaints.size() == sent; });
    }
  }
  EXPECT_EQ(other.accepted_links.size(), 1);
  one.send(kFirst, "still here");
  until([&] { return other.bytes[LinkId{2}] == "still here"; });
}

}  // namespace
}  // namespace synod::net
