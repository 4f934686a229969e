#include "state/state.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "state/digest.h"
#include "state/test_random_txns.h"

namespace synod::state {
namespace {

const jute::StatPersisted kFresh{.czxid = {}, .mzxid = {}, .pzxid = {}};

const ApplyResult& replay(State& state, BytesView bytes) {
  const auto txn = jute::decode_txn(bytes);
  if (!txn) throw std::runtime_error(txn.error().text);
  return state.apply(*txn);
}

template <class T>
ApplyResult replay(State& state, std::int64_t zxid, jute::OpCode type, const T& record,
                   std::int64_t session = 1) {
  return replay(state,
                jute::encode_txn({{session}, 0, {zxid}, 1000 + zxid, type}, record, std::nullopt));
}

std::uint64_t digest_summed_up(const Tree& tree) {
  std::uint64_t sum = 0;
  for (const auto& [path, node] : seen_tree(tree)) {
    sum += node_digest(path,
                       digest_prefix(path, node.data ? NullableView(*node.data) : NullableView()),
                       *jute::decode<jute::StatPersisted>(node.stat));
  }
  return sum;
}

// The running digest, counts and sizes are what one gets by looking at everything.
RC_GTEST_PROP(StateProperties, RunningFiguresAreRight, (std::uint64_t seed)) {
  State state{OwnerRules{}};
  RandomTxns txns(seed);
  for (std::int64_t zxid = 1; zxid <= 200; ++zxid) {
    (void)replay(state, txns.next(state, {zxid}));
    RC_ASSERT(state.tree().digest() == digest_summed_up(state.tree()));
  }
  const SeenTree nodes = seen_tree(state.tree());
  RC_ASSERT(state.tree().node_count() == nodes.size());
  RC_ASSERT(state.tree().descendant_count(*state.tree().find("/")) == nodes.size() - 1);
  std::uint64_t bytes = 0;
  std::size_t ephemerals = 0;
  for (const auto& [path, node] : nodes) {
    bytes += path.size() + node.data.value_or("").size();
    const auto owner = jute::decode<jute::StatPersisted>(node.stat)->ephemeral_owner;
    ephemerals += owner != 0 && owner != kContainerOwner ? 1 : 0;
  }
  RC_ASSERT(state.tree().data_size() == bytes);
  RC_ASSERT(state.tree().ephemeral_count() == ephemerals);
}

// A fuzzy snapshot: some nodes as they were at some moment, others as they were later. Replaying
// everything since that moment ends in the state that never stopped.
RC_GTEST_PROP(StateProperties, ReplayOverAFuzzySnapshotEndsInTheSameState, (std::uint64_t seed)) {
  Random random(seed);
  RandomTxns txns(seed, RandomTxns::Kind::kSensible);
  State state{OwnerRules{}};
  std::vector<Bytes> log;
  std::int64_t zxid = 0;
  const auto go_on = [&](std::uint64_t count) {
    for (; count > 0; --count) {
      log.push_back(txns.next(state, {++zxid}));
      (void)replay(state, log.back());
    }
  };
  go_on(random.below(100));
  const Zxid since = state.applied();
  const auto sessions = state.sessions();
  // Depth first, a few nodes at a time, each as it is when its turn comes (DataTree.serialize).
  struct Written {
    std::string path;
    SeenNode node;
  };
  std::vector<Written> snapshot;
  std::vector<std::string> open{""};
  while (!open.empty()) {
    const std::string path = open.back();
    open.pop_back();
    if (random.below(2) == 0) go_on(random.below(4));
    const Node* node = state.tree().find(path);
    if (node == nullptr) continue;
    snapshot.push_back(
        {path, seen(node->data.view(), state.tree().acls().list(node->acl), node->stat)});
    if (!node->children) continue;
    for (const Node* child : *node->children) open.emplace_back(child->path());
  }
  go_on(random.below(50));

  Loader loader{OwnerRules{}};
  for (const auto& [id, timeout_ms] : sessions) loader.session(id, timeout_ms);
  std::int64_t acl_id = 0;
  for (const Written& written : snapshot) {
    loader.acl(++acl_id, written.node.acl);
    RC_ASSERT(loader.node(written.path,
                          written.node.data ? NullableView(*written.node.data) : NullableView(),
                          acl_id, *jute::decode<jute::StatPersisted>(written.node.stat)));
  }
  loader.finish_snapshot(since);
  for (const Bytes& txn : log) {
    if (jute::decode_txn(txn)->header.zxid > since) (void)replay(loader.state(), txn);
  }
  const SeenTree expected = seen_tree(state.tree());
  const auto text = [](const SeenNode& node) {
    const auto stat = *jute::decode<jute::StatPersisted>(node.stat);
    return fmt::format("{} czxid={} mzxid={} pzxid={} version={} cversion={} aversion={} owner={}",
                       node.data.value_or("null"), stat.czxid.value, stat.mzxid.value,
                       stat.pzxid.value, stat.version, stat.cversion, stat.aversion,
                       stat.ephemeral_owner);
  };
  for (const auto& [path, node] : seen_tree(loader.state().tree())) {
    if (!expected.contains(path))
      RC_LOG() << path << " is too much: " << text(node) << '\n';
    else if (expected.at(path) != node)
      RC_LOG() << path << ": " << text(node) << " instead of " << text(expected.at(path)) << '\n';
  }
  RC_ASSERT(seen_tree(loader.state().tree()) == expected);
  RC_ASSERT(loader.state().sessions() == state.sessions());
}

// ---- apply, one by one ------------------------------------------------------------------------

TEST(State, PoisonFromOtherServersIsSurvived) {
  State state({.extended_types = true});
  using jute::OpCode;
  const std::vector<jute::AclView> acl{{31, "world", "anyone"}};
  const std::uint64_t digest = state.tree().digest();
  // Sections 4 and 13 of the storage reference: records over which Java stops at every start.
  EXPECT_EQ(
      replay(state, 1, OpCode::kCreateTtl, jute::CreateTtlTxn{"/t", "", acl, 1, 0}).outcome.error,
      jute::ErrorCode::kBadArguments);
  EXPECT_EQ(
      replay(state, 2, OpCode::kCreateTtl, jute::CreateTtlTxn{"/t", "", acl, 1, -1}).outcome.error,
      jute::ErrorCode::kBadArguments);
  // Paths that no request could name.
  for (const char* path : {"", "/", "a", "nowhere/a", "/nowhere/a"}) {
    EXPECT_EQ(
        replay(state, 3, OpCode::kCreate, jute::CreateTxn{path, "", acl, false, 1}).outcome.error,
        jute::ErrorCode::kNoNode)
        << path;
    EXPECT_NE(replay(state, 3, OpCode::kDelete, jute::DeleteTxn{path}).outcome.error,
              jute::ErrorCode::kOk)
        << path;
  }
  for (const char* path : {"//", "//a"}) {
    EXPECT_EQ(
        replay(state, 3, OpCode::kCreate, jute::CreateTxn{path, "", acl, false, 1}).outcome.error,
        jute::ErrorCode::kNoNode)
        << path;
  }
  for (const char* path : {"/zookeeper", "/zookeeper/config", "/zookeeper/quota"}) {
    EXPECT_NE(replay(state, 3, OpCode::kDelete, jute::DeleteTxn{path}).outcome.error,
              jute::ErrorCode::kOk)
        << path;
  }
  EXPECT_EQ(state.tree().digest(), digest);
  // A quota on the root, and garbage where numbers should be.
  (void)replay(state, 4, OpCode::kCreate,
               jute::CreateTxn{"/zookeeper/quota/zookeeper_limits", "x", acl, false, 1});
  (void)replay(state, 5, OpCode::kCreate,
               jute::CreateTxn{"/zookeeper/quota/zookeeper_stats", "x", acl, false, 2});
  (void)replay(state, 6, OpCode::kCreate, jute::CreateTxn{"/a", "x", acl, false, 2});
  EXPECT_NE(state.tree().find("/a"), nullptr);
  EXPECT_EQ(state.applied(), Zxid{6});
}

TEST(State, AMultiThatHoldsAnErrorChangesNothing) {
  State state{OwnerRules{}};
  const Bytes create = jute::encode(jute::CreateTxn{"/a", "", {{31, "world", "anyone"}}, false, 1});
  const Bytes first = jute::encode(jute::ErrorTxn{jute::ErrorCode::kNoNode});
  const Bytes second = jute::encode(jute::ErrorTxn{jute::ErrorCode::kRuntimeInconsistency});
  const auto result = replay(state, 1, jute::OpCode::kMulti,
                             jute::MultiTxn{{{jute::OpCode::kCreate, create},
                                             {jute::OpCode::kError, first},
                                             {jute::OpCode::kError, second}}});
  EXPECT_EQ(state.tree().find("/a"), nullptr);
  EXPECT_EQ(state.changes().size(), 0U);
  ASSERT_EQ(result.parts.size(), 3U);
  EXPECT_EQ(result.parts[0].error, jute::ErrorCode::kOk);
  EXPECT_EQ(result.parts[1].error, jute::ErrorCode::kNoNode);
  EXPECT_EQ(result.parts[2].error, jute::ErrorCode::kRuntimeInconsistency);
}

TEST(State, AWrongDigestIsSaid) {
  State state{OwnerRules{}};
  const jute::TxnHeader header{{1}, 0, {1}, 0, jute::OpCode::kCreateSession};
  const auto digest = static_cast<std::int64_t>(state.tree().digest());
  EXPECT_FALSE(
      replay(state, jute::encode_txn(header, jute::CreateSessionTxn{1}, jute::TxnDigest{2, digest}))
          .is_digest_mismatch);
  EXPECT_TRUE(
      replay(state, jute::encode_txn(header, jute::CreateSessionTxn{1}, jute::TxnDigest{2, 5}))
          .is_digest_mismatch);
  EXPECT_FALSE(
      replay(state, jute::encode_txn(header, jute::CreateSessionTxn{1}, jute::TxnDigest{3, 5}))
          .is_digest_mismatch);
}

TEST(State, TheCountersEndIsSurvived) {
  State state{OwnerRules{}};
  const std::vector<jute::AclView> acl{{31, "world", "anyone"}};
  (void)replay(state, 1, jute::OpCode::kCreate, jute::CreateTxn{"/a", "", acl, false, 1});
  (void)replay(state, 2, jute::OpCode::kCreate, jute::CreateTxn{"/a/b", "", acl, false, INT32_MAX});
  (void)replay(state, 3, jute::OpCode::kCreate, jute::CreateTxn{"/a/c", "", acl, false, -1});
  (void)replay(state, 4, jute::OpCode::kCreate, jute::CreateTxn{"/a/d", "", acl, false, INT32_MIN});
  const Node* node = state.tree().find("/a");
  EXPECT_EQ(node->stat.cversion, INT32_MAX);
  EXPECT_EQ(node->stat.pzxid, Zxid{2});
  EXPECT_EQ(state.tree().client_stat(*node).cversion, -5);  // 2 * (2^31 - 1) - 3, in 32 bits
}

// ---- the loader -------------------------------------------------------------------------------

TEST(Loader, RefusesWhatIsNotLoadable) {
  Loader loader{OwnerRules{}};
  EXPECT_FALSE(loader.node("/a/b", "", kOpenAclOnDisk, kFresh)) << "no parent";
  EXPECT_FALSE(loader.node("/a", "", 7, kFresh)) << "no such list";
  EXPECT_FALSE(loader.node("a", "", kOpenAclOnDisk, kFresh)) << "no path";
  EXPECT_FALSE(loader.node("//a", "", kOpenAclOnDisk, kFresh)) << "the root has no such name";
  loader.acl(7, {{1, "world", "anyone"}});
  EXPECT_TRUE(loader.node("/a", std::nullopt, 7, kFresh));
  EXPECT_TRUE(loader.node("/a/b", "", kOpenAclOnDisk, kFresh));
}

TEST(Loader, AddsWhatAFreshServerHas) {
  Loader loader{OwnerRules{}};
  EXPECT_EQ(loader.state().tree().node_count(), 1U);
  loader.finish_snapshot({5});
  const auto state = loader.finish();
  EXPECT_NE(state->tree().find("/zookeeper/config"), nullptr);
  EXPECT_EQ(state->applied(), Zxid{5});
  EXPECT_EQ(state->tree().digest(), 1371985504U);
}

TEST(Loader, DropsOrphansAfterReplayOnly) {
  Loader loader{OwnerRules{}};
  jute::StatPersisted owned = kFresh;
  owned.ephemeral_owner = 5;
  ASSERT_TRUE(loader.node("/orphan", "", kOpenAclOnDisk, owned));
  owned.ephemeral_owner = 6;
  ASSERT_TRUE(loader.node("/adopted", "", kOpenAclOnDisk, owned));
  owned.ephemeral_owner =
      owner_of_ttl(1000);  // with extended types off: a session that nobody knows
  ASSERT_TRUE(loader.node("/ttl", "", kOpenAclOnDisk, owned));
  ASSERT_TRUE(loader.node("/ttl/child", "", kOpenAclOnDisk, kFresh));
  loader.finish_snapshot({1});
  EXPECT_NE(loader.state().tree().find("/orphan"), nullptr);
  (void)replay(loader.state(), 2, jute::OpCode::kCreateSession, jute::CreateSessionTxn{1000}, 6);
  const auto state = loader.finish();
  EXPECT_EQ(state->tree().find("/orphan"), nullptr);
  EXPECT_NE(state->tree().find("/adopted"), nullptr);
  EXPECT_EQ(state->tree().find("/ttl"), nullptr);
  EXPECT_EQ(state->tree().find("/ttl/child"), nullptr);
}

TEST(Loader, CountsQuotasAfresh) {
  Loader loader{OwnerRules{}};
  for (const char* path : {"/zookeeper", "/zookeeper/quota", "/zookeeper/quota/q"}) {
    ASSERT_TRUE(loader.node(path, "", kOpenAclOnDisk, kFresh));
  }
  ASSERT_TRUE(loader.node("/zookeeper/quota/q/zookeeper_limits", "count=1,bytes=1", kOpenAclOnDisk,
                          kFresh));
  ASSERT_TRUE(loader.node("/zookeeper/quota/q/zookeeper_stats", "count=99,bytes=99", kOpenAclOnDisk,
                          kFresh));
  ASSERT_TRUE(loader.node("/q", "xyz", kOpenAclOnDisk, kFresh));
  ASSERT_TRUE(loader.node("/q/r", "x", kOpenAclOnDisk, kFresh));
  loader.finish_snapshot({1});
  const auto state = loader.finish();
  EXPECT_EQ(state->quotas().stats_node("/q")->data.view(), "count=2,bytes=4");
  EXPECT_EQ(state->quotas().prefix_of("/q/r/s"), "/q");
  EXPECT_EQ(state->quotas().prefix_of("/qq"), "");
}

}  // namespace
}  // namespace synod::state
