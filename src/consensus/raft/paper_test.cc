// Claims of the extended paper that no story or single server shows by itself: the five properties
// of figure 3, looked at from outside while random schedules run, and what 5.2 to 5.6 say of
// elections and timing. docs/claims.md lists all claims with their tests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include "consensus/cluster/schedule.h"
#include "consensus/raft/test_cluster.h"

namespace synod::consensus::raft {
namespace {

using testing::IsEmpty;

constexpr std::int64_t kT = TestCluster::kElectionTimeoutMs;

// ---- figure 3 ---------------------------------------------------------------------------------

// What an onlooker sees who hears every message, and reads every server's state when one leaves.
class Onlooker {
 public:
  explicit Onlooker(TestCluster& cluster) : cluster_(cluster) {
    cluster_.on_message = [this](NodeId from, NodeId, const Message& message) {
      if (const auto* append = std::get_if<message::AppendEntries>(&message)) log_matching(*append);
      look(from);
    };
  }

  struct Seen {
    std::map<std::string, std::vector<std::string>> broken;  // by property
    std::size_t leaders = 0;
    std::size_t entries = 0;
    std::size_t commits = 0;
  };
  static Seen run(std::uint64_t seeds) {
    Seen seen;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      std::unique_ptr<Onlooker> onlooker;
      cluster::Schedule schedule(seed, [&](const TestOptions& options) {
        auto cluster = std::make_unique<TestCluster>(options);
        onlooker = std::make_unique<Onlooker>(*cluster);
        return cluster;
      });
      EXPECT_EQ(schedule.run(), "") << "seed " << seed;
      for (const auto& [property, what] : onlooker->broken_)
        seen.broken[property].push_back("seed " + std::to_string(seed) + ": " + what);
      seen.leaders += onlooker->leader_of_.size();
      seen.entries += onlooker->behind_.size();
      seen.commits += schedule.cluster().committed_count();
    }
    return seen;
  }

 private:
  void breaks(const std::string& property, const std::string& what) {
    broken_.emplace(property, what);
  }

  void look(NodeId node) {
    if (!cluster_.is_up(node)) return;
    const Status& status = cluster_.status(node);
    if (status.role != Role::kLeading) {
      last_of_.erase(node);
    } else {
      election_safety(node, status.epoch);
      append_only(node, status.epoch);
    }
    if (status.is_serving) state_machine_safety(node);
  }

  void election_safety(NodeId node, std::uint32_t term) {
    const auto [leader, is_first] = leader_of_.emplace(term, node);
    if (leader->second != node) breaks("election safety", "two lead term " + std::to_string(term));
    if (is_first) completeness(node, term);
  }

  // Of its own entries none goes: the end that is on disk never falls, and its term's entries stay.
  void append_only(NodeId node, std::uint32_t term) {
    const Zxid last = cluster_.last_durable(node);
    const auto [known, is_first] = last_of_.try_emplace(node, term, last);
    if (!is_first && known->second.first == term && last < known->second.second)
      breaks("append-only", "server " + std::to_string(node) + " took something from its log");
    known->second = {term, last};
  }

  // Everything committed in the terms before is in the log that the new leader starts with.
  void completeness(NodeId node, std::uint32_t term) {
    const std::vector<Zxid> applied = cluster_.applied(node);
    for (const Entry& entry : cluster_.committed())
      if (entry.zxid.epoch() < term && !cluster_.is_durable(node, entry.zxid) &&
          !std::ranges::binary_search(applied, entry.zxid))
        breaks("completeness", "server " + std::to_string(node) + " leads without an entry");
  }

  // An entry has one content and one predecessor, whoever sends it: so all before it is equal.
  void log_matching(const message::AppendEntries& append) {
    Zxid prev = append.prev;
    for (const Entry& entry : append.entries) {
      const auto known = behind_.try_emplace(entry.zxid, prev, *entry.bytes).first;
      if (known->second != std::pair(prev, *entry.bytes))
        breaks("log matching", "an entry has two contents or two predecessors");
      prev = entry.zxid;
    }
  }

