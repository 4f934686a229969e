// Following or observing a leader (reference, quorum protocol 4.2, 4.6; consensus.md 5.1): promise
// its epoch, take over its history, then log what it proposes and learn what is committed.
// Observers may learn that from a follower as well, an observer master (5.8).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "consensus/engine.h"
#include "consensus/zab/observer_master.h"
#include "consensus/zab/packets.h"
#include "consensus/zab/shared.h"

namespace synod::consensus::zab {

class Learner {
 public:
  Learner(Shared& shared, ServerId leader);

  void start();
  // Why this leader is not followed any longer; nothing while it is.
  [[nodiscard]] const std::optional<std::string>& ended() const { return ended_; }
  // Whom to follow then, or to be; nothing: an election tells.
  [[nodiscard]] std::optional<ServerId> successor() const { return successor_; }
  void close_links();

  void tick();
  [[nodiscard]] std::optional<SteadyTimeMs> next_deadline() const;

  void durable();
  void epochs_saved();
  void was_cut();
  void snapshot_installed(LinkId link, Zxid zxid, BytesView rest);

  void linked(LinkId link);
  void unlinked(LinkId link);
  void received(LinkId link, BytesView bytes);

  void send_to_leader(const ServiceMessage& message);

  // ---- of a follower that is an observer master
  void accepted(LinkId link);
  void log_read(LinkId link, std::optional<std::vector<Entry>> entries, bool is_end);
  void flush();  // once a turn, before its effects are taken

 private:
  enum class Stage : std::uint8_t {
    kDialling,
    kRegistering,  // LEADERINFO is awaited
    kPromising,    // the epoch is being saved; ACKEPOCH is owed
    kPromised,     // DIFF, TRUNC or SNAP is awaited
    kCutting,      // the log's tail
    kInstalling,   // the leader's tree
    kCatchingUp,   // history comes, up to NEWLEADER
    kAccepting,    // history and currentEpoch are on their way to the disk; the ACK is owed
    kAccepted,     // UPTODATE is awaited
    kUpToDate,
  };

  void choose_teachers();
  void dial();
  void dial_next();
  void close_link();
  [[nodiscard]] std::optional<SteadyTimeMs> overdue_at() const;
  [[nodiscard]] bool is_observing() const;
  [[nodiscard]] bool has_masters() const;
  [[nodiscard]] bool takes_packets() const;

  // ---- to UPTODATE
  void handle_packets();
  void handle(const QuorumPacket& packet);
  void on_leader_info(const QuorumPacket& packet);
  void send_ack_epoch();
  void on_sync_packet(const QuorumPacket& packet);
  void on_trunc(Zxid zxid);
  void ask_for_tree();
  void on_snap(Zxid zxid);
  void catch_up_from(Zxid zxid);
  void on_new_leader(const QuorumPacket& packet);
  void accept_when_durable();
  void on_up_to_date();

  // ---- the stream
  void handle_in_stream(const QuorumPacket& packet);
  void on_proposal(Zxid zxid, BytesView bytes);
  void on_commit(Zxid zxid, std::optional<ServerId> designated = {});
  void on_inform(Zxid zxid, BytesView bytes);
  void on_inform_and_activate(const QuorumPacket& packet);

  // ---- membership
  void note_configuration(BytesView text);
  void note_designated(BytesView data);
  void adopt_configuration();
  void follow_configuration();
  void leave_when_acknowledged();

  [[nodiscard]] bool append(Zxid zxid, BytesView bytes);
  void committed(Zxid zxid, std::optional<ServerId> designated = {});
  void commit(Zxid up_to, std::optional<ServerId> designated);
  void send_due_acks();
  [[nodiscard]] bool is_in_new_leader_window() const;
  void deliver(ServiceMessage::Kind kind, const QuorumPacket& packet);

  void ask(const ServiceMessage& message);
  void answer_ping(Bytes touches);
  void serve_observer(LinkId link, BytesView bytes);
  void send(const QuorumPacket& packet);
  void end(std::string reason);

  Shared* shared_;
  ServerId leader_;
  Stage stage_ = Stage::kDialling;
  std::optional<std::string> ended_;

  // Who is dialled, in turn: the leader, or an observer's masters.
  std::vector<ServerId> teachers_;
  std::optional<LinkId> link_;
  std::size_t dials_ = 0;
  std::optional<SteadyTimeMs> redial_at_;
  SteadyTimeMs give_up_dialling_at_;
  SteadyTimeMs heard_at_;
  PacketReader reader_;
  Bytes held_;  // came while no packets are taken

  std::uint32_t epoch_ = 0;
  std::int32_t promise_ = -1;  // what ACKEPOCH says: the epoch of our history; -1: no new promise
  // The history that came before NEWLEADER ends here.
  Zxid history_end_;
  // Known to be committed; announced from UPTODATE on.
  Zxid commit_mark_;
  Zxid snapshot_;                 // what it holds may be sent again: reference 4.5
  std::deque<Zxid> uncommitted_;  // logged, in order
  std::deque<Zxid> unacked_;      // logged, in order; a follower's
  std::deque<Zxid> pings_;        // to be answered with the sessions' touches

  std::optional<Membership> configuration_;  // NEWLEADER's
  std::optional<ServerId> designated_;       // by the last change that was committed
  std::optional<ServerId> successor_;
  std::optional<ObserverMaster> observers_;
  Zxid leave_after_;  // with a successor: acknowledged what was proposed before
};

}  // namespace synod::consensus::zab
