// Members' directories as the tests of plans find them.
#pragma once

#include <cstdint>
#include <string>

#include "consensus/membership.h"
#include "server/log_choice.h"

namespace synod::server {

// Voters first; each names a client port.
inline consensus::Membership test_servers(int voters, int observers = 0) {
  std::string text;
  for (int id = 1; id <= voters + observers; ++id)
    text += "server." + std::to_string(id) + "=h" + std::to_string(id) +
            ":2888:3888:" + (id <= voters ? "participant" : "observer") + ";0.0.0.0:2181\n";
  return *consensus::Membership::parse(text + "version=0\n");
}

// The epochs it accepted and was synchronised under, and its log's end.
inline FoundMember test_member(std::int64_t id, std::uint32_t accepted, std::uint32_t current,
                               Zxid last) {
  return {.id = {id},
          .directory = "/d" + std::to_string(id),
          .record = EngineRecord{.engine = "zab"},
          .holds_data = true,
          .has_memory = true,
          .last = last,
          .accepted_epoch = accepted,
          .current_epoch = current,
          .voted_for = {},
          .when = {}};
}

}  // namespace synod::server
