// Fast leader election (reference, quorum protocol 3.2 to 3.4), with all that travels on the
// election port. It finds a server worth following; that only one leads in an epoch is not its
// business but the learner protocol's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "consensus/engine.h"
#include "consensus/membership.h"
#include "consensus/outbox.h"
#include "consensus/zab/election_links.h"
#include "consensus/zab/election_messages.h"
#include "consensus/zab/joint_membership.h"

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
    std::vector<Endpoint> addresses = {};      // of ours, when we are no member
  };

  // The outbox outlives this.
  Election(Options options, JointMembership members, Outbox& outbox);

  // Links of Port::kElection only.
  void accepted(LinkId link);
  void linked(LinkId link);
  void unlinked(LinkId link);
  void received(LinkId link, BytesView bytes);
  [[nodiscard]] bool owns(LinkId link) const { return links_.owns(link); }

  void tick(SteadyTimeMs now);  // also once before anything else
  [[nodiscard]] std::optional<SteadyTimeMs> next_deadline() const;

  // Looks for a leader from now on, in a new round, with a vote for itself (an observer: with
  // none). What is claimed is durable. Without memory the vote counts for nothing, but an
  // established leader can still be found.
  void look(Zxid last_logged, std::uint32_t current_epoch, bool has_memory);
  [[nodiscard]] bool is_looking() const { return role_ == Role::kLooking; }
  // The election is over: the vote's leader is to be followed (or is this server). Told once. From
  // then on this server answers who asks accordingly.
  [[nodiscard]] std::optional<Vote> take_decision();
  // While looking without memory: all other voters are looking and as new as this server. Told
  // once; when the memory is durable, look() is called again.
  [[nodiscard]] bool take_all_are_new();
  // While looking: somebody knows of a newer membership to be decided. Told once; what was heard
  // under the old one is void, and look() is called again under the new one.
  [[nodiscard]] std::optional<Membership> take_learned();
  // A change of the membership named the leader: there is no election (6.3).
  void appoint(ServerId leader, Zxid last_logged);
  // The leader decided on is established in this epoch: from now on votes for it say so (3.3).
  void establish(std::uint32_t epoch);

 private:
  struct Ballot {
    Role state = Role::kLooking;
    Vote vote;
    friend bool operator==(const Ballot&, const Ballot&) = default;
  };
  using Ballots = std::map<ServerId, Ballot>;

  // Everything that happens ends here.
  void follow_up();
  void take_in(const ElectionLinks::Message& message);
  void learn(const std::string& config);
  void take_in_while_looking(ServerId from, const Ballot& ballot);
  void take_in_looking(ServerId from, const Vote& vote);
  [[nodiscard]] bool is_outdated_claim(const Vote& vote) const;
  void start_round_after(const Vote& vote);
  void take_in_settled(ServerId from, const Ballot& ballot);
  void take_in_without_memory(ServerId from, const Ballot& ballot, bool is_first);
  void answer_stranger(ServerId to, const Ballot& asking);
  void tell(ServerId to, const Vote& vote);
  void broadcast();

  void propose(const Vote& vote);
  void resend_soon();
  void conclude();
  void decide(const Vote& vote);
  void take_role_of(const Vote& vote);
  [[nodiscard]] Vote initial_vote(Zxid last_logged, std::uint32_t current_epoch) const;
  [[nodiscard]] bool is_worth_hearing() const;
  [[nodiscard]] bool is_voter() const { return members_.is_voter(options_.self); }
  [[nodiscard]] bool wins(const Vote& candidate, const Vote& over) const;
  [[nodiscard]] bool has_quorum_of_round(const Ballot& ballot) const;
  [[nodiscard]] bool has_settled_quorum(const Vote& vote) const;
  [[nodiscard]] bool is_sure_to_lead(const Vote& vote, const Ballots& ballots) const;
  [[nodiscard]] bool have_all_spoken() const;

  Options options_;
  JointMembership members_;
  ElectionLinks links_;
  SteadyTimeMs now_;

  Role role_ = Role::kLooking;
  bool has_looked_ = false;
  std::int64_t round_ = 0;             // Java's servers follow in round 0 whom a change appointed
  Vote current_;                       // while not looking: what others are told
  std::optional<Vote> decision_;       // not taken yet
  std::optional<Membership> learned_;  // likewise
  bool is_asker_behind_ = false;       // who is being listened to: we know of a newer membership

  // While looking.
  bool has_memory_ = true;
  Vote initial_;      // for itself, or none
  Vote proposal_;     // the best of this round
  Ballots of_round_;  // heard in this round, with our own
  Ballots settled_;   // heard from servers that are not looking, whatever their round
  std::int64_t resend_after_ms_ = 0;
  SteadyTimeMs resend_at_;
  std::optional<SteadyTimeMs> final_at_;  // a quorum agrees; decided then, if nothing better comes

  // While looking without memory.
  Ballots unheeded_;              // votes that count once there is memory
  std::set<ServerId> newcomers_;  // other voters that are as new as this server
  bool are_all_new_ = false;      // not taken yet
};

}  // namespace synod::consensus::zab
