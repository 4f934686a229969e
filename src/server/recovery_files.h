// What the members of a recovered ensemble start from, beside their trees: a zoo.cfg that names the
// new membership.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "consensus/membership.h"
#include "server/dynamic_config.h"
#include "storage/file_port.h"

namespace synod::server {

struct RecoveredPlace {
  DynamicConfigPlace config;  // config_file empty: it lies elsewhere
  std::string data_dir;
};

// Each zoo.cfg (write_dynamic_config); where there is none, the file of members goes into the data
// directory, for the operator to name. Done again it changes nothing. Blocks.
[[nodiscard]] Result<void> write_memberships(storage::FilePort& files,
                                             const std::vector<RecoveredPlace>& places,
                                             const consensus::Membership& membership);

}  // namespace synod::server
