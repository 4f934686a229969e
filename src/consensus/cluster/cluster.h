// An ensemble in one thread, of any engine: FIFO links with delays, breaks and silences, disks that
// lose what was not flushed, and in place of the replica a tree that is the list of its entries.
// What must always hold, whatever the engine (consensus.md 9.2, 9.5), is checked as it runs. For
// tests; what only one engine promises its own tests check, on the hooks.
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
#include "consensus/engine.h"
#include "consensus/membership.h"

namespace synod::consensus::cluster {

using NodeId = std::int64_t;  // a server's number

struct Options {
  int voters = 3;
  int observers = 0;
  int spares = 0;  // servers that are no members yet; each knows the members, and itself
  std::uint64_t seed = 1;
  std::size_t memory_entries = 500;  // the bounds of the engine's memory; for who makes the engines
  std::uint32_t first_counter = 1;   // likewise
  bool has_observer_masters = false;                // likewise
  std::int64_t min_delay_ms = 1, max_delay_ms = 1;  // of a link
  std::int64_t min_flush_ms = 1, max_flush_ms = 1;
  bool is_log_kept = true;  // false: the log on disk is never there to be read
};

using MakeEngine = std::function<std::unique_ptr<Engine>(ServerId self, const Membership&)>;

// Clients' entries begin with a letter, an engine's own with a byte that says what they are.
class TestForms final : public EntryForms {
 public:
  [[nodiscard]] SharedBytes write(EntryKind kind, Zxid zxid, BytesView payload) const override;
  [[nodiscard]] Form read(BytesView entry) const override;
};

// Bytes that leave, as the hooks see them.
struct Sent {
  std::uint64_t connection;  // each has its number; both ends say the same
  NodeId from, to;
  Port port;
  bool is_dialler;  // `from` is
  bool is_tree;     // of a snapshot
  BytesView bytes;
};

class Cluster {
 public:
  Cluster(Options options, MakeEngine make_engine);
  virtual ~Cluster();

  // ---- what the world does
  void start(NodeId node);
  void start_all();
  void crash(NodeId node);           // what was not flushed is gone
  void wipe(NodeId node);            // crashed: its directory is emptied
  void cut_off(NodeId a, NodeId b);  // links break, and no new one comes up
  // Nothing that is sent from here to there arrives any more, until that is healed; nobody notices
  // but by the silence. No new link comes up.
  void silence(NodeId from, NodeId to);
  void heal(NodeId a, NodeId b);  // of both
  void isolate(NodeId node);
  void heal_all();
  void stall_disk(NodeId node, bool is_stalled);
  void set_accepted_epoch(NodeId node, std::uint32_t epoch);  // of one that is down
  // What is on the disk of one that is down: a history, and its last epoch as the accepted one.
  void set_log(NodeId node, const std::vector<Zxid>& zxids);
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
  // Proposes this membership at whoever leads and serves; why not, or nothing.
  std::optional<std::string> reconfigure(Membership next);
  // The newest that is committed, with these as voters and those as observers in place of its own.
  [[nodiscard]] Membership with_members(const Servers& voters, const Servers& observers = {}) const;

  void read_index(NodeId node, std::uint64_t token);
  void send_to_leader(NodeId node, const ServiceMessage& message);
  void send_to_learner(NodeId node, LinkId link, const ServiceMessage& message);
  // For what an engine has beside the common face.
  void with_engine(NodeId node, const std::function<void(Engine&)>& what) { event(node, what); }

  // ---- looking
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] std::optional<NodeId> serving_leader() const;
  [[nodiscard]] bool is_up(NodeId node) const;
  [[nodiscard]] const Status& status(NodeId node) const;
  [[nodiscard]] std::vector<Zxid> applied(NodeId node) const;
  [[nodiscard]] Zxid last_applied(NodeId node) const;
  [[nodiscard]] Zxid last_durable(NodeId node) const;
  [[nodiscard]] bool is_durable(NodeId node, Zxid zxid) const;  // an entry with this very zxid
  [[nodiscard]] std::size_t durable_count(NodeId node) const;
  [[nodiscard]] std::size_t committed_count(NodeId node) const;  // by what it was told in this life
  [[nodiscard]] effect::SaveEpochs epochs_on_disk(NodeId node) const;
  [[nodiscard]] bool are_all_serving_and_equal() const;  // members that are up
  // Of clients and engines.
  [[nodiscard]] std::size_t committed_count() const { return committed_.size(); }
  [[nodiscard]] bool is_committed(const std::string& bytes) const;
  [[nodiscard]] const std::vector<Entry>& committed() const { return committed_; }
  [[nodiscard]] const Membership& membership() const { return configurations_.rbegin()->second; }
  // All that were committed, the first at 0.
  [[nodiscard]] const std::map<Zxid, Membership>& configurations() const { return configurations_; }
  [[nodiscard]] const std::map<std::uint32_t, NodeId>& leaders() const { return leader_of_; }
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  // Who is what, and the last that was warned of: for a test that fails.
  [[nodiscard]] virtual std::string describe() const;
  [[nodiscard]] const std::map<std::uint64_t, Zxid>& reads(NodeId node) const;

