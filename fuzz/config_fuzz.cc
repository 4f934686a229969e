// Any text as zoo.cfg, and as JVM flags: no crash, every error says where, every message is one
// line.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "server/config.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void require_one_line(const std::string& message) {
  require(!message.empty() && message.find('\n') == std::string::npos);
}

void check(const synod::server::ConfigInput& input) {
  const auto loaded = synod::server::load_config(input);
  if (!loaded) {
    require(loaded.error().line > 0 || !loaded.error().key.empty());
    require(!loaded.error().reason.empty());
    require_one_line(to_string(loaded.error()));
    return;
  }
  for (const auto& warning : loaded->warnings) require_one_line(to_string(warning));
  const auto& config = loaded->config;
  require(!config.data_dir.empty() && !config.data_log_dir.empty());
  require(config.tick_time_ms > 0);
  require(config.min_session_timeout_ms >= 0);
  require(config.min_session_timeout_ms <= config.max_session_timeout_ms);
  require(config.jute_max_buffer_extra_bytes.value_or(0) >= 1024);
  require(config.autopurge_snap_retain_count >= 3 && config.snap_count >= 2);
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  synod::server::ConfigInput as_file;
  as_file.file = synod::server::ConfigFile{.name = "zoo.cfg", .text = text};
  check(as_file);
  as_file.file->text += "\ndataDir=/data\n";  // Most texts lack it: look past that error, too.
  check(as_file);
  synod::server::ConfigInput as_flags;
  as_flags.state_dir = "/state";
  as_flags.environment.push_back({"JVMFLAGS", text});
  check(as_flags);
  return 0;
}
