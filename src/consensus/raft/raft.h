// Raft (Ongaro and Ousterhout, 2014; Ongaro's dissertation): an engine of our own.
//
//   looking    nobody is known to lead; Election waits, asks, campaigns
//   following, observing    Follower
//   leading    Leader, with one Progress a peer
//
// Whatever the role, Election votes, and a newer term ends it.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "consensus/engine.h"
#include "consensus/raft/election.h"
#include "consensus/raft/follower.h"
#include "consensus/raft/leader.h"
#include "consensus/raft/shared.h"

namespace synod::consensus::raft {

class Raft final : public Engine {
 public:
  explicit Raft(Options options);

  void start(const Beginning& beginning) override;
  void tick(SteadyTimeMs now) override;
  [[nodiscard]] std::optional<SteadyTimeMs> next_deadline() const override;

  void durable(Zxid up_to) override;
  void was_cut(std::optional<Zxid> last) override;
  void epochs_saved() override;
  void log_read(LinkId link, std::optional<std::vector<Entry>>&& entries, bool is_end) override;
  void snapshot_installed(LinkId link, Zxid zxid, BytesView rest,
                          std::string_view configuration) override;

  void accepted(LinkId link, Port port) override;
  void linked(LinkId link) override;
  void unlinked(LinkId link) override;
  void received(LinkId link, BytesView bytes) override;

  void propose(Entry entry) override;
  [[nodiscard]] Zxid next_zxid() const override;
  void read_index(std::uint64_t token) override;
  void send_to_leader(const ServiceMessage& message) override;
  void send_to_learner(LinkId link, const ServiceMessage& message) override;

  // Leading and serving: another is to lead (dissertation 3.10). It is told once it has everything;
  // if it has not taken over within an election timeout, this server goes on. False: it cannot, for
  // it does not vote or is not in touch.
  bool transfer_leadership(ServerId target);

  [[nodiscard]] const Membership* membership() const override { return &configuration_.newest(); }
  [[nodiscard]] bool is_reconfiguring() const override { return !configuration_.is_committed(); }
  [[nodiscard]] std::optional<std::string> why_not(const Membership& next) const override;

  [[nodiscard]] const Status& status() const override { return shared_.status; }
  [[nodiscard]] Effects drain() override;

 private:
  [[nodiscard]] Leader* leader() { return std::get_if<Leader>(&role_); }
  [[nodiscard]] Follower* follower() { return std::get_if<Follower>(&role_); }

  void settle();  // after every event
  void reconfigured();
  void lead();
  void follow(ServerId leader);
  void time_out();
  void leave(const std::string& reason);
  void enter_newer_term(std::uint32_t term, ServerId voted_for);

  // ---- what the links say
  void take_link_events();
  void on(const native::event::Up& up);
  void on(const native::event::Down& down);
  void on(const native::event::Message& received);
  void on(const native::event::Service& received);
  void on(const native::event::Snapshot& snapshot);
  void on(const native::event::SnapshotLinked& linked);
  void on(const native::event::SnapshotLost& lost);
  void begin_if_all_are_new();

  // ---- messages
  void on_request_vote(ServerId from, const message::RequestVote& ask);
  void answer_older(ServerId from, const Message& message);
  void handle(ServerId from, const Message& message);
  // Whoever leads the current term is followed. False: nobody else can.
  bool hear_leader(ServerId from);
  void on_append(ServerId from, message::AppendEntries append);
  void on_timeout_now(ServerId from);
  void take_held();

  // A tree on its way, and the leader of which term sends it.
  struct Installing {
    LinkId link;
    ServerId from;
    std::uint32_t term = 0;
  };

  Options options_;
  Outbox outbox_;
  Journal journal_;
  native::PeerLinks links_;
  Configuration configuration_;
  Shared shared_;
  Election election_;
  std::variant<std::monostate, Follower, Leader> role_;

  Servers new_peers_;  // greeted, in this life, without memory
  // While the log is being changed: what is to be appended then.
  std::deque<std::pair<ServerId, message::AppendEntries>> held_;
  std::optional<Installing> installing_;
  std::uint64_t configurations_seen_ = 0;  // their revision
};

}  // namespace synod::consensus::raft
