// Zab in the test cluster, with what is Zab's own: its packets as a transcript, and that none of
// them, and no vote, claims what is not on disk (G8, consensus.md 5.5). Servers that could join
// make it one whose membership may change; then a change has both quorums when it is announced.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "consensus/cluster/cluster.h"
#include "consensus/zab/packets.h"
#include "consensus/zab/zab.h"

namespace synod::consensus::zab {

using cluster::NodeId;
using TestOptions = cluster::Options;

class TestCluster final : public cluster::Cluster {
 public:
  explicit TestCluster(TestOptions options);

  // Packets that a leader or learner has sent on quorum links, as "1->2 DIFF 0x100000002".
  [[nodiscard]] const std::vector<std::string>& transcript() const { return transcript_; }
  [[nodiscard]] int count_sent(const std::string& packet) const;  // its name
  void clear_transcript() { transcript_.clear(); }
  // Changes of the membership that some leader announced, and those of them that named another.
  [[nodiscard]] int changes() const { return static_cast<int>(changes_.size()); }
  [[nodiscard]] int handovers() const;
  [[nodiscard]] std::string describe() const override;  // with the last of it

  // Called before each packet on a quorum link leaves: (from, to, type).
  std::function<void(NodeId, NodeId, PacketType)> on_packet;

 private:
  struct Watched {
    PacketReader packets[2];  // what the dialler, the acceptor sent
    Bytes votes[2];           // unread
    bool is_greeted = false;  // the dialler's initial message is past
    std::uint32_t epoch = 0;  // of LEADERINFO
  };

  void watch_packets(const cluster::Sent& sent);
  void check_change(NodeId from, const QuorumPacket& packet);
  void check_claims(NodeId from, Watched& link, const QuorumPacket& packet);
  void check_votes(const cluster::Sent& sent);

  std::map<std::uint64_t, Watched> watched_;  // by connection
  std::vector<std::string> transcript_;
  struct Change {
    NodeId leader;
    NodeId designated;
  };
  std::map<Zxid, Change> changes_;
};

}  // namespace synod::consensus::zab
