#include "net/quorum_sasl.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace synod::net {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using Side = QuorumSasl::Side;

std::shared_ptr<const SaslContext> load(SaslOptions options) {
  auto loaded = SaslContext::load(std::move(options));
  EXPECT_TRUE(loaded) << loaded.error().text;
  return loaded ? *loaded : nullptr;
}

SaslOptions user(const std::string& name, const std::string& password) {
  return {.passwords = {{"test", "testpw"}, {"o@her", "\xc3\xa9t\xc3\xa9"}},
          .username = name,
          .password = password};
}

// The wire gives one byte at a time.
void carry(QuorumSasl& one, QuorumSasl& other) {
  for (bool has_moved = true; has_moved;) {
    has_moved = false;
    for (const auto& [from, to] : {std::pair{&one, &other}, {&other, &one}}) {
      for (const char byte : from->take_wire()) {
        to->receive({&byte, 1});
        has_moved = true;
      }
    }
  }
}

std::string stream(const std::string& name) {
  std::ifstream file(
      std::string(std::getenv("SYNOD_FIXTURES")) + "/zab-wire/sasl-" + name + ".stream",
      std::ios::binary);
  EXPECT_TRUE(file.is_open());
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(QuorumSasl, WhoKnowsThePasswordIsLetIn) {
  for (const SaslOptions& options : {user("test", "testpw"), user("o@her", "\xc3\xa9t\xc3\xa9")}) {
    QuorumSasl learner(load(options), Side::kLearner, true);
    QuorumSasl server(load(options), Side::kServer, true);
    carry(learner, server);
    EXPECT_THAT(server.failure(), IsEmpty());
    EXPECT_THAT(learner.failure(), IsEmpty());
    EXPECT_TRUE(server.is_done());
    EXPECT_TRUE(learner.is_done());
    server.receive("behind");
    EXPECT_EQ(server.take_rest(), "behind");
  }
}

TEST(QuorumSasl, WhoDoesNotIsNot) {
  for (const SaslOptions& options :
       {user("test", "guess"), user("nobody", "testpw"), user("test", "")}) {
    QuorumSasl learner(load(options), Side::kLearner, true);
    QuorumSasl server(load(options), Side::kServer, true);
    carry(learner, server);
    EXPECT_FALSE(server.is_done());
    EXPECT_FALSE(learner.is_done());
    EXPECT_THAT(server.failure(), HasSubstr("SASL"));
    EXPECT_THAT(learner.failure(), HasSubstr("SASL"));
  }
}

// A server that does not know the password cannot pretend.
TEST(QuorumSasl, TheServerProvesItselfToo) {
  QuorumSasl learner(load(user("test", "testpw")), Side::kLearner, true);
  QuorumSasl server(load(user("test", "testpw")), Side::kServer, true);
  server.receive(learner.take_wire());
  learner.receive(server.take_wire());
  server.receive(learner.take_wire());
  Bytes proof = server.take_wire();
  proof.back() = proof.back() == '0' ? '1' : '0';
  learner.receive(proof);
  EXPECT_FALSE(learner.is_done());
  EXPECT_THAT(learner.failure(), HasSubstr("SASL"));
}

TEST(QuorumSasl, JavasBytes) {
  QuorumSasl learner(load(user("test", "testpw")), Side::kLearner, true);
  const std::string from_learner = stream("quorum-learner-to-leader");
  EXPECT_EQ(learner.take_wire(), from_learner.substr(0, 16));

  // Java's challenge gets an answer for Java's service and realm.
  const std::string from_leader = stream("quorum-leader-to-learner");
  learner.receive(BytesView(from_leader).substr(0, 16 + 0x6c));
  const Bytes answer = learner.take_wire();
  EXPECT_THAT(learner.failure(), IsEmpty());
  EXPECT_THAT(answer, HasSubstr("digest-uri=\"zookeeper-quorum/zk-quorum-sasl-md5\""));
  EXPECT_THAT(answer, HasSubstr("realm=\"zk-quorum-sasl-md5\""));
  EXPECT_THAT(answer, HasSubstr("username=\"test\""));
  // Its proof is for another nonce.
  learner.receive(BytesView(from_leader).substr(16 + 0x6c, 16 + 40));
  EXPECT_THAT(learner.failure(), HasSubstr("SASL"));

  QuorumSasl server(load(user("test", "testpw")), Side::kServer, true);
  server.receive(BytesView(from_learner).substr(0, 16));
  EXPECT_THAT(server.take_wire(), HasSubstr("realm=\"zk-quorum-sasl-md5\""));
  server.receive(BytesView(from_learner).substr(16));
  EXPECT_FALSE(server.is_done());  // a replay
}

TEST(QuorumSasl, WhoDoesNotAuthenticateItself) {
  const Bytes learners("\0\0\0\x0b\0\0\0\0\0\0\0\0\0\0\0\x14", 16);  // FOLLOWERINFO begins so
  QuorumSasl lenient(load(user("test", "testpw")), Side::kServer, false);
  lenient.receive(learners);
  EXPECT_TRUE(lenient.is_done());
  EXPECT_EQ(lenient.take_rest(), learners);
  EXPECT_THAT(lenient.take_wire(), IsEmpty());

  QuorumSasl strict(load(user("test", "testpw")), Side::kServer, true);
  strict.receive(learners);
  EXPECT_THAT(strict.failure(), HasSubstr("serverRequireSasl"));

  QuorumSasl learner(load(user("test", "testpw")), Side::kLearner, true);
  learner.receive(learners);
  EXPECT_THAT(learner.failure(), HasSubstr("something else"));
}

TEST(QuorumSasl, HostilePackets) {
  const Bytes magic("\x5f\x24\x35\x01\x35\x01\xed\xcc", 8);
  const auto after_start = [&](const Bytes& packet) {
    QuorumSasl server(load(user("test", "testpw")), Side::kServer, true);
    server.receive(magic + Bytes("\0\0\0\0\0\0\0\0", 8));
    server.receive(packet);
    EXPECT_FALSE(server.is_done());
    return server.failure();
  };
  EXPECT_THAT(after_start(magic + Bytes("\0\0\0\0\x7f\xff\xff\xff", 8)), HasSubstr("token of"));
  EXPECT_THAT(after_start(magic + Bytes("\0\0\0\0\0\0\0\0", 8)), HasSubstr("SASL"));
  EXPECT_THAT(after_start(magic + Bytes("\0\0\0\1\xff\xff\xff\xff", 8)), HasSubstr("SASL"));
  EXPECT_THAT(after_start(magic + Bytes("\0\0\0\0\0\0\0\x04\0\xff\xfe,", 12)), HasSubstr("SASL"));
  EXPECT_THAT(after_start("and now for something else"), HasSubstr("does not authenticate"));
}

TEST(QuorumSasl, OptionsComeFromTheJaasFile) {
  const auto sections = parse_jaas(
      "S { org.apache.zookeeper.server.auth.DigestLoginModule required user_a=\"x\" user_b=\"y\"; "
      "};"
      "L { org.apache.zookeeper.server.auth.DigestLoginModule required username=a password=x; };"
      "K { com.sun.security.auth.module.Krb5LoginModule required; };");
  ASSERT_TRUE(sections);
  const auto options = sasl_options(*sections, "S", "L");
  ASSERT_TRUE(options) << options.error().text;
  EXPECT_EQ(options->passwords, (std::map<std::string, std::string>{{"a", "x"}, {"b", "y"}}));
  EXPECT_EQ(options->username, "a");
  EXPECT_EQ(options->password, "x");
  EXPECT_THAT(sasl_options(*sections, "S", "T").error().text, HasSubstr("no section T"));
  EXPECT_THAT(sasl_options(*sections, "K", "L").error().text, HasSubstr("Krb5LoginModule"));
  EXPECT_THAT(sasl_options(*sections, "S", "S").error().text, HasSubstr("no username"));
}

}  // namespace
}  // namespace synod::net
