#include "server/conversion.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "replica/recovery_loader.h"
#include "replica/state_writer.h"
#include "server/unchanged_files.h"
#include "storage/epoch_files.h"
#include "storage/recovery.h"
#include "storage/snapshot_install.h"

namespace synod::server {
namespace {

namespace op = storage::op;
using Kind = ConversionPlan::Kind;

// For what a directory ends with, its tree need not be built.
class EndOnly final : public storage::RecoverySink {
 public:
  void reset() override {}
  void session(SessionId /*id*/, std::int32_t /*timeout_ms*/) override {}
  void acl(std::int64_t /*id*/, jute::AclList /*list*/) override {}
  Result<void> node(std::string_view /*path*/, const storage::NodeImage& /*node*/) override {
    return {};
  }
  void snapshot_loaded(Zxid /*zxid*/, std::optional<storage::SnapshotDigest> /*digest*/) override {}
  void txn(const jute::Txn& /*txn*/, BytesView /*body*/) override {}
};

storage::RecoveryOptions recovery_options(const ConversionOptions& options,
                                          const std::string& what) {
  storage::RecoveryOptions recovery;
  recovery.is_member = true;
  recovery.trusts_empty_snapshot = options.trusts_empty_snapshot;
  recovery.recent_max = 0;
  if (options.progress)
    recovery.progress = [&options, what](std::uint64_t done, std::uint64_t total) {
      options.progress(what, done, total);
    };
  return recovery;
}

Error about(const ConvertedMember& member, Error error) {
  error.text = fmt::format("server {}: {}", member.id.value, error.text);
  return error;
}

Error half_way(Error error) {
  error.text +=
      "\nThe conversion is half done: until it was run again, to its end, no server starts on "
      "these "
      "directories.";
  return error;
}

Result<FoundMember> survey(storage::FilePort& files, const ConvertedMember& member,
                           const ConversionOptions& options) {
  const auto record = read_engine_record(files, member.directory.data_dir);
  if (!record) return std::unexpected(record.error());
  const auto is_used = holds_data(files, member.directory);
  if (!is_used) return std::unexpected(is_used.error());
  UnchangedFiles unchanged(files);
  EndOnly sink;
  const auto report =
      storage::recover(unchanged, member.directory,
                       recovery_options(options, "reading " + member.directory.data_dir), sink);
  if (!report) return std::unexpected(report.error());
  return FoundMember{.id = member.id,
                     .directory = member.directory.data_dir,
                     .record = *record,
                     .holds_data = *is_used,
                     .has_memory = report->has_memory,
                     .last = std::max(report->last_zxid, Zxid{}),
                     .accepted_epoch = report->promised_epoch(),
                     .current_epoch = report->synchronised_epoch(),
                     .voted_for = report->voted_for()};
}

class Carrier {
 public:
  Carrier(storage::FilePort& files, const std::vector<ConvertedMember>& members,
          const ConversionPlan& plan, std::uint64_t conversion, const ConversionOptions& options)
      : files_(files), members_(members), plan_(plan), conversion_(conversion), options_(options) {}

  Result<Converted> run() {
    if (plan_.kind == Kind::kNothing) return converted_;
    if (plan_.kind == Kind::kFinish) return finish_marked();
    if (auto loaded = load(); !loaded) return std::unexpected(loaded.error());
    using Phase = Result<void> (Carrier::*)(const ConvertedMember&);
    for (const Phase phase : {&Carrier::mark, &Carrier::install, &Carrier::finish}) {
      for (const ConvertedMember& member : members_)
        if (auto done = (this->*phase)(member); !done)
          return std::unexpected(half_way(about(member, done.error())));
    }
    return converted_;
  }

 private:
  Result<void> load();
  Result<void> mark(const ConvertedMember& member);
  Result<void> make_room(const storage::DataDirectory& directory);
  Result<void> install(const ConvertedMember& member);
  Result<void> write_tree(const ConvertedMember& member, replica::StateWriter& writer);
  Result<void> save_epochs(const std::string& directory);
  Result<void> finish(const ConvertedMember& member);
  Result<Converted> finish_marked();

