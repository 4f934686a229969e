#include "server/quorum_math.h"

#include <algorithm>
#include <vector>

namespace synod::server {
namespace {

// Calls `found` with each way to choose `count` of the voters, until it says true.
template <class Found>
bool any_choice(const consensus::Servers& voters, std::size_t count, const Found& found) {
  std::vector<bool> is_chosen(voters.size(), false);
  std::fill_n(is_chosen.begin(), count, true);
  do {
    consensus::Servers chosen;
    for (std::size_t i = 0; i < voters.size(); ++i) {
      if (is_chosen[i]) chosen.push_back(voters[i]);
    }
    if (found(chosen)) return true;
  } while (std::prev_permutation(is_chosen.begin(), is_chosen.end()));
  return false;
}

}  // namespace

std::size_t quorum_size(const consensus::Membership& membership) {
  const consensus::Servers voters = membership.voters();
  if (membership.groups.empty()) return voters.size() / 2 + 1;
  for (std::size_t count = 1; count < voters.size(); ++count) {
    if (any_choice(voters, count, [&](const auto& some) { return membership.is_quorum(some); })) {
      return count;
    }
  }
  return voters.size();
}

std::size_t tolerated_failures(const consensus::Membership& membership) {
  const consensus::Servers voters = membership.voters();
  if (membership.groups.empty()) return (voters.size() - 1) / 2;
  for (std::size_t count = voters.size(); count-- > 0;) {
    if (any_choice(voters, count, [&](const auto& some) { return !membership.is_quorum(some); })) {
      return voters.size() - count - 1;
    }
  }
  return voters.size();
}

}  // namespace synod::server
