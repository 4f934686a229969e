// Leading (reference, quorum protocol 4.3, 5.4; consensus.md 5.1): a new epoch is agreed on, a
// quorum takes over this server's history under it, then proposals are broadcast.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "consensus/engine.h"
#include "consensus/membership.h"
#include "consensus/zab/learner_handler.h"
#include "consensus/zab/learner_links.h"
#include "consensus/zab/packets.h"
#include "consensus/zab/shared.h"

namespace synod::consensus::zab {

class Leader {
 public:
  explicit Leader(Shared& shared);

  void start();
  // Why this server cannot lead any longer; nothing while it can.
  [[nodiscard]] const std::optional<std::string>& ended() const { return ended_; }
  // Who leads from then on; nothing: an election tells.
  [[nodiscard]] std::optional<ServerId> successor() const { return successor_; }
  void close_links() { learners_.drop_all("this server does not lead any more"); }

  void tick();
  [[nodiscard]] SteadyTimeMs next_deadline() const;

  void durable();
  void epochs_saved();
  void log_read(LinkId link, std::optional<std::vector<Entry>> entries, bool is_end) {
    learners_.log_read(link, std::move(entries), is_end);
  }

  void accepted(LinkId link) { learners_.accepted(link); }
  void unlinked(LinkId link);
  void received(LinkId link, BytesView bytes);

  void propose(Entry entry);
  [[nodiscard]] Zxid next_zxid() const;
  void read_index(std::uint64_t token);
  void send_to_learner(LinkId link, const ServiceMessage& message);
  [[nodiscard]] std::optional<std::string> why_not(const Membership& next) const;

  // Once a turn, before its effects are taken: proposals to one learner leave in one piece.
  void flush() { learners_.flush(); }

 private:
  enum class Phase : std::uint8_t {
    kDiscovery,        // a quorum says which epochs it knows
    kSavingAccepted,   // the new epoch is greater; it is promised once that is on disk
    kPromises,         // a quorum promises not to follow older ones
    kSavingCurrent,    // nobody in it is ahead of us: our history is the epoch's beginning
    kSynchronization,  // a quorum takes it over
    kBroadcast,
    kHandingOver,  // a change left this server out: its followers leave for the successor
  };

  // ---- to an established leader
  void enter(Phase phase);
  void on_learner_info(LearnerHandler& learner, const QuorumPacket& packet);
  void on_epoch_heard(LearnerHandler& learner, std::int64_t accepted_epoch);
  void epoch_found();
  void on_ack_epoch(LearnerHandler& learner, const QuorumPacket& packet);
  [[nodiscard]] bool is_ahead(std::uint32_t current_epoch, Zxid last_logged) const;
  [[nodiscard]] bool have_promised() const;
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
  void commit(Zxid up_to, std::optional<ServerId> designated = {});
  void note_acks();
  [[nodiscard]] Zxid committable();
  template <class Electorate>
  [[nodiscard]] Zxid acked_by_quorum_of(const Electorate& electorate);
  void announce_commit(const Entry& entry);
  void roll_over_when_due();

  // ---- membership
  [[nodiscard]] JointMembership members() const { return shared_->members(); }
  [[nodiscard]] bool votes(const LearnerHandler& learner) const;
  void refuse_newer_configuration(const LearnerHandler& learner);
  void give_first_version();
  [[nodiscard]] std::optional<Zxid> change_under_way() const;
  void commit_change(Zxid change);
  [[nodiscard]] ServerId designated_leader(Zxid change) const;
  [[nodiscard]] bool may_go_on() const;
  void announce_change(const Entry& entry, ServerId designated);
  void hand_over(ServerId designated);
  void end_when_all_have_left();
  [[nodiscard]] bool is_quorum_of_all(const Servers& servers) const;
  [[nodiscard]] Servers in_step() const;
  [[nodiscard]] std::string what_lacks(ServerId server) const;

  // ---- signs of life
  void ping_all();
  void check_quorum();
  void on_ping_reply(LearnerHandler& learner, const QuorumPacket& packet);
  void start_round();
  void check_round();

  void end(std::string reason);

  Shared* shared_;
  Phase phase_ = Phase::kDiscovery;
  SteadyTimeMs phase_deadline_;
  std::optional<std::string> ended_;
  LearnerLinks learners_;

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

  // Before a change. What was proposed before the change was committed takes a quorum of it as well
  // (reference, quorum protocol 6.2).
  struct Outgoing {
    Membership membership;
    Zxid until;
  };
  std::optional<Outgoing> outgoing_;
  std::optional<ServerId> successor_;
};

}  // namespace synod::consensus::zab
