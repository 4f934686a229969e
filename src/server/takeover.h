// One server after the other from ZooKeeper's program to ours, or back: in which order, what speaks
// against it, and whether the ensemble can spare a server now. From what was found; asks nobody.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/ensemble_survey.h"
#include "server/membership_outlook.h"

namespace synod::server {

enum class Direction { kToSynod, kToJava };

// The kind that a server shall become, and its name: Synod, or ZooKeeper.
[[nodiscard]] ServerKind goal_of(Direction direction);
[[nodiscard]] std::string_view program_of(ServerKind kind);

struct TakeoverPlan {
  std::vector<ServerId> order;        // still to be replaced: observers, followers, then the leader
  std::vector<std::string> unfit;     // how servers are made or configured: no step before that
  std::vector<std::string> troubles;  // how they are at the moment
  std::vector<std::string> notes;     // to be known
};
[[nodiscard]] TakeoverPlan plan_takeover(const Survey& survey, Direction direction);

// What the servers themselves say of who is away and who is in step.
struct Outlook {
  Standings others;  // all members but the one that is to go
  // As the leader counts them, the one to go included.
  std::optional<std::size_t> synced_followers = std::nullopt;
  bool accepts_missing = false;  // the operator takes the risk that one more failure stops it all
};
// Why the ensemble should not do without `server` for a moment; nothing: it can.
[[nodiscard]] std::optional<std::string> why_not_without(const Survey& survey, ServerId server,
                                                         const Outlook& outlook);

// Who is found where, in which role, running what.
[[nodiscard]] std::string table_of(const Survey& survey);

}  // namespace synod::server
