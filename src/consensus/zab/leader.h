// Leading (reference, quorum protocol 4.3, 5.4; consensus.md 5.1): a new epoch is agreed on, a
// quorum takes over this server's history under it, then proposals are broadcast.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "consensus/engine.h"
#include "consensus/membership.h"
#include "consensus/zab/learner_handler.h"
#include "consensus/zab/packets.h"
#include "consensus/zab/shared.h"

namespace synod::consensus::zab {

class Leader {
 public:
  explicit Leader(Shared& shared);

  void start();
  // Why this server cannot lead any longer; nothing while it can.
  [[nodiscard]] const std::optional<std::string>& ended() const { return ended_; }
  void close_links();

  void tick();
  [[nodiscard]] SteadyTimeMs next_deadline() const;

  void durable();
  void epochs_saved();
  void log_read(LinkId link, std::optional<std::vector<Entry>> entries, bool is_end);

  void accepted(LinkId link);
  void unlinked(LinkId link);
  void received(LinkId link, BytesView bytes);

  void propose(Entry entry);
  [[nodiscard]] Zxid next_zxid() const;
  void read_index(std::uint64_t token);
  void send_to_learner(LinkId link, const ServiceMessage& message);

  // Once a turn, before its effects are taken: proposals to one learner leave in one piece.
  void flush();

 private:
  enum class Phase : std::uint8_t {
    kDiscovery,        // a quorum says which epochs it knows
    kSavingAccepted,   // the new epoch is greater; it is promised once that is on disk
    kPromises,         // a quorum promises not to follow older ones
    kSavingCurrent,    // nobody in it is ahead of us: our history is the epoch's beginning
    kSynchronization,  // a quorum takes it over
    kBroadcast,
  };
  using Handlers = std::map<LinkId, LearnerHandler>;

  // ---- to an established leader
  void enter(Phase phase);
  void on_learner_info(LearnerHandler& learner, const QuorumPacket& packet);
  void replace_older_link(const LearnerHandler& learner);
  void on_epoch_heard(const LearnerHandler& learner, std::int64_t accepted_epoch);
  void epoch_found();
  void on_ack_epoch(LearnerHandler& learner, const QuorumPacket& packet);
  [[nodiscard]] bool is_ahead(std::uint32_t current_epoch, Zxid last_logged) const;
  void promises_complete();
  void synchronise();
  void on_new_leader_ack(LearnerHandler& learner);
  void established();

  // ---- broadcast
  void handle(LearnerHandler& learner, const QuorumPacket& packet);
  void handle_in_broadcast(LearnerHandler& learner, const QuorumPacket& packet);
  void deliver(LinkId from, ServiceMessage::Kind kind, const QuorumPacket& packet);
  void on_ack(LearnerHandler& learner, Zxid zxid);
  void commit_what_a_quorum_has();
  [[nodiscard]] Zxid acked_by_quorum();
  void announce_commits(Zxid after, Zxid up_to);
  void roll_over_when_due();

  // ---- signs of life
  void ping_all();
  void check_quorum();
  void close_overdue();
  void on_ping_reply(LearnerHandler& learner, const QuorumPacket& packet);
  void start_round();
  void check_round();

  void drop(LinkId link, std::string reason);
  void end(std::string reason);

  Shared* shared_;
  Phase phase_ = Phase::kDiscovery;
  SteadyTimeMs phase_deadline_;
  std::optional<std::string> ended_;
  Handlers handlers_;

  std::uint32_t epoch_ = 0;
  std::pair<std::uint32_t, Zxid>
      summary_;         // what discovery compares: our epoch before, our log's end
  Servers connecting_;  // said which epoch they accepted
  Servers promised_;
  Servers accepted_;  // acknowledged NEWLEADER

  Zxid proposed_;    // or logged before
  Zxid self_acked_;  // durable here
  struct Ack {
    Zxid zxid;
    ServerId server;
  };
  std::vector<Ack> acks_;  // kept to spare an allocation an ACK
  Servers counted_;        // likewise
  Bytes packet_;           // likewise: one packet for many links

  SteadyTimeMs next_ping_;
  bool is_quorum_checked_next_ = false;  // on every second PING

  struct PendingRead {
    std::uint64_t token = 0;
    Zxid committed;  // when it was asked
  };
  std::vector<PendingRead> round_;    // answered when a quorum has confirmed
  std::vector<PendingRead> waiting_;  // came meanwhile: the next round's
};

}  // namespace synod::consensus::zab
