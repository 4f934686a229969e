#include "server/status_line.h"

#include <gtest/gtest.h>

namespace synod::server {
namespace {

using consensus::Role;
using consensus::Status;

TEST(StatusLine, SaysWhoLeadsAndWhetherClientsAreServed) {
  struct Case {
    Status status;
    std::string_view line;
  };
  for (const Case& c : {
           Case{{}, "looking for a leader"},
           Case{{Role::kLeading, ServerId{1}, 0, false}, "elected; waiting for a quorum to follow"},
           Case{{Role::kLeading, ServerId{1}, 5, true}, "leading in epoch 5; serving"},
           Case{{Role::kFollowing, ServerId{3}, 5, false}, "following server 3; getting in step"},
           Case{{Role::kFollowing, ServerId{3}, 5, true}, "following server 3 in epoch 5; serving"},
           Case{{Role::kObserving, ServerId{3}, 5, true}, "observing server 3 in epoch 5; serving"},
       }) {
    EXPECT_EQ(status_line(c.status), c.line);
  }
}

}  // namespace
}  // namespace synod::server
