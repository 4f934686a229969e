// Leading (5.3, 5.4.2, 8): a no-op begins the term, everybody's log is made like this one, and what
// a majority has of this term is committed.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "consensus/raft/progress.h"
#include "consensus/raft/shared.h"

namespace synod::consensus::raft {

class Leader {
 public:
  explicit Leader(Shared& shared) : shared_(&shared) {}

  void start();
  // Why this server does not lead any longer; nothing while it does.
  [[nodiscard]] const std::optional<std::string>& ended() const { return ended_; }
  // The counter is used up: the next term is this server's own business.
  [[nodiscard]] bool is_to_campaign_again() const { return is_to_campaign_again_; }
  void close_links();

  void tick();
  [[nodiscard]] SteadyTimeMs next_deadline() const;

  void durable() { commit_what_a_quorum_has(); }
  void log_read(LinkId link, std::optional<std::vector<Entry>> entries, bool is_end);

  void peer_up(ServerId peer);
  void peer_down(ServerId peer);
  void snapshot_linked(ServerId peer, LinkId link);
  void snapshot_lost(ServerId peer, LinkId link);
  void on_appended(ServerId from, const message::Appended& appended);
  void on_refused(ServerId from, const message::Refused& refused);
  void on_heartbeat_reply(ServerId from, const message::HeartbeatReply& reply);

  void propose(Entry entry);
  [[nodiscard]] Zxid next_zxid() const;
  void read_index(std::uint64_t token);
  void send_to_learner(LinkId link, const ServiceMessage& message);
  // In this term, and not left over from another.
  [[nodiscard]] bool is_joined(ServerId peer) const;

  // False: that server cannot take over.
  bool transfer(ServerId target);

  // ---- membership
  void reconfigured();
  // See Engine.
  [[nodiscard]] std::optional<std::string> why_not(const Membership& next) const;

  // Once a turn, before its effects are taken: what came together travels together.
  void flush();

 private:
  using Peers = std::map<ServerId, Progress>;

  // ---- replication
  void replicate(ServerId peer, Progress& progress);
  void send_entries(ServerId peer, Progress& progress, std::vector<Entry> entries);
  [[nodiscard]] std::vector<Entry> entries_after(Zxid zxid) const;
  void tell_commit(ServerId peer, Progress& progress);
  void release(ServerId peer, Progress& progress);
  void read_log(ServerId peer, Progress& progress);
  void begin_snapshot(ServerId peer, Progress& progress);
  [[nodiscard]] Zxid step_back(const message::Refused& refused) const;

  // ---- commits
  void append_first();
  [[nodiscard]] bool counts(ServerId peer, const Progress& progress) const;
  [[nodiscard]] Zxid held_by_quorum() const;
  void commit_what_a_quorum_has();
  void serve();

  // ---- signs of life
  Progress* heard(ServerId from, bool has_memory);
  void beat();
  void beat(ServerId peer, const Progress& progress);
  void check_quorum();
  void ask_for_touches();
  void roll_over_when_due();
  [[nodiscard]] std::uint64_t confirmed_round() const;
  void begin_round();
  void extend_lease();
  [[nodiscard]] bool has_lease() const;
  void answer_reads();

  // ---- membership
  void meet_peers();
  void leave_joint();
  void step_down_when_removed();
  void hand_over();
  [[nodiscard]] std::optional<std::string> what_it_lacks(ServerId server) const;

  // ---- transfer
  void transfer_when_ready();
  void give_up_transfer_when_due();
  void give_up_transfer();

  void end(std::string reason);

  Shared* shared_;
  std::optional<std::string> ended_;
  bool is_to_campaign_again_ = false;
  Peers peers_;

  SteadyTimeMs next_beat_;
  SteadyTimeMs next_quorum_check_;
  SteadyTimeMs next_touches_;
  bool was_joint_ = false;
  Zxid last_seen_;  // and since when nothing has come behind it
  SteadyTimeMs quiet_since_;

  struct PendingRead {
    std::uint64_t token;
    Zxid committed;
    std::uint64_t round;  // to be confirmed: it began after the question
  };
  std::uint64_t round_ = 0;
  std::vector<PendingRead> reads_;  // by rising round
  // With leases: when the rounds began that are not confirmed yet.
  std::deque<std::pair<std::uint64_t, SteadyTimeMs>> rounds_;
  std::optional<SteadyTimeMs> lease_until_;
  bool has_let_go_ = false;  // another was asked to take over: no lease any more in this term

  struct Transfer {
    ServerId target;
    SteadyTimeMs until;
    bool is_told = false;
  };
  std::optional<Transfer> transfer_;
};

}  // namespace synod::consensus::raft
