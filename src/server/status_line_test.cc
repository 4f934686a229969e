#include "server/status_line.h"

#include <gtest/gtest.h>

namespace synod::server {
namespace {

using consensus::Role;
using consensus::Status;

TEST(StatusLine, SaysWhatHappenedAndWhatFollows) {
  const Status looking{};
  const Status elected{Role::kLeading, ServerId{1}, 0, false};
  const Status leading{Role::kLeading, ServerId{1}, 5, true};
  const Status joining{Role::kFollowing, ServerId{3}, 5, false};
  const Status following{Role::kFollowing, ServerId{3}, 5, true};
  const Status observing{Role::kObserving, ServerId{3}, 5, true};
  struct Case {
    Status before;
    Status now;
    std::string_view line;
  };
  for (const Case& c : {
           Case{looking, looking, "looking for a leader"},
           Case{looking, elected, "elected; waiting for a quorum to follow"},
           Case{elected, leading, "leading in epoch 5; serving"},
           Case{leading, looking, "not followed by a quorum any more; looking for a leader"},
           Case{elected, looking, "found no quorum to lead; looking for a leader"},
           Case{looking, joining, "following server 3; getting in step"},
           Case{joining, following, "following server 3 in epoch 5; serving"},
           Case{following, looking, "lost the leader, server 3; looking for a leader"},
           Case{joining, looking,
                "could not get in step with the leader, server 3; looking for a leader"},
           Case{looking, observing, "observing server 3 in epoch 5; serving"},
       }) {
    EXPECT_EQ(status_line(c.before, c.now), c.line);
  }
}

}  // namespace
}  // namespace synod::server
