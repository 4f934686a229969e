// What other servers fetch here of what is decided (consensus.md 4.11): log by segments, or the
// tree. Any server serves, whatever configuration it is in, and whether or not it knows of a
// stop-sign; it looks at nothing but its own log, and remembers nobody.
#pragma once

#include <cstdint>
#include <vector>

#include "consensus/engine.h"
#include "consensus/omnipaxos/messages.h"
#include "consensus/omnipaxos/shared.h"
#include "consensus/omnipaxos/trees.h"

namespace synod::consensus::omnipaxos {

class LogSource {
 public:
  explicit LogSource(Shared& shared) : shared_(&shared), trees_(shared, Ballot{}) {}

  void on(ServerId from, const Survey& survey);
  void on(ServerId from, const Want& want);
  void on(ServerId from, const WantTree& want);
  void down(ServerId peer);
  void snapshot_linked(ServerId peer, LinkId link) { trees_.linked(peer, link); }
  void snapshot_lost(ServerId peer, LinkId link) { trees_.lost(peer, link); }

  // False: somebody else asked for it.
  [[nodiscard]] bool log_read(std::uint64_t number, std::optional<std::vector<Entry>>&& entries,
                              bool is_last);

 private:
  // A segment that comes from the log on disk, as far as that is needed.
  struct Reading {
    ServerId peer;
    std::uint64_t number;  // the peer's
    Zxid sent;             // everything up to here
    Zxid up_to;
    std::uint64_t read;  // ours
  };

  [[nodiscard]] bool serve(Reading& reading);
  void send(const Reading& to, std::vector<Entry> entries, bool is_end);
  [[nodiscard]] bool has_tree(Zxid up_to) const;
  void refuse(ServerId peer, std::uint64_t number);

  Shared* shared_;
  Trees trees_;
  std::vector<Reading> readings_;
};

}  // namespace synod::consensus::omnipaxos
