// Fast leader election (reference, quorum protocol 3.2 to 3.4), with all that travels on the
// election port. It finds a server worth following; that at most one leads an epoch is not its
// business but that of the learner protocol.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "consensus/engine.h"
#include "consensus/membership.h"
#include "consensus/zab/election_links.h"
#include "consensus/zab/election_messages.h"
#include "consensus/zab/outbox.h"

namespace synod::consensus::zab {

class Election {
 public:
  struct Options {
    ServerId self;
    std::int64_t min_notification_ms = 200;
    std::int64_t max_notification_ms = 60000;
    std::int64_t finalize_wait_ms = 200;
    std::int64_t connect_timeout_ms = 5000;
    std::int64_t handshake_timeout_ms = 4000;  // ZooKeeper's is tickTime * syncLimit
  };

  // Membership, of which this server is a member, and outbox outlive this.
  Election(Options options, const Membership& membership, Outbox& outbox);

  // Links of Port::kElection only.
  void accepted(LinkId link);
  void linked(LinkId link);
  void unlinked(LinkId link);
  void received(LinkId link, BytesView bytes);
  [[nodiscard]] bool owns(LinkId link) const { return links_.owns(link); }

  void tick(SteadyTimeMs now);  // also once before anything else
  [[nodiscard]] std::optional<SteadyTimeMs> next_deadline() const;

  // Looks for a leader from now on, in a new round, with a vote for itself (an observer: with
  // none). Both values are durable. Without memory the vote counts for nothing, but an established
  // leader can still be found.
  void look(Zxid last_logged, std::uint32_t current_epoch, bool has_memory);
  [[nodiscard]] bool is_looking() const { return role_ == Role::kLooking; }
  // The election is over: the vote's leader is to be followed (or is this server). Told once. From
  // then on this server answers others accordingly.
  [[nodiscard]] std::optional<Vote> take_decision();
  // While looking without memory: all other voters were heard to be looking, as new as this server.
  // Told once; the memory made durable, look() is called again.
  [[nodiscard]] bool take_all_are_new();
  // The leader decided on is established in this epoch, and whoever asks is told so (3.3).
  void establish(std::uint32_t epoch);

 private:
  struct Heard {
    Role state = Role::kLooking;
    Vote vote;
  };
  using Ballots = std::map<ServerId, Heard>;

  void take_in();
  void handle(ServerId from, const Notification& notification);
  void handle_while_looking(ServerId from, const Notification& notification);
  void on_looking(ServerId from, const Vote& vote);
  void on_settled(ServerId from, Role state, const Vote& vote);
  void notice_newness(ServerId from, const Notification& notification);
  void propose(const Vote& vote);
  void broadcast();
  void tell(ServerId to, const Vote& vote);
  void conclude();
  void decide(const Vote& vote);
  [[nodiscard]] bool wins(const Vote& candidate, const Vote& than) const;
  [[nodiscard]] bool has_quorum(const Ballots& ballots, const Heard& for_whom) const;
  [[nodiscard]] bool is_leader_sure(const Ballots& ballots, const Vote& vote) const;
  [[nodiscard]] bool have_all_spoken() const;
  void news();

  Options options_;
  const Membership& membership_;
  Outbox& outbox_;
  ElectionLinks links_;
  Bytes config_;  // the membership as text
  bool is_voter_;
  SteadyTimeMs now_;

  Role role_ = Role::kLooking;
  std::int64_t round_ = 0;
  std::optional<Vote> decision_;  // not taken yet
  Vote current_;                  // not looking: what others are told

  // Only while looking.
  bool is_started_ = false;
  bool has_memory_ = true;
  Vote initial_;     // for itself, or none
  Vote proposal_;    // the best seen
  Ballots ballots_;  // of this round
  Ballots settled_;  // of servers that are not looking, of whatever round
  std::map<ServerId, Notification> newcomers_;  // heard while without memory
  std::map<ServerId, int> heard_new_;
  bool are_all_new_ = false;
  std::int64_t resend_ms_ = 0;
  SteadyTimeMs resend_at_;
  std::optional<SteadyTimeMs> final_at_;  // a quorum agrees; decided then, if nothing better comes
};

}  // namespace synod::consensus::zab
