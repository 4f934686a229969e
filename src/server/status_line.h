// What the log says when a server's place in its ensemble changes.
#pragma once

#include <string>
#include <string_view>

#include "consensus/engine.h"

namespace synod::server {

// "following server 3 in epoch 5; serving". Why it changed, the engine says.
[[nodiscard]] std::string status_line(const consensus::Status& now);

// ZooKeeper's word: leader, follower, observer, or looking.
[[nodiscard]] std::string_view mode_word(consensus::Role role);

}  // namespace synod::server
