// Which servers suffice to take over (a read quorum: they promise) and to decide (a write quorum:
// they accept). Every one of the first meets every one of the second. What a reconfiguration will
// change has its one place here.
#pragma once

#include "consensus/membership.h"
#include "consensus/omnipaxos/options.h"

namespace synod::consensus::omnipaxos {

class Quorums {
 public:
  // The options outlive this.
  explicit Quorums(const Options& options);

  [[nodiscard]] bool is_read_quorum(const Servers& servers) const;
  [[nodiscard]] bool is_write_quorum(const Servers& servers) const;
  [[nodiscard]] bool is_voter(ServerId server) const;
  [[nodiscard]] std::vector<ServerId> voters() const;

 private:
  [[nodiscard]] bool is_quorum(const Servers& servers, std::size_t size) const;

  const Options& options_;
};

}  // namespace synod::consensus::omnipaxos