  // Who serves has applied a beginning of what is committed, in that order.
  void state_machine_safety(NodeId node) {
    const std::vector<Zxid> applied = cluster_.applied(node);
    // An engine knows that it serves before the commits ahead of that are carried out.
    if (applied.size() != cluster_.committed_count(node)) return;
    const bool is_prefix =
        applied.size() <= cluster_.committed().size() &&
        std::ranges::equal(applied, cluster_.committed() | std::views::take(applied.size()), {}, {},
                           &Entry::zxid);
    if (!is_prefix) breaks("state machine safety", "server " + std::to_string(node) + " differs");
  }

  TestCluster& cluster_;
  std::map<std::uint32_t, NodeId> leader_of_;                 // by term
  std::map<NodeId, std::pair<std::uint32_t, Zxid>> last_of_;  // of leaders: term, end of the log
  std::map<Zxid, std::pair<Zxid, Bytes>> behind_;             // predecessor and content
  std::map<std::string, std::string> broken_;
};

class RaftProperties : public testing::Test {
 protected:
  static void SetUpTestSuite() { seen_ = Onlooker::run(60); }
  static std::vector<std::string> broken(const std::string& property) {
    const auto found = seen_.broken.find(property);
    return found == seen_.broken.end() ? std::vector<std::string>{} : found->second;
  }
  static Onlooker::Seen seen_;
};
Onlooker::Seen RaftProperties::seen_;

TEST_F(RaftProperties, Figure3_ElectionSafety) {
  EXPECT_GT(seen_.leaders, 100U) << "the schedules have to have many";
  EXPECT_THAT(broken("election safety"), IsEmpty());
}
TEST_F(RaftProperties, Figure3_LeaderAppendOnly) { EXPECT_THAT(broken("append-only"), IsEmpty()); }
TEST_F(RaftProperties, Figure3_LogMatching) {
  EXPECT_GT(seen_.entries, 1000U);
  EXPECT_THAT(broken("log matching"), IsEmpty());
}
TEST_F(RaftProperties, Figure3_LeaderCompleteness) {
  EXPECT_GT(seen_.commits, 1000U);
  EXPECT_THAT(broken("completeness"), IsEmpty());
}
TEST_F(RaftProperties, Figure3_StateMachineSafety) {
  EXPECT_THAT(broken("state machine safety"), IsEmpty());
}

// ---- elections and time -----------------------------------------------------------------------

class RaftPaper : public testing::Test {
 protected:
  static bool settles(TestCluster& cluster) {
    return cluster.run_until([&] { return cluster.are_all_serving_and_equal(); });
  }
};

TEST_F(RaftPaper, Section5_2_WhoHearsItsLeaderStaysAFollower) {
  TestCluster cluster({.voters = 5});
  cluster.start_all();
  ASSERT_TRUE(settles(cluster));
  cluster.clear_transcript();
  cluster.run_for(100 * kT);
  EXPECT_EQ(cluster.count_sent("RequestVote"), 0) << "heartbeats alone keep five servers quiet";
}

// A leader dies, 100 times: with timeouts drawn from [T, 2T) hardly ever is a second term needed.
TEST_F(RaftPaper, Section5_2_SplitVotesAreRareAndResolved) {
  int terms = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    TestCluster cluster({.voters = 5, .seed = seed, .max_delay_ms = 5},
                        [](Options& options) { options.pre_vote = false; });
    cluster.start_all();
    ASSERT_TRUE(settles(cluster));
    const NodeId old = *cluster.serving_leader();
    const std::uint32_t before = cluster.status(old).epoch;
    cluster.crash(old);
    ASSERT_TRUE(cluster.run_until([&] { return cluster.serving_leader().has_value(); }));
    terms += static_cast<int>(cluster.status(*cluster.serving_leader()).epoch - before);
    EXPECT_THAT(cluster.violations(), IsEmpty());
  }
  EXPECT_GT(terms, 100) << "some votes must have been split, or this shows nothing";
  EXPECT_LT(terms, 130);
}

TEST_F(RaftPaper, Section5_3_FollowersLearnOfACommitWithoutAnotherEntry) {
  TestCluster cluster({.voters = 5});
  cluster.start_all();
  ASSERT_TRUE(settles(cluster));
  ASSERT_TRUE(cluster.write_and_wait());
  const Zxid last = cluster.committed().back().zxid;
  cluster.run_for(kT);
  for (NodeId node = 1; node <= 5; ++node) EXPECT_EQ(cluster.last_applied(node), last) << node;
}

