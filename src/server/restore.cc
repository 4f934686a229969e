#include "server/restore.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "server/engine_record.h"
#include "server/file_copy.h"
#include "server/recovery_plan.h"
#include "storage/epoch_files.h"
#include "storage/log_cut.h"

namespace synod::server {
namespace {

namespace op = storage::op;
using storage::DataDirectory;

// Below the target's directories, while it is being filled.
constexpr char kUnfinished[] = "/restoring";

class Restorer {
 public:
  Restorer(storage::FilePort& files, std::string backup, const DataDirectory& target,
           const RestoreWish& wish, const BackupWork& work)
      : files_(files),
        backup_(std::move(backup)),
        target_(target),
        filled_{target.data_dir + kUnfinished, target.data_log_dir + kUnfinished},
        wish_(wish),
        work_(work) {}

  Result<Restored> run() {
    const Step first = wish_.only_looks ? &Restorer::look_at_target : &Restorer::check_target;
    for (const Step step : {&Restorer::read, first, &Restorer::clear, &Restorer::copy,
                            &Restorer::cut, &Restorer::load, &Restorer::write_epochs})
      if (auto done = (this->*step)(); !done) return std::unexpected(done.error());
    for (const Step step :
         wish_.only_looks ? Steps{&Restorer::clear} : Steps{&Restorer::record, &Restorer::publish})
      if (auto done = (this->*step)(); !done) return std::unexpected(done.error());
    remove_folders();
    return std::move(restored_);
  }

 private:
  using Step = Result<void> (Restorer::*)();
  using Steps = std::vector<Step>;
  Result<void> look_at_target();
  void remove_folders();
  Result<void> read();
  Result<void> check_target();
  Result<void> clear();
  Result<void> copy();
  Result<void> cut();
  Result<void> load();
  Result<void> write_epochs();
  Result<void> record();
  Result<void> publish();
  Result<void> check_empty(const std::string& directory);

