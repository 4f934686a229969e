// Who counts, and what a majority is: the one place that answers it, for votes, commits,
// CheckQuorum and the confirmation of reads (6; dissertation 4).
//
// A configuration counts from the moment that it is in the log, committed or not, and no longer
// when it is cut off. A client's reconfiguration is C_old,new: while it is the last one in the log,
// and not known to be committed, there must be a majority of both. What follows it, C_new
// (EntryKind::kConfiguration), counts alone.
#pragma once

#include <map>

#include "base/ids.h"
#include "consensus/configurations.h"
#include "consensus/membership.h"

namespace synod::consensus::raft {

class Configuration {
 public:
  // `log` outlives this. `single_steps`: see Options.
  Configuration(const Configurations& log, bool single_steps)
      : log_(log), single_steps_(single_steps) {}

  // While it is joint: of either side.
  [[nodiscard]] bool is_voter(ServerId server) const;
  [[nodiscard]] bool is_member(ServerId server) const;
  [[nodiscard]] Servers voters() const;
  // Of both sides. Servers that do not vote are not counted.
  [[nodiscard]] bool is_quorum(const Servers& servers) const;

  [[nodiscard]] bool is_joint() const { return old() != nullptr; }
  // The last in the log.
  [[nodiscard]] const Membership& newest() const;
  // Nothing of it can be cut off any more.
  [[nodiscard]] bool is_committed() const { return log_.undecided().empty(); }
  // The newest that is certainly committed: no leader proposes another before.
  [[nodiscard]] const Membership& settled() const;

  // Whom `self` talks to: two that never vote have nothing to say to each other.
  [[nodiscard]] std::map<ServerId, Member> peers_of(ServerId self) const;

 private:
  // What counts beside the newest; null: nothing.
  [[nodiscard]] const Membership* old() const;
  [[nodiscard]] const Membership& before_newest() const;

  const Configurations& log_;
  bool single_steps_;
};

}  // namespace synod::consensus::raft
