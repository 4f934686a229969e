// What the stories of an ensemble (raft_test.cc and others) have in common.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "consensus/raft/test_cluster.h"

namespace synod::consensus::raft {

inline constexpr std::int64_t kT = TestCluster::kElectionTimeoutMs;

class RaftStory : public testing::Test {
 protected:
  void prepare(TestOptions options, const TestCluster::Adjust& adjust = {}) {
    cluster_.emplace(options, adjust);
  }
  void begin(TestOptions options = {}, const TestCluster::Adjust& adjust = {}) {
    prepare(options, adjust);
    cluster_->start_all();
    ASSERT_TRUE(settles());
  }
  bool settles() {
    return cluster_->run_until([&] { return cluster_->are_all_serving_and_equal(); });
  }
  void write(int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(cluster_->write_and_wait()) << cluster_->describe();
  }
  void TearDown() override {
    if (!cluster_) return;
    EXPECT_THAT(cluster_->violations(), testing::IsEmpty()) << cluster_->describe();
  }
  TestCluster& the() { return *cluster_; }
  NodeId leader() { return the().serving_leader().value_or(0); }
  NodeId follower(int which = 0) {
    for (NodeId node = 1;; ++node)
      if (node != leader() && which-- == 0) return node;
  }
  std::uint32_t term() { return the().status(leader()).epoch; }
  bool transfer(NodeId to) {
    bool is_begun = false;
    the().with_engine(leader(), [&](Engine& engine) {
      is_begun = dynamic_cast<Raft&>(engine).transfer_leadership(ServerId{to});
    });
    return is_begun;
  }
  [[nodiscard]] bool is_reconfiguring() {
    bool is_under_way = false;
    the().with_engine(leader(), [&](Engine& engine) { is_under_way = engine.is_reconfiguring(); });
    return is_under_way;
  }
  // Server 1 has no patience, the others much.
  static void first_campaigns(Options& options) {
    if (options.self != ServerId{1}) options.election_timeout_ms *= 20;
  }

  std::optional<TestCluster> cluster_;
};

}  // namespace synod::consensus::raft
