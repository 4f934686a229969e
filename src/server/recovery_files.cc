#include "server/recovery_files.h"

#include <fmt/format.h>

namespace synod::server {

Result<void> write_memberships(storage::FilePort& files, const std::vector<RecoveredPlace>& places,
                               const consensus::Membership& membership) {
  for (const RecoveredPlace& place : places) {
    if (place.config.config_file.empty()) {
      const auto written = write_dynamic_file(files, place.data_dir + "/zoo.cfg", membership);
      if (!written) return std::unexpected(written.error());
      continue;
    }
    auto written = write_dynamic_config(files, place.config, membership);
    if (!written)
      return fail(written.error().kind,
                  fmt::format("the membership could not be written beside {}: {}",
                              place.config.config_file, written.error().text));
  }
  return {};
}

}  // namespace synod::server