  // ---- hooks
  // Called with what leaves, before it does; may crash anybody.
  std::function<void(const Sent&)> on_send;
  // Called with what is delivered to the replica.
  std::function<void(NodeId, const effect::Deliver&)> on_deliver;
  // What a hook found.
  void violated(std::string what) { violations_.push_back(std::move(what)); }

 private:
  struct Disk;
  struct Node;
  struct Link;

  Node& node(NodeId id) { return *nodes_.at(id); }
  [[nodiscard]] const Node& node(NodeId id) const { return *nodes_.at(id); }
  void at(std::int64_t when, std::function<void()> run);
  void in_life(NodeId id, std::int64_t when, std::function<void()> run);
  std::int64_t delay(std::int64_t least, std::int64_t most);
  void event(NodeId id, const std::function<void(Engine&)>& what);
  void carry_out(NodeId id);
  void carry_out(NodeId id, Effect& effect);
  void carry_out_on_disk(NodeId id, const Effect& effect);
  void wake(NodeId id);
  void save_epochs(Node& node, const effect::SaveEpochs& epochs);
  void status_changed(NodeId id, const Status& status);

  void dial(NodeId from, const effect::Dial& dial);
  void send(NodeId from, LinkId link, Bytes bytes, bool is_tree = false);
  void close(NodeId from, LinkId link);
  void break_link(const std::shared_ptr<Link>& link);
  void notice_break(NodeId id, LinkId link);
  void arrive(NodeId to, const std::shared_ptr<Link>& link, std::function<void()> run);
  void release(const std::shared_ptr<Link>& link);
  [[nodiscard]] bool are_cut_off(NodeId a, NodeId b) const;
  [[nodiscard]] bool is_silenced(NodeId from, NodeId to) const {
    return silenced_.contains({from, to});
  }

  void disk_op(NodeId id, std::function<void(Node&)> done);
  void work_disk(NodeId id);
  void append(Node& node, const Entry& entry);
  void commit(Node& node, Zxid up_to);
  void check_committed_first(const Node& node, const Entry& entry);
  [[nodiscard]] bool is_backed(const Node& node, const Entry& entry) const;
  [[nodiscard]] std::optional<Membership> membership_in(const Entry& entry) const;
  [[nodiscard]] std::vector<Configuration> configurations_in(const Node& node) const;
  void send_snapshot(NodeId id, const effect::SendSnapshot& snapshot);
  void receive_tree(NodeId id, LinkId link, BytesView bytes);
  void read_log(NodeId id, const effect::ReadLog& wanted);

  Options options_;
  MakeEngine make_engine_;
  TestForms forms_;
  std::map<Zxid, Membership> configurations_;  // committed, and the first of all
  Random random_;
  std::int64_t now_ = 1000;
  std::uint64_t order_ = 0;
  std::uint64_t connections_ = 0;
  std::multimap<std::pair<std::int64_t, std::uint64_t>, std::function<void()>> events_;
  std::map<NodeId, std::unique_ptr<Node>> nodes_;
  std::vector<std::shared_ptr<Link>> links_;
  std::vector<std::weak_ptr<Link>> made_links_;
  std::vector<std::shared_ptr<Link>> holding_;  // something on its way waits for a silence to end
  std::set<std::pair<NodeId, NodeId>> cut_off_;
  std::set<std::pair<NodeId, NodeId>> silenced_;
  std::uint64_t writes_ = 0;

  std::vector<Entry> committed_;
  std::map<Zxid, std::pair<Zxid, std::string>> chain_;  // predecessor and bytes
  std::map<std::uint32_t, NodeId> leader_of_;
  std::map<std::uint32_t, std::uint64_t> leader_life_;
  std::vector<std::string> violations_;
  std::vector<std::string> warnings_;
};

}  // namespace synod::consensus::cluster
