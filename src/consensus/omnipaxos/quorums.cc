#include "consensus/omnipaxos/quorums.h"

#include <algorithm>

#include "base/assert.h"

namespace synod::consensus::omnipaxos {

Quorums::Quorums(const Options& options) : options_(options) {
  SYNOD_ASSERT((options.read_quorum == 0) == (options.write_quorum == 0));
  if (options.read_quorum == 0) return;
  const std::size_t voters = options.membership.voter_count();
  SYNOD_ASSERT(options.read_quorum <= voters && options.write_quorum <= voters);
  SYNOD_ASSERT(options.read_quorum + options.write_quorum > voters);
}

bool Quorums::is_quorum(const Servers& servers, std::size_t size) const {
  if (size == 0) return options_.membership.is_quorum(servers);
  const auto voting = std::ranges::count_if(servers, [&](ServerId s) { return is_voter(s); });
  return static_cast<std::size_t>(voting) >= size;
}

bool Quorums::is_read_quorum(const Servers& servers) const {
  return is_quorum(servers, options_.read_quorum);
}

bool Quorums::is_write_quorum(const Servers& servers) const {
  return is_quorum(servers, options_.write_quorum);
}

bool Quorums::is_voter(ServerId server) const { return options_.membership.is_voter(server); }

std::vector<ServerId> Quorums::voters() const { return options_.membership.voters(); }

}  // namespace synod::consensus::omnipaxos
