// Raft in the test cluster, with what is Raft's own: its messages as a transcript, and that none of
// them claims what is not on disk (G8, R1, R5: consensus.md 3.13, 9.3), and that both sides commit
// what is joint (R8).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "consensus/cluster/cluster.h"
#include "consensus/native/frames.h"
#include "consensus/raft/raft.h"

namespace synod::consensus::raft {

using cluster::NodeId;
using TestOptions = cluster::Options;

class TestCluster final : public cluster::Cluster {
 public:
  using Adjust = std::function<void(Options&)>;
  explicit TestCluster(TestOptions options, const Adjust& adjust = {});

  static constexpr std::int64_t kElectionTimeoutMs = 200;

  // What was sent, heartbeats and their replies apart, as "1->2 AppendEntries".
  [[nodiscard]] const std::vector<std::string>& transcript() const { return transcript_; }
  [[nodiscard]] int count_sent(const std::string& message) const;  // its name
  void clear_transcript();
  [[nodiscard]] std::string describe() const override;  // with the last of it

  // Called before each message leaves.
  std::function<void(NodeId, NodeId, const Message&)> on_message;

 private:
  void watch(const cluster::Sent& sent);
  void check_claims(NodeId from, NodeId to, const Message& message);
  void check_changes();

  struct Watched {
    native::FrameReader frames;
    bool is_greeted = false;
  };
  std::map<std::pair<std::uint64_t, bool>, Watched> watched_;  // by connection, and who dialled
  std::map<std::pair<std::uint32_t, NodeId>, NodeId> votes_;   // by term and voter
  std::size_t changes_checked_ = 0;
  std::vector<std::string> transcript_;
  std::map<std::string, int> counts_;
};

}  // namespace synod::consensus::raft
