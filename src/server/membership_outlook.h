// What would become of an ensemble with another membership, before anybody asks for it: who of it
// is there and in step, how much it could lose, and whether a leader would take it.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "consensus/membership.h"
#include "server/ask_server.h"

namespace synod::server {

struct Standing {
  std::string address;    // where it was asked; empty: it names no client port
  std::string state;      // "follower, in step at 0x10000000a", "no answer: Connection refused"
  bool is_ready = false;  // in step; or there, where what it lacks is fetched after the change
};
using Standings = std::map<ServerId, Standing>;

// Asks every member whether it serves, and has what the ensemble had at `baseline`. Those awaited
// are asked again until they do or `patience` is over, the others for a second. Blocks.
[[nodiscard]] Standings ask_standings(const consensus::Membership& membership, Zxid baseline,
                                      const consensus::Servers& awaited,
                                      std::chrono::milliseconds patience);

// Why a leader would refuse it: nothing where it would not, as far as this can be seen from
// outside.
[[nodiscard]] std::optional<std::string> foretell_refusal(const consensus::Membership& next,
                                                          const Standings& standings);

// What nobody refuses and an operator should know.
[[nodiscard]] std::vector<std::string> warnings_of(const consensus::Membership& next,
                                                   const Standings& standings);

// Voters, quorum and failures tolerated, before and after.
[[nodiscard]] std::string figures(const consensus::Membership& from,
                                  const consensus::Membership& to);

[[nodiscard]] std::string table_of(const Standings& standings);

// "server.1, server.4"
[[nodiscard]] std::string names_of(const std::vector<ServerId>& servers);

}  // namespace synod::server