  storage::FilePort& files_;
  const std::string backup_;
  const DataDirectory& target_;
  const DataDirectory filled_;
  const RestoreWish& wish_;
  const BackupWork& work_;
  storage::FileHandleSource handles_;
  BackupManifest manifest_;
  Restored restored_;
};

Result<void> Restorer::read() {
  auto manifest = read_manifest(files_, backup_);
  if (!manifest) return std::unexpected(manifest.error());
  manifest_ = *std::move(manifest);
  restored_.engine = manifest_.engine;
  restored_.backup_last = manifest_.last;
  if (!wish_.until || (*wish_.until >= manifest_.first && *wish_.until <= manifest_.last))
    return {};
  return fail(ErrorKind::kRefused,
              fmt::format("{} can be restored as it was after any transaction from zxid 0x{:x} to "
                          "0x{:x}, and not 0x{:x}{}",
                          backup_, manifest_.first.value, manifest_.last.value, wish_.until->value,
                          *wish_.until < manifest_.first
                              ? ". Use an earlier backup, or one that was taken with --all"
                              : ""));
}

Result<void> Restorer::check_empty(const std::string& directory) {
  const auto entries = files_.list(directory);
  if (!entries && entries.error().kind == ErrorKind::kNotFound) return {};
  if (!entries) return std::unexpected(entries.error());
  if (entries->empty()) return {};
  return fail(ErrorKind::kRefused,
              fmt::format("{} holds {}: it is not empty. Move it away first (myid may stay in {}).",
                          directory, entries->front().name, target_.data_dir));
}

Result<void> Restorer::check_target() {
  for (const std::string& directory : {target_.snapshots(), target_.logs()})
    if (auto checked = check_empty(directory); !checked) return checked;
  return {};
}

Result<void> Restorer::look_at_target() {
  const auto is_used = holds_data(files_, target_);
  if (!is_used) return std::unexpected(is_used.error());
  if (!*is_used) return {};
  auto loaded = load_tree(files_, target_, work_, "loading " + target_.data_dir);
  if (!loaded) return std::unexpected(loaded.error());
  restored_.before = *std::move(loaded);
  return {};
}

// What an earlier one left when it was interrupted.
Result<void> Restorer::clear() {
  for (const std::string& directory : {filled_.snapshots(), filled_.logs()})
    if (auto emptied = make_empty(files_, directory); !emptied) return emptied;
  return {};
}

Result<void> Restorer::copy() {
  const std::uint64_t total = manifest_.bytes();
  std::uint64_t done = 0;
  for (const BackupFile& file : manifest_.files) {
    const bool is_log = !storage::logs_among({{file.name, file.size}}).empty();
    const std::string from = backup_ + "/version-2/" + file.name;
    const auto sum =
        copy_file(files_,
                  {.from = from,
                   .to = (is_log ? filled_.logs() : filled_.snapshots()) + "/" + file.name,
                   .size = file.size,
                   .progress =
                       [&](std::uint64_t bytes) {
                         done += bytes;
                         if (work_.progress) work_.progress("copying " + backup_, done, total);
                       }},
                  handles_.next());
    if (!sum) return std::unexpected(sum.error());
    if (*sum != file.checksum)
      return fail(ErrorKind::kCorrupt,
                  fmt::format("{} has another checksum than when it was taken: the backup is "
                              "damaged, use another one",
                              from));
  }
  return files_.perform({op::FlushDirectory{.path = filled_.snapshots()},
                         op::FlushDirectory{.path = filled_.logs()}});
}

Result<void> Restorer::cut() {
  if (!wish_.until || *wish_.until == manifest_.last) return {};
  auto plan = storage::plan_cut(files_, filled_, *wish_.until, handles_);
  if (!plan) return std::unexpected(plan.error());
  return files_.perform(std::move(plan->batch));
}

Result<void> Restorer::load() {
  auto loaded = load_tree(files_, filled_, work_, "loading " + target_.data_dir);
  if (!loaded) return std::unexpected(loaded.error());
  restored_.tree = *std::move(loaded);
  const bool is_whole = !wish_.until || *wish_.until == manifest_.last;
  if (!is_whole ||
      (restored_.tree.last == manifest_.last && restored_.tree.digest == manifest_.digest))
    return {};
  return fail(ErrorKind::kCorrupt,
              fmt::format("what was restored is not what was taken: zxid 0x{:x} and digest {}, "
                          "where the manifest has 0x{:x} and {}",
                          restored_.tree.last.value, restored_.tree.digest, manifest_.last.value,
                          manifest_.digest));
}

// What its server had promised holds: who is restored alone, beside others that live, must not
// promise it to another.
Result<void> Restorer::write_epochs() {
  std::uint32_t current = restored_.tree.last.epoch();
  std::uint32_t accepted = std::max(current, manifest_.epoch);
  if (wish_.raises_epoch) {
    const auto ahead = epoch_ahead(accepted);
    if (!ahead) return std::unexpected(ahead.error());
    current = accepted = *ahead;
  }
  restored_.epoch = accepted;
  for (const auto& [name, epoch] : {std::pair{storage::kAcceptedEpochName, accepted},
                                    std::pair{storage::kCurrentEpochName, current}}) {
    auto written =
        files_.perform(storage::write_epoch(filled_.snapshots(), name, epoch, handles_.next()));
    if (!written) return written;
  }
  return {};
}

// Before there is data that another engine could read.
Result<void> Restorer::record() {
  const auto known = read_engine_record(files_, target_.data_dir);
  if (!known) return std::unexpected(known.error());
  if (!*known && manifest_.engine == "zab") return {};
  return files_.perform(
      write_engine_record(target_.data_dir, {.engine = manifest_.engine}, handles_.next()));
}

// The log first: alone it is refused by every server, unless it goes back to the beginning.
Result<void> Restorer::publish() {
  if (target_.is_split()) {
    auto moved = files_.perform({op::Rename{.from = filled_.logs(), .to = target_.logs()},
                                 op::FlushDirectory{.path = target_.data_log_dir}});
    if (!moved) return moved;
  }
  return files_.perform({op::Rename{.from = filled_.snapshots(), .to = target_.snapshots()},
                         op::FlushDirectory{.path = target_.data_dir}});
}

// As far as they are empty: then they are in nobody's way.
void Restorer::remove_folders() {
  std::error_code ignored;
  for (const std::string& directory :
       {filled_.snapshots(), filled_.logs(), filled_.data_dir, filled_.data_log_dir})
    std::filesystem::remove(directory, ignored);
}

}  // namespace

Result<Restored> restore_backup(storage::FilePort& files, const std::string& backup,
                                const DataDirectory& target, const RestoreWish& wish,
                                const BackupWork& work) {
  return Restorer(files, backup, target, wish, work).run();
}

}  // namespace synod::server
