#include "server/engine_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <system_error>

#include "server/posix_files.h"
#include "storage/data_directory.h"
#include "storage/epoch_files.h"

namespace synod::server {
namespace {

namespace fs = std::filesystem;

constexpr char kRecordName[] = "consensus";
constexpr char kZab[] = "zab";

// Nothing was recorded: zab.
Result<std::string> recorded_in(const fs::path& record) {
  std::error_code problem;
  if (!fs::exists(record, problem) && !problem) return kZab;
  std::ifstream file(record);
  std::string name;
  if (!std::getline(file, name)) {
    return fail(ErrorKind::kIo, fmt::format("{} cannot be read: it names the consensus engine that "
                                            "the directory belongs to",
                                            record.string()));
  }
  return name;
}

bool holds_data(const fs::path& directory) {
  std::error_code ignored;
  return std::ranges::any_of(fs::directory_iterator(directory / "version-2", ignored),
                             [](const fs::directory_entry& entry) {
                               const std::string name = entry.path().filename().string();
                               return name.starts_with("snapshot.") || name.starts_with("log.") ||
                                      name == storage::kCurrentEpochName ||
                                      name == storage::kAcceptedEpochName;
                             });
}

Result<void> write_record(const fs::path& record, const std::string& engine) {
  PosixFiles files([](storage::IoToken /*token*/, Result<void> /*result*/) {});
  const auto line = std::make_shared<const Bytes>(engine + "\n");
  const std::string path = record.string();
  constexpr storage::FileHandle kHandle{1};
  return files.perform({storage::op::Create{.handle = kHandle, .path = path + ".tmp"},
                        storage::op::Write{.handle = kHandle, .offset = 0, .bytes = line},
                        storage::op::Flush{.handle = kHandle},
                        storage::op::Close{.handle = kHandle},
                        storage::op::Rename{.from = path + ".tmp", .to = path},
                        storage::op::FlushDirectory{.path = record.parent_path().string()}});
}

}  // namespace

Result<void> record_engine(const fs::path& data_dir, const fs::path& data_log_dir,
                           const std::string& engine) {
  const fs::path record = data_dir / kRecordName;
  const auto recorded = recorded_in(record);
  if (!recorded) return std::unexpected(recorded.error());
  if (*recorded == engine) return {};
  // Nothing in it: whatever is recorded was never used, or never recorded.
  if (!holds_data(data_dir) && !holds_data(data_log_dir)) return write_record(record, engine);
  return fail(ErrorKind::kRefused,
              fmt::format("{} belongs to the consensus engine {}, and the configuration says "
                          "consensus={}. Set consensus={}; or, to change the engine, stop the "
                          "ensemble and run synod convert.",
                          data_dir.string(), *recorded, engine, *recorded));
}

}  // namespace synod::server
