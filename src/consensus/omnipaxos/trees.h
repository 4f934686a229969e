// Trees that go to servers whose logs cannot be brought up to date otherwise, each on a link of its
// own. Who takes one says so on the link for messages; until then it is sent again.
#pragma once

#include <map>
#include <optional>

#include "base/ids.h"
#include "consensus/omnipaxos/shared.h"

namespace synod::consensus::omnipaxos {

class Trees {
 public:
  // All belong to one round.
  Trees(Shared& shared, Ballot ballot) : shared_(&shared), ballot_(ballot) {}

  void begin(ServerId peer, std::uint64_t number);  // of what it answers
  void linked(ServerId peer, LinkId link);
  void lost(ServerId peer, LinkId link);
  void tick();  // what was lost begins anew
  void end(ServerId peer);
  void end_all();

 private:
  Shared* shared_;
  Ballot ballot_;
  struct Tree {
    std::uint64_t number;
    std::optional<LinkId> link;
  };
  std::map<ServerId, Tree> trees_;
};

}  // namespace synod::consensus::omnipaxos
