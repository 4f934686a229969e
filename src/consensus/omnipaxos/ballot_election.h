// Ballot leader election: who may take over, by quorum-connectedness (consensus.md 4.3, 4.4).
//
// In every round each voter asks each other; question and answer carry what their sender itself
// stands for, nothing that it heard. An answer shows that both can hear each other; a question that
// comes behind it, what the other has come to stand for meanwhile. Safety never rests on any of
// this: a ballot only says who tries.
//
// Beyond the paper: who leads by its ballot but is refused by a quorum, or has given up leading, or
// hears somebody who has promised more and hears no leader, stands with a higher one, unless
// somebody it hears is content with another leader. (Else whoever promised more to a server that is
// gone would be lost; and in the chained case two would go on deposing each other.)
//
// And a round is over once nothing more can come of it: where the links of a quorum to their leader
// broke, as they do at once when its process ends, and where all that can be reached stand above
// it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "consensus/membership.h"
#include "consensus/omnipaxos/ballot.h"
#include "consensus/omnipaxos/messages.h"
#include "consensus/omnipaxos/options.h"
#include "consensus/omnipaxos/quorums.h"

namespace synod::consensus::omnipaxos {

class BallotElection {
 public:
  // What Sequence Paxos knows, for a round's end.
  struct View {
    Ballot promised;
    Ballot leading;             // that this server leads with; none: it does not lead
    bool is_accepting = false;  // and its log is a quorum's
    bool has_memory = true;
  };

  // Both outlive this.
  BallotElection(const Options& options, const Quorums& quorums)
      : options_(options), quorums_(quorums) {}

  // A server that starts again stands with no ballot: it may have used those up to its promise.
  void start(Ballot promised, bool has_memory, SteadyTimeMs now);
  // Nobody remembers anything: as at a first start.
  void begin();
  // Another configuration begins; `promised` is above all that this server ever stood with.
  void enter(Ballot promised, SteadyTimeMs now);

  void heard(const HeartbeatRequest& request, ServerId from);
  void heard(const HeartbeatReply& reply, ServerId from);
  // Its link broke. True: the others had better be asked whether theirs to the leader did as well.
  [[nodiscard]] bool lost(ServerId peer, const View& view);
  // Before round_end() comes; `connected`: to whom there are links.
  [[nodiscard]] bool is_over(const View& view, const Servers& connected) const;
  [[nodiscard]] HeartbeatRequest request(const View& view) const {
    return {round_, standing(view)};
  }
  [[nodiscard]] HeartbeatReply answer(const HeartbeatRequest& request, const View& view) const {
    return {request.round, standing(view)};
  }

  [[nodiscard]] SteadyTimeMs round_end() const { return round_end_; }
  // The round is over: the ballot to lead with, if that is this server's turn. The next begins.
  [[nodiscard]] std::optional<Ballot> end_round(const View& view, SteadyTimeMs now);
  // This server and those that answered it in the last round.
  [[nodiscard]] const Servers& heard() const { return heard_; }
  // A ballot above all that is known, to lead with at once: no counter is left under the own one.
  [[nodiscard]] Ballot take_over();

 private:
  using Replies = std::map<ServerId, Standing>;  // of this round, from who has memory

  [[nodiscard]] Standing standing(const View& view) const;
  [[nodiscard]] std::optional<Ballot> end_as_in_paper(const View& view);
  [[nodiscard]] std::optional<Ballot> end_by_happiness(const View& view);
  [[nodiscard]] bool is_leading(const View& view) const;
  // Those who could still follow this server.
  [[nodiscard]] bool is_supported(const View& view) const;
  [[nodiscard]] bool is_other_leader_content() const;
  [[nodiscard]] bool is_anybody_lost() const;
  [[nodiscard]] Ballot highest_heard() const;
  [[nodiscard]] Ballot leader(const View& view) const { return std::max(leader_, view.promised); }
  [[nodiscard]] bool is_leader_lost_by_quorum(const View& view) const;
  void stand_above(Ballot ballot) { own_ = ballot.next_of(options_.self); }

  const Options& options_;
  const Quorums& quorums_;
  Ballot own_;
  Ballot leader_;
  bool is_candidate_ = true;       // until the first round tells
  bool is_happy_ = true;           // likewise
  Ballot lost_;                    // a leader to whom the link broke, until its successor is sought
  bool is_successor_due_ = false;  // the round before found that a quorum had lost it
  std::uint64_t round_ = 0;
  SteadyTimeMs round_end_;
  Replies replies_;
  Servers heard_;
};

}  // namespace synod::consensus::omnipaxos