// What a leader tells a learner beside the log stands behind what was committed before: also where
// a full window holds the entries back. (A sync, and so a linearizable read, overtook them: found
// by the simulator.)
TEST_F(RaftPaper, Section8_AnAnswerDoesNotOvertakeTheEntriesBeforeIt) {
  TestCluster cluster({.voters = 3}, [](Options& options) { options.max_in_flight = 1; });
  cluster.start_all();
  ASSERT_TRUE(settles(cluster));
  const NodeId leader = *cluster.serving_leader();
  const NodeId slow = leader % 3 + 1;
  std::optional<LinkId> link;
  std::optional<std::size_t> committed_when_told;
  cluster.on_deliver = [&](NodeId node, const effect::Deliver& delivery) {
    if (delivery.message.kind == ServiceMessage::Kind::kRequest) link = delivery.from;
    if (delivery.message.kind == ServiceMessage::Kind::kSynced)
      committed_when_told = cluster.committed_count(node);
  };
  cluster.send_to_leader(slow, {.kind = ServiceMessage::Kind::kRequest});
  ASSERT_TRUE(cluster.run_until([&] { return link.has_value(); }));
  cluster.stall_disk(slow, true);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(cluster.write_and_wait());
  const std::size_t committed = cluster.committed_count();
  cluster.send_to_learner(leader, *link, {.kind = ServiceMessage::Kind::kSynced});
  cluster.run_for(kT / 4);
  EXPECT_EQ(committed_when_told, std::nullopt);
  cluster.stall_disk(slow, false);
  ASSERT_TRUE(cluster.run_until([&] { return committed_when_told.has_value(); }));
  EXPECT_GE(*committed_when_told, committed);
}

// Followers are sent everything again, for as long as it takes: also what was answered long ago.
TEST_F(RaftPaper, Section5_5_ACrashedFollowerIsTriedForEver) {
  TestCluster cluster({.voters = 3});
  cluster.start_all();
  ASSERT_TRUE(settles(cluster));
  const NodeId down = *cluster.serving_leader() % 3 + 1;
  cluster.crash(down);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(cluster.write_and_wait());
  cluster.run_for(500 * kT);
  cluster.start(down);
  EXPECT_TRUE(settles(cluster));
  EXPECT_EQ(cluster.applied(down).size(), cluster.committed_count());
}

// A candidate dies at any of its requests: others take over, and nobody has voted twice.
TEST_F(RaftPaper, Section5_5_ACandidateThatCrashesIsReplaced) {
  for (int at = 1; at <= 8; ++at) {
    SCOPED_TRACE(at);
    TestCluster cluster({.voters = 5});
    int asked = 0;
    cluster.on_message = [&](NodeId from, NodeId, const Message& message) {
      const auto* ask = std::get_if<message::RequestVote>(&message);
      if (ask != nullptr && !ask->is_pre && ++asked == at) cluster.crash(from);
    };
    cluster.start_all();
    ASSERT_TRUE(cluster.run_until([&] { return cluster.serving_leader().has_value(); }));
    cluster.start_all();
    ASSERT_TRUE(settles(cluster));
    EXPECT_THAT(cluster.violations(), IsEmpty());
  }
}

// broadcastTime << electionTimeout: a tenth of it, both ways and the disk included, is enough.
TEST_F(RaftPaper, Section5_6_WhileMessagesAreMuchFasterThanTimeoutsTheLeaderStays) {
  TestCluster cluster({.voters = 5, .max_delay_ms = kT / 20, .max_flush_ms = kT / 20});
  cluster.start_all();
  ASSERT_TRUE(settles(cluster));
  const NodeId leader = *cluster.serving_leader();
  const std::uint32_t term = cluster.status(leader).epoch;
  for (int i = 0; i < 200; ++i) {
    cluster.write();
    cluster.run_for(kT / 4);
  }
  EXPECT_EQ(cluster.serving_leader(), leader);
  EXPECT_EQ(cluster.status(leader).epoch, term);
  ASSERT_TRUE(settles(cluster));
  EXPECT_GT(cluster.committed_count(), 190U);
}

}  // namespace
}  // namespace synod::consensus::raft
