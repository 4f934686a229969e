// An ensemble in one thread: engines, FIFO links with delays and breaks, disks that lose what was
// not flushed, and in place of the replica a tree that is the list of its entries. What must always
// hold (consensus.md 9.2, 9.5) is checked as it runs.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "consensus/zab/packets.h"
#include "consensus/zab/zab.h"

namespace synod::consensus::zab {

using NodeId = std::int64_t;  // a server's number

struct TestOptions {
  int voters = 3;
  int observers = 0;
  std::uint64_t seed = 1;
  std::size_t commit_log_count = 500;
  std::uint32_t first_counter = 1;
  std::int64_t min_delay_ms = 1, max_delay_ms = 1;  // of a link
  std::int64_t min_flush_ms = 1, max_flush_ms = 1;
  bool is_log_kept = true;  // false: the log on disk is never there to be read
};

class TestCluster {
 public:
  explicit TestCluster(TestOptions options);
  ~TestCluster();

  // ---- what the world does
  void start(NodeId node);
  void start_all();
  void crash(NodeId node);           // what was not flushed is gone
  void wipe(NodeId node);            // crashed: its directory is emptied
  void cut_off(NodeId a, NodeId b);  // links break, and no new one comes up
  void heal(NodeId a, NodeId b);
  void isolate(NodeId node);
  void heal_all();
  void stall_disk(NodeId node, bool is_stalled);
  void set_accepted_epoch(NodeId node, std::uint32_t epoch);  // of one that is down
  // A snapshot as of what is applied; the log before it is gone.
  void purge_log(NodeId node);

  // ---- time
  void run_for(std::int64_t ms);
  // True as soon as it holds.
  bool run_until(const std::function<bool()>& condition, std::int64_t within_ms = 20'000);
  bool step();  // one event
  [[nodiscard]] std::int64_t now() const { return now_; }

  // ---- clients
  // Proposes at whoever leads and serves; the entry's bytes, or nothing if nobody does.
  std::optional<std::string> write();
  std::optional<std::string> write_at(NodeId node);
  bool write_and_wait(std::int64_t within_ms = 20'000);  // until it is committed

  void read_index(NodeId node, std::uint64_t token);
  void send_to_leader(NodeId node, const ServiceMessage& message);
  void send_to_learner(NodeId node, LinkId link, const ServiceMessage& message);

  // ---- looking
  [[nodiscard]] std::optional<NodeId> serving_leader() const;
  [[nodiscard]] bool is_up(NodeId node) const;
  [[nodiscard]] const Status& status(NodeId node) const;
  [[nodiscard]] std::vector<Zxid> applied(NodeId node) const;
  [[nodiscard]] Zxid last_applied(NodeId node) const;
  [[nodiscard]] Zxid last_durable(NodeId node) const;
  [[nodiscard]] bool are_all_serving_and_equal() const;  // those that are up
  [[nodiscard]] std::size_t committed_count() const { return committed_.size(); }
  [[nodiscard]] bool is_committed(const std::string& bytes) const;
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  // Who is what, and the last that was warned of and sent: for a test that fails.
  [[nodiscard]] std::string describe() const;
  // Packets that a leader or learner has sent on quorum links, as "1->2 DIFF 0x100000002".
  [[nodiscard]] const std::vector<std::string>& transcript() const { return transcript_; }
  [[nodiscard]] int count_sent(const std::string& packet) const;  // its name
  void clear_transcript() { transcript_.clear(); }
  [[nodiscard]] const std::map<std::uint64_t, Zxid>& reads(NodeId node) const;
  // Called before each packet on a quorum link leaves: (from, to, type).
  std::function<void(NodeId, NodeId, PacketType)> on_packet;
  // Called with what is delivered to the replica.
  std::function<void(NodeId, const effect::Deliver&)> on_deliver;

 private:
  struct Disk;
  struct Node;
  struct Link;
  struct Event {
    std::int64_t at;
    std::uint64_t order;
    std::function<void()> run;
  };

  Node& node(NodeId id) { return *nodes_.at(id); }
  [[nodiscard]] const Node& node(NodeId id) const { return *nodes_.at(id); }
  void at(std::int64_t when, std::function<void()> run);
  void in_life(NodeId id, std::int64_t when, std::function<void()> run);
  std::int64_t delay(std::int64_t least, std::int64_t most);
  void event(NodeId id, const std::function<void(Zab&)>& what);
  void carry_out(NodeId id);
  void carry_out(NodeId id, Effect& effect);
  void wake(NodeId id);

  void dial(NodeId from, const effect::Dial& dial);
  void send(NodeId from, LinkId link, Bytes bytes);
  void close(NodeId from, LinkId link);
  void break_link(Link& link);
  void notice_break(NodeId id, LinkId link);
  void watch_packets(NodeId from, Link& link, BytesView bytes);
  void check_claims(NodeId from, Link& link, const QuorumPacket& packet);
  void check_votes(NodeId from, Link& link, BytesView bytes);
  [[nodiscard]] bool are_cut_off(NodeId a, NodeId b) const;

  void disk_op(NodeId id, std::function<void(Node&)> done);
  void work_disk(NodeId id);
  void append(Node& node, const Entry& entry);
  void commit(Node& node, Zxid up_to);
  void send_snapshot(NodeId id, const effect::SendSnapshot& snapshot);
  void receive_tree(NodeId id, LinkId link, BytesView bytes);
  void read_log(NodeId id, const effect::ReadLog& wanted);
  void violated(std::string what) { violations_.push_back(std::move(what)); }

  TestOptions options_;
  Membership membership_;
  Random random_;
  std::int64_t now_ = 1000;
  std::uint64_t order_ = 0;
  std::multimap<std::pair<std::int64_t, std::uint64_t>, std::function<void()>> events_;
  std::map<NodeId, std::unique_ptr<Node>> nodes_;
  std::vector<std::shared_ptr<Link>> links_;
  std::set<std::pair<NodeId, NodeId>> cut_off_;
  std::uint64_t writes_ = 0;

  std::vector<Entry> committed_;
  std::map<Zxid, std::pair<Zxid, std::string>> chain_;  // predecessor and bytes
  std::map<std::uint32_t, NodeId> leader_of_;
  std::vector<std::string> violations_;
  std::vector<std::string> warnings_;
  std::vector<std::string> transcript_;
};

}  // namespace synod::consensus::zab
