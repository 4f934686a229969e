// Do all members have the same tree? While they run, and while clients write.
//
// By digests where every server tells them (`hash`): the whole tree, at the same zxids. Where
// nobody writes, sessions are opened and closed until such a zxid has passed; no node is touched.
//
// Else by reading every node from every server. A node that looks different is looked at again:
// from the leader, from the other after a sync, and from the leader after a sync. If the leader's
// two looks are the same, nobody changed it between, and the other must have it so, too.
#pragma once

#include <chrono>
#include <string>

#include "base/error.h"
#include "server/ensemble_survey.h"

namespace synod::server {

struct Comparison {
  bool is_equal = false;
  std::string text;  // what was compared, and what differs: lines for an operator
};

struct ComparisonOptions {
  std::string auth;  // digest:super:password, to read what not everybody may
  std::chrono::milliseconds patience{30'000};  // for servers that lag, for one page of a tree
};

// An error: nothing could be compared, and why. Both block.
[[nodiscard]] Result<Comparison> compare_by_digests(const Survey& survey,
                                                    const ComparisonOptions& options);
[[nodiscard]] Result<Comparison> compare_by_reading(const Survey& survey,
                                                    const ComparisonOptions& options);

}  // namespace synod::server
