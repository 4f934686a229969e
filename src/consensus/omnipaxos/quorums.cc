#include "consensus/omnipaxos/quorums.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace synod::consensus::omnipaxos {

Quorums::Quorums(const Options& options, Membership membership) : options_(options) {
  SYNOD_ASSERT((options.read_quorum == 0) == (options.write_quorum == 0));
  configure(std::move(membership));
}

void Quorums::configure(Membership membership) {
  membership_ = std::move(membership);
  is_flexible_ = do_sizes_fit();
}

bool Quorums::do_sizes_fit() const {
  const std::size_t voters = membership_.voter_count();
  return options_.read_quorum > 0 && options_.read_quorum <= voters &&
         options_.write_quorum <= voters && options_.read_quorum + options_.write_quorum > voters;
}

bool Quorums::is_quorum(const Servers& servers, std::size_t size) const {
  if (!is_flexible_) return membership_.is_quorum(servers);
  const auto voting = std::ranges::count_if(servers, [&](ServerId s) { return is_voter(s); });
  return static_cast<std::size_t>(voting) >= size;
}

bool Quorums::is_read_quorum(const Servers& servers) const {
  return is_quorum(servers, options_.read_quorum);
}

bool Quorums::is_write_quorum(const Servers& servers) const {
  return is_quorum(servers, options_.write_quorum);
}

}  // namespace synod::consensus::omnipaxos
