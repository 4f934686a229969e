#include "server/status_line.h"

#include <fmt/format.h>

namespace synod::server {

using consensus::Role;
using consensus::Status;

std::string status_line(const Status& now) {
  switch (now.role) {
    case Role::kLooking:
      return "looking for a leader";
    case Role::kLeading:
      if (now.is_serving) return fmt::format("leading in epoch {}; serving", now.epoch);
      return "elected; waiting for a quorum to follow";
    case Role::kFollowing:
    case Role::kObserving: {
      const std::string_view verb = now.role == Role::kFollowing ? "following" : "observing";
      if (now.is_serving) {
        return fmt::format("{} server {} in epoch {}; serving", verb, now.leader.value, now.epoch);
      }
      return fmt::format("{} server {}; getting in step", verb, now.leader.value);
    }
  }
  return {};
}

std::string_view mode_word(Role role) {
  switch (role) {
    case Role::kLooking:
      return "looking";
    case Role::kFollowing:
      return "follower";
    case Role::kObserving:
      return "observer";
    case Role::kLeading:
      return "leader";
  }
  return {};
}

}  // namespace synod::server
