// Which servers suffice to take over (a read quorum: they promise) and to decide (a write quorum:
// they accept), in one configuration: the one that runs. Every one of the first meets every one of
// the second. Nothing is ever asked of two configurations at once: the next begins with a log that
// the one before has decided to the end (consensus.md 4.11).
#pragma once

#include "consensus/membership.h"
#include "consensus/omnipaxos/options.h"

namespace synod::consensus::omnipaxos {

class Quorums {
 public:
  // The options, of which the sizes count, outlive this.
  Quorums(const Options& options, Membership membership);
  // Sizes that do not fit it, because two such quorums need not meet, give way to its majority.
  void configure(Membership membership);

  [[nodiscard]] bool is_read_quorum(const Servers& servers) const;
  [[nodiscard]] bool is_write_quorum(const Servers& servers) const;
  [[nodiscard]] bool is_voter(ServerId server) const { return membership_.is_voter(server); }
  [[nodiscard]] bool is_member(ServerId server) const {
    return membership_.members.contains(server);
  }
  [[nodiscard]] std::vector<ServerId> voters() const { return membership_.voters(); }
  [[nodiscard]] const Membership& membership() const { return membership_; }

 private:
  [[nodiscard]] bool do_sizes_fit() const;
  [[nodiscard]] bool is_quorum(const Servers& servers, std::size_t size) const;

  const Options& options_;
  Membership membership_;
  bool is_flexible_ = false;
};

}  // namespace synod::consensus::omnipaxos
