// A whole server: transcripts in testdata/replica/, and what is better said in code.
#include "replica/replica.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "replica/test_server.h"

namespace synod::replica {
namespace {

constexpr char kTranscripts[] = "src/replica/testdata/replica";

class ReplicaTranscript : public testing::TestWithParam<std::string> {};

// A transcript named like the configuration it needs.
ServingRules rules_for(const std::string& name) {
  ServingRules rules;
  rules.authentication.super_digest = "super:lK75jTNcA+U9vtVEw5vB51mj/w4=";  // super:secret
  if (name.starts_with("enforce_auth")) rules.authentication.required_schemes = {"digest"};
  if (name.starts_with("congestion")) {
    rules.max_waiting_reads = 4;
    rules.max_output_bytes = 2000;
  }
  rules.words = {"ruok"};
  rules.words = {"ruok"};
  return rules;
}

TEST_P(ReplicaTranscript, GoesAsWritten) {
  Options options = test_options();
  if (GetParam().starts_with("small_txn")) options.primary.max_txn_bytes = 1000;
  options.owner_rules.extended_types = GetParam().starts_with("reaping");
  ServerTranscript server(options, rules_for(GetParam()));
  const std::string differences =
      test::run_transcript(std::string(kTranscripts) + '/' + GetParam() + ".txt",
                           [&](const test::Command& command) { return server.run(command); });
  EXPECT_TRUE(differences.empty()) << differences;
}

INSTANTIATE_TEST_SUITE_P(All, ReplicaTranscript,
                         testing::ValuesIn(test::transcripts_in(kTranscripts)),
                         [](const auto& transcript) { return transcript.param; });

// A client with a session, and the requests it sends without looking at what comes back.
struct Talker {
  explicit Talker(TestServer& talks_to) : server(talks_to), connection(talks_to.connect()) {
    connection->receive(connect_frame(40000), server.time.steady);
    server.settle();
  }
  void send(const std::string& request) {
    connection->receive(request_frame(++xid, test::request_of(test::parse_command(request))),
                        server.time.steady);
    server.replica->advance(server.time);
  }
  TestServer& server;
  std::shared_ptr<ClientConnection> connection;
  std::int32_t xid = 0;
};

// The background lane is slow: a snapshot is due again while the purge after the last one is still
// on its way. (It once took the purge's completion for its own, and stopped the server.)
TEST(Replica, SnapshotIsDueWhileThePurgeIsUnderWay) {
  TestServer server;
  server.options.snapshots.txns_between = 2;
  ASSERT_EQ(server.open(), "");
  Talker talker(server);
  for (int i = 0; i < 200; ++i) {
    talker.send("set / \"x\"");
    while (const auto done = server.files.run(storage::IoLane::kLog)) {
      server.replica->io_done(done->token, done->result, server.time);
    }
    if (const auto done = server.files.run(storage::IoLane::kBackground)) {
      server.replica->io_done(done->token, done->result, server.time);
    }
  }
  server.settle();
  EXPECT_FALSE(server.replica->failure());
  EXPECT_TRUE(server.replica->take_warnings().empty());
  const auto entries = server.files.list("/data/version-2");
  const auto snapshots = storage::snapshots_among(*entries);
  EXPECT_LE(snapshots.size(), 4U);
  EXPECT_GE(snapshots.back().zxid.value, 150);
  const std::uint64_t digest = server.replica->state().tree().digest();
  server.kill();
  ASSERT_EQ(server.open(), "");
  EXPECT_EQ(server.replica->state().tree().digest(), digest);
}

// The bucket holds one token: the second connection is ended with a complaint, and time helps.
TEST(Replica, SessionsWithoutATokenAreTurnedAway) {
  TestServer server;
  server.options.connection_throttle = {.tokens = 1, .fill_time_ms = 1000};
  ASSERT_EQ(server.open(), "");
  const Talker first(server);
  EXPECT_TRUE(first.connection->has_session());
  const Talker second(server);
  EXPECT_TRUE(second.connection->is_ending());
  EXPECT_EQ(second.connection->complaint(),
            "too many sessions at a time (connection_throttle_tokens)");
  EXPECT_TRUE(second.connection->output().empty());
  const auto resume = [&] {
    const auto connection = server.connect();
    const SessionId session = first.connection->session();
    connection->receive(connect_frame(40000, session, session_password(session)),
                        server.time.steady);
    server.settle();
    return connection;
  };
  EXPECT_FALSE(resume()->has_session());
  EXPECT_FALSE(first.connection->is_ending());
  server.pass(1000);
  EXPECT_TRUE(resume()->has_session());
}

// Large requests count from their arrival until they are answered, or their connection is gone.
TEST(Replica, LargeRequestsBeyondTheSumEndTheirConnection) {
  TestServer server;
  server.rules.large_request_threshold_bytes = 100;
  server.rules.large_requests_max_bytes = 1000;
  ASSERT_EQ(server.open(), "");
  const std::string large = "set / \"" + std::string(400, 'x') + '"';
  Talker talker(server);
  Talker other(server);
  server.holds_disk = true;
  talker.send(large);
  talker.send("set / \"small\"");
  talker.send(large);
  EXPECT_FALSE(talker.connection->is_ending());
  other.send("set / \"small\"");
  EXPECT_FALSE(other.connection->is_ending());
  other.send(large);
  EXPECT_TRUE(other.connection->is_ending());
  EXPECT_TRUE(other.connection->complaint().starts_with("a request of 4"))
      << other.connection->complaint();
  other.connection->disconnected();
  EXPECT_GT(server.lane->large_request_bytes, 800U);

  server.holds_disk = false;
  server.settle();
  EXPECT_EQ(server.lane->large_request_bytes, 0U);
  server.holds_disk = true;
  talker.send(large);
  talker.connection->disconnected();
  EXPECT_EQ(server.lane->large_request_bytes, 0U);
}

TEST(Replica, SlowLogIsSaid) {
  TestServer server;
  ASSERT_EQ(server.open(), "");
  Talker talker(server);
  server.holds_disk = true;
  talker.send("set / \"x\"");
  server.pass(1000);
  ASSERT_TRUE(server.io());
  EXPECT_TRUE(server.replica->take_warnings().empty());
  talker.send("set / \"x\"");
  server.pass(1001);
  ASSERT_TRUE(server.io());
  const auto warnings = server.replica->take_warnings();
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_TRUE(warnings[0].starts_with("writing and flushing the transaction log took 1001 ms"));
}

test::TestRequest ephemerals(int first, int count) {
  test::Command multi;
  multi.name = "multi";
  for (int i = first; i < first + count; ++i) {
    multi.parts.push_back(
        test::parse_command("create /ephemeral-" + std::to_string(i) + " \"\" flags=e"));
  }
  return test::request_of(multi);
}

// The list of their paths would be longer than a restarting server reads: it stays empty, and the
// session's end removes them all the same, now and in the replay.
TEST(Replica, ASessionWith100000EphemeralsCloses) {
  TestServer server;
  ASSERT_EQ(server.open(), "");
  Talker talker(server);
  Talker other(server);
  for (int i = 0; i < 100'000; i += 1000) {
    talker.connection->receive(request_frame(i, ephemerals(i, 1000)), server.time.steady);
    server.settle();
    talker.connection->output().clear();
  }
  ASSERT_EQ(server.replica->state().tree().ephemeral_count(), 100'000U);
  other.send("addwatch / mode=1");
  other.connection->output().clear();
  talker.send("close");
  server.settle();
  EXPECT_TRUE(talker.connection->is_ending());
  EXPECT_EQ(server.replica->state().tree().ephemeral_count(), 0U);
  EXPECT_FALSE(has_digest_warning(server));
  std::size_t events = 0;
  jute::Reader in(other.connection->output());
  while (in.remaining() > 0 && in.view()) ++events;
  EXPECT_EQ(events, 100'000U);
  const std::uint64_t digest = server.replica->state().tree().digest();
  server.kill();
  ASSERT_EQ(server.open(), "");
  EXPECT_EQ(server.replica->state().tree().digest(), digest);
  EXPECT_TRUE(server.replica->recovery().warnings.empty());
}

// At any operation of the disk the power may go: what was answered is there again, with its digest,
// and nothing is that was not asked for.
TEST(Replica, PowerCutsLoseNothingAnswered) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    TestServer server;
    server.options.snapshots.txns_between = 8;
    std::map<std::string, std::string> answered;
    int number = 0;
    for (int life = 0; life < 3; ++life) {
      ASSERT_EQ(server.open(), "");
      for (const auto& [path, data] : answered) {
        const state::Node* node = server.replica->state().tree().find(path);
        ASSERT_NE(node, nullptr) << path;
        ASSERT_EQ(node->data.view(), data);
      }
      ASSERT_LE(server.replica->state().tree().node_count(), 4U + static_cast<std::size_t>(number));
      Talker talker(server);
      std::map<std::int32_t, std::pair<std::string, std::string>> asked;
      for (auto steps = random.below(300); steps > 0; --steps) {
        if (random.below(3) == 0) {
          const std::string path = "/n" + std::to_string(++number);
          talker.send("create " + path + " \"" + std::to_string(number) + '"');
          asked[talker.xid] = {path, std::to_string(number)};
        }
        const auto lane =
            random.below(2) == 0 ? storage::IoLane::kLog : storage::IoLane::kBackground;
        if (const auto done = server.files.step(lane)) {
          server.replica->io_done(done->token, done->result, server.time);
        }
        jute::Reader in(talker.connection->output());
        while (const auto frame = in.view()) {
          const auto header = jute::decode<jute::ReplyHeader>(*frame);
          if (header && asked.contains(header->xid)) answered.insert(asked[header->xid]);
        }
        talker.connection->output().clear();
      }
      server.kill();
      server.files.power_cut([&](std::uint64_t bound) { return random.below(bound); });
    }
  }
}

// Every packet copies and searches all identities: without a bound one megabyte of auth packets
// keeps the server from everybody else for a minute.
TEST(Replica, IdentitiesOfAConnectionHaveABound) {
  TestServer server;
  ASSERT_EQ(server.open(), "");
  Talker talker(server);
  for (int i = 0; i < 2000; ++i) talker.send("auth digest " + std::to_string(i));
  EXPECT_TRUE(talker.connection->is_ending());
}

// A request of 1 MB may name a node of 1 MB 30,000 times: the reply has a
// bound.
TEST(Replica, RepliesToMultiReadHaveABound) {
  TestServer server;
  ASSERT_EQ(server.open(), "");
  Talker talker(server);
  talker.send("create /big \"x\"*1000000");
  server.settle();
  talker.connection->output().clear();
  test::Command command;
  command.name = "multiread";
  command.parts.assign(100, test::parse_command("get /big"));
  talker.connection->receive(request_frame(7, test::request_of(command)), server.time.steady);
  EXPECT_LT(talker.connection->output().size(), std::size_t{64} << 20);
}

}  // namespace
}  // namespace synod::replica