  storage::FilePort& files_;
  const std::vector<ConvertedMember>& members_;
  const ConversionPlan& plan_;
  std::uint64_t conversion_;
  const ConversionOptions& options_;
  storage::FileHandleSource handles_;
  std::unique_ptr<state::State> tree_;
  std::uint64_t tree_bytes_ = 0;  // as a file, once it was written
  Converted converted_;
};

// Before anything is changed: a tree that cannot be built is found out here.
Result<void> Carrier::load() {
  const auto& chosen = *std::ranges::find(members_, plan_.chosen, &ConvertedMember::id);
  UnchangedFiles unchanged(files_);
  replica::RecoveryLoader loader(options_.owner_rules);
  const auto report =
      storage::recover(unchanged, chosen.directory,
                       recovery_options(options_, "loading " + chosen.directory.data_dir), loader);
  if (!report) return std::unexpected(about(chosen, report.error()));
  if (std::max(report->last_zxid, Zxid{}) != plan_.last)
    return fail(ErrorKind::kCorrupt,
                fmt::format("{} ended at zxid 0x{:x} and now ends at 0x{:x}: somebody writes to it",
                            chosen.directory.data_dir, plan_.last.value, report->last_zxid.value));
  converted_.warnings = report->warnings;
  if (loader.digest_mismatches() != 0)
    converted_.warnings.push_back(fmt::format("{}: {} digests in it are not those of the tree",
                                              chosen.directory.data_dir,
                                              loader.digest_mismatches()));
  tree_ = loader.finish();
  converted_.nodes = tree_->tree().node_count();
  converted_.sessions = tree_->sessions().size();
  return {};
}

Result<void> Carrier::mark(const ConvertedMember& member) {
  const EngineRecord record{.engine = plan_.from, .becomes = plan_.to, .conversion = conversion_};
  return files_.perform(write_engine_record(member.directory.data_dir, record, handles_.next()));
}

// What a server was installing when it stopped is finished first: the file that it speaks of may
// have the name of ours. What it was writing is of no use to anybody.
Result<void> Carrier::make_room(const storage::DataDirectory& directory) {
  auto made = files_.perform({op::MakeDirectory{.path = directory.snapshots()},
                              op::MakeDirectory{.path = directory.logs()}});
  if (!made) return made;
  const auto finished = storage::finish_install(files_, directory);
  if (!finished) return std::unexpected(finished.error());
  const auto entries = files_.list(directory.snapshots());
  if (!entries) return std::unexpected(entries.error());
  storage::FileBatch removals;
  for (const std::string& name : storage::unfinished_among(*entries))
    removals.emplace_back(op::Remove{.path = directory.snapshots() + "/" + name});
  return files_.perform(std::move(removals));
}

Result<void> Carrier::install(const ConvertedMember& member) {
  const storage::DataDirectory& directory = member.directory;
  if (auto made = make_room(directory); !made) return made;
  replica::StateWriter writer(*tree_, {.directory = directory.snapshots(), .zxid = {}}, handles_);
  if (auto written = write_tree(member, writer); !written) {
    const auto removed = files_.perform(writer.file().abandon());
    if (!removed) written.error().text += "; " + removed.error().text;
    return written;
  }
  if (auto released = files_.perform(writer.file().release()); !released) return released;
  auto plan = storage::plan_install(files_, directory, writer.file().file(), handles_);
  if (!plan) return std::unexpected(plan.error());
  if (auto installed = files_.perform(*std::move(plan)); !installed) return installed;
  return save_epochs(directory.snapshots());
}

Result<void> Carrier::write_tree(const ConvertedMember& member, replica::StateWriter& writer) {
  while (writer.has_more()) {
    if (auto written = files_.perform(writer.next_batch()); !written) return written;
    if (options_.progress)
      options_.progress("writing " + member.directory.data_dir, writer.file().file().size,
                        tree_bytes_);
  }
  tree_bytes_ = writer.file().file().size;
  return {};
}

// A vote of a former life goes last: an epoch that was only voted in is accepted by then.
Result<void> Carrier::save_epochs(const std::string& directory) {
  for (const char* name : {storage::kAcceptedEpochName, storage::kCurrentEpochName}) {
    auto saved =
        files_.perform(storage::write_epoch(directory, name, plan_.epoch, handles_.next()));
    if (!saved) return saved;
  }
  return files_.perform({op::Remove{.path = directory + "/" + storage::kVotedForName},
                         op::FlushDirectory{.path = directory}});
}

Result<void> Carrier::finish(const ConvertedMember& member) {
  const EngineRecord record{.engine = plan_.to, .becomes = {}, .conversion = conversion_};
  return files_.perform(write_engine_record(member.directory.data_dir, record, handles_.next()));
}

// They have the tree and the epochs: no record says the new engine before all have.
Result<Converted> Carrier::finish_marked() {
  conversion_ = plan_.finishes;
  for (const ConvertedMember& member : members_) {
    const auto record = read_engine_record(files_, member.directory.data_dir);
    if (!record) return std::unexpected(about(member, record.error()));
    if (!*record || !(*record)->is_converting()) continue;
    if (auto done = finish(member); !done) return std::unexpected(about(member, done.error()));
  }
  return converted_;
}

}  // namespace

Result<std::vector<FoundMember>> survey_members(storage::FilePort& files,
                                                const std::vector<ConvertedMember>& members,
                                                const ConversionOptions& options) {
  std::vector<FoundMember> found;
  for (const ConvertedMember& member : members) {
    auto one = survey(files, member, options);
    if (!one) return std::unexpected(about(member, one.error()));
    found.push_back(*std::move(one));
  }
  return found;
}

Result<Converted> carry_out(storage::FilePort& files, const std::vector<ConvertedMember>& members,
                            const ConversionPlan& plan, std::uint64_t conversion,
                            const ConversionOptions& options) {
  return Carrier(files, members, plan, conversion, options).run();
}

}  // namespace synod::server
