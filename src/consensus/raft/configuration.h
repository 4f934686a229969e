// Who counts, and what a majority is: the one place that answers it, for votes, commits and the
// confirmation of reads (dissertation 4).
#pragma once

#include <map>

#include "base/ids.h"
#include "consensus/membership.h"

namespace synod::consensus::raft {

class Configuration {
 public:
  explicit Configuration(Membership membership) : membership_(std::move(membership)) {}

  [[nodiscard]] bool is_voter(ServerId server) const { return membership_.is_voter(server); }
  [[nodiscard]] bool is_member(ServerId server) const {
    return membership_.members.contains(server);
  }
  // Servers that do not vote are not counted.
  [[nodiscard]] bool is_quorum(const Servers& servers) const {
    return membership_.is_quorum(servers);
  }
  [[nodiscard]] Servers voters() const { return membership_.voters(); }
  // Whom `self` talks to: two that never vote have nothing to say to each other.
  [[nodiscard]] std::map<ServerId, Member> peers_of(ServerId self) const {
    std::map<ServerId, Member> peers = membership_.members;
    std::erase_if(peers, [&](const auto& peer) {
      return peer.first == self || (!is_voter(self) && !is_voter(peer.first));
    });
    return peers;
  }

 private:
  Membership membership_;
};

}  // namespace synod::consensus::raft
