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

std::shared_ptr<const SaslOptions> load(const SaslOptions& options) {
  return std::make_shared<SaslOptions>(options);
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

// A server of Java's was let in by another; each of ours says what Java's said, byte for byte.
TEST(QuorumSasl, JavasBytes) {
  constexpr std::size_t kHeader = 16;
  const std::string from_learner = stream("quorum-learner-to-leader");
  const std::string from_leader = stream("quorum-leader-to-learner");
  const Bytes challenge = from_leader.substr(kHeader, 0x6c);
  const Bytes proof = from_leader.substr(kHeader + 0x6c + kHeader, 0x28);
  const Bytes response = from_learner.substr(2 * kHeader, 0x127);
  const auto value = [](const Bytes& text, const std::string& before) {
    const std::size_t begin = text.find(before) + before.size();
    return text.substr(begin, text.find('"', begin) - begin);
  };
  const DigestNames names{"zookeeper-quorum", "zk-quorum-sasl-md5"};

  DigestClient learner(names, "test", "testpw", value(response, "cnonce=\""));
  EXPECT_EQ(learner.respond(challenge).value(), response);
  EXPECT_TRUE(learner.is_proof(proof));

  const DigestServer leader(names, value(challenge, "nonce=\""));
  EXPECT_EQ(leader.challenge(), challenge);
  const auto welcome = leader.judge(response, [](const std::string& user) {
    return user == "test" ? std::optional<std::string>("testpw") : std::nullopt;
  });
  ASSERT_TRUE(welcome) << welcome.error().text;
  EXPECT_EQ(welcome->user, "test");
  EXPECT_EQ(welcome->proof, proof);

  QuorumSasl first(load(user("test", "testpw")), Side::kLearner, true);
  EXPECT_EQ(first.take_wire(), from_learner.substr(0, kHeader));
  QuorumSasl replayed(load(user("test", "testpw")), Side::kServer, true);
  replayed.receive(from_learner);
  EXPECT_THAT(replayed.failure(), HasSubstr("the answer to another challenge"));
}

TEST(QuorumSasl, ResponsesThatAreNone) {
  const DigestServer server({"zookeeper-quorum", "zk-quorum-sasl-md5"}, "n");
  DigestClient client({"zookeeper-quorum", "zk-quorum-sasl-md5"}, "te\"st", "testpw", "c");
  const Bytes good = client.respond(server.challenge()).value();
  const auto judged = [&](const Bytes& response) {
    const auto welcome = server.judge(
        response, [](const std::string&) { return std::optional<std::string>("testpw"); });
    return welcome ? "welcome, " + welcome->user : welcome.error().text;
  };
  const auto changed = [&](const std::string& from, const std::string& to) {
    Bytes response = good;
    response.replace(response.find(from), from.size(), to);
    return judged(response);
  };
  EXPECT_EQ(judged(good), "welcome, te\"st");
  EXPECT_EQ(judged(good + ",username=\"a\""), "a malformed response");  // twice
  EXPECT_EQ(judged(good + ",x=\""), "a malformed response");
  EXPECT_EQ(judged(good + ",x=" + Bytes(4096, 'x')), "a malformed response");
  EXPECT_EQ(changed("nonce=\"n\"", "nonce=\"m\""), "the answer to another challenge");
  EXPECT_EQ(changed("nc=00000001", "nc=00000002"), "the answer to another challenge");
  EXPECT_EQ(changed("zookeeper-quorum/", "zookeeper/"), "a response for another service");
  EXPECT_EQ(changed("qop=auth", "qop=auth-conf"), "it wants more than to say who it is (qop)");
  EXPECT_EQ(changed("cnonce=\"c\"", "cnonce=\"d\""), "a wrong name or password");
  EXPECT_EQ(changed("authzid=\"te", "authzid=\"at"), "a wrong name or password");
  EXPECT_EQ(judged(""), "the answer to another challenge");
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
