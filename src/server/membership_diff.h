// What changes from one membership to the next, for people.
#pragma once

#include <string>

#include "consensus/membership.h"

namespace synod::server {

// "server.4 joins as an observer, server.2 leaves, server.3 becomes a participant"; "nothing
// changes" where both say the same.
[[nodiscard]] std::string change_line(const consensus::Membership& from,
                                      const consensus::Membership& to);

// A line a server: "+ server.4=…", "- server.2=…", "  server.1=…"; one that changed has both.
// Groups and weights behind them.
[[nodiscard]] std::string membership_diff(const consensus::Membership& from,
                                          const consensus::Membership& to);

}  // namespace synod::server
