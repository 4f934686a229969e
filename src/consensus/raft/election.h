// Finding a leader (5.2, 5.4.1; dissertation 3.4, 4.2.3, 9.6): the timer, the candidate's side and
// the voter's. What a higher term does to this server's role is the engine's business.
#pragma once

#include "consensus/raft/shared.h"

namespace synod::consensus::raft {

class Election {
 public:
  explicit Election(Shared& shared) : shared_(shared) {}

  void start();

  // ---- the timer
  // Of the current term's leader.
  void leader_heard();
  void leader_lost();  // its link broke
  [[nodiscard]] bool is_due() const { return shared_.now >= deadline_; }
  [[nodiscard]] SteadyTimeMs deadline() const { return deadline_; }
  // Nothing was heard in time. Who may not campaign waits on.
  void time_out();

  // ---- the candidate
  // Without asking first whether it would be of use. `is_transfer`: whoever leads agrees.
  void campaign(bool is_transfer);
  void on_vote(ServerId from, const message::Vote& vote);
  // A majority voted for this server, itself included, and it has that on disk.
  [[nodiscard]] bool is_won() const;
  // Somebody leads, or there is a newer term.
  void stop() { phase_ = Phase::kIdle; }
  void peer_up(ServerId peer);
  void peer_down(ServerId peer) { std::erase(granted_, peer); }

  // ---- the voter
  void on_pre_vote(ServerId from, const message::RequestVote& ask);
  // Who hears its leader lets nobody disturb it (dissertation 4.2.3).
  [[nodiscard]] bool is_deaf_to(const message::RequestVote& ask) const;
  // True: it is granted, and to be remembered before it is said. For the term that was asked for.
  [[nodiscard]] bool would_grant(ServerId from, const message::RequestVote& ask);
  void answer(ServerId to, bool is_granted);

 private:
  enum class Phase : std::uint8_t { kIdle, kPreVote, kVote };

  void reset_timer();
  [[nodiscard]] bool may_campaign() const;
  [[nodiscard]] bool hears_leader() const;
  [[nodiscard]] bool may_lead(ServerId candidate, const message::RequestVote& ask);
  void pre_campaign();
  void ask_all();
  void ask(ServerId peer);
  [[nodiscard]] message::RequestVote request() const;

  Shared& shared_;
  SteadyTimeMs deadline_;
  std::optional<SteadyTimeMs> leader_heard_at_;
  // A candidate lacks what is here; since a leader was heard last.
  bool holds_others_up_ = false;
  Phase phase_ = Phase::kIdle;
  bool is_transfer_ = false;
  Servers granted_;
};

}  // namespace synod::consensus::raft
