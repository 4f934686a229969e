#include "server/conversion.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "jute/txn.h"
#include "replica/entry_forms.h"
#include "replica/recovery_loader.h"
#include "replica/state_writer.h"
#include "server/unchanged_files.h"
#include "state/paths.h"
#include "storage/epoch_files.h"
#include "storage/flushed_mark.h"
#include "storage/recovery.h"
#include "storage/snapshot_install.h"

namespace synod::server {
namespace {

namespace op = storage::op;
using Kind = ConversionPlan::Kind;

// What a directory ends with, and the membership in it: its tree need not be built for that.
class EndOnly final : public storage::RecoverySink {
 public:
  explicit EndOnly(FoundMember& found) : found_(found) {}

  void reset() override {}
  void session(SessionId /*id*/, std::int32_t /*timeout_ms*/) override {}
  void acl(std::int64_t /*id*/, jute::AclList /*list*/) override {}
  Result<void> node(std::string_view path, const storage::NodeImage& node) override {
    if (path == state::kConfigPath)
      note_membership(node.stat.mzxid, node.data.value_or(BytesView{}));
    return {};
  }
  void snapshot_loaded(Zxid /*zxid*/, std::optional<storage::SnapshotDigest> /*digest*/) override {}
  void txn(const jute::Txn& txn, BytesView body) override {
    // What engines log for themselves has no time.
    if (txn.header.time_ms > 0) found_.when = WallTimeMs{txn.header.time_ms};
    const auto form = forms_.read(body);
    if (form.kind == consensus::EntryKind::kReconfiguration ||
        form.kind == consensus::EntryKind::kConfiguration)
      note_membership(txn.header.zxid, form.payload);
  }

 private:
  void note_membership(Zxid version, BytesView text) {
    if (version <= found_.config_version) return;
    found_.config_version = version;
    found_.config_text = text;
  }

  const replica::EntryForms forms_;
  FoundMember& found_;
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
      "\nIt is half done: until it was run again, to its end, no server of ours starts on these "
      "directories.";
  return error;
}

Result<FoundMember> survey(storage::FilePort& files, const ConvertedMember& member,
                           const ConversionOptions& options) {
  FoundMember found{.id = member.id, .directory = member.directory.data_dir};
  const auto record = read_engine_record(files, member.directory.data_dir);
  if (!record) return std::unexpected(record.error());
  const auto is_used = holds_data(files, member.directory);
  if (!is_used) return std::unexpected(is_used.error());
  UnchangedFiles unchanged(files);
  EndOnly sink(found);
  const auto report =
      storage::recover(unchanged, member.directory,
                       recovery_options(options, "reading " + member.directory.data_dir), sink);
  if (!report) return std::unexpected(report.error());
  found.record = *record;
  found.holds_data = *is_used;
  found.has_memory = report->has_memory;
  found.last = std::max(report->last_zxid, Zxid{});
  found.accepted_epoch = report->promised_epoch();
  found.current_epoch = report->synchronised_epoch();
  found.voted_for = report->voted_for();
  return found;
}

// As it is logged when clients ask for it.
Bytes reconfiguration(const consensus::Membership& membership) {
  using std::chrono::duration_cast;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::string text = membership.to_text();
  return jute::encode_txn({.client_id = {},
                           .cxid = 0,
                           .zxid = Zxid{membership.version},
                           .time_ms = duration_cast<std::chrono::milliseconds>(now).count(),
                           .type = jute::OpCode::kReconfig},
                          jute::SetDataTxn{.path = state::kConfigPath, .data = text, .version = -1},
                          std::nullopt);
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
    for (const Phase phase : {&Carrier::mark, &Carrier::install})
      if (auto done = for_all(phase); !done) return std::unexpected(half_way(done.error()));
    if (auto done = prepare_start(); !done) return std::unexpected(half_way(done.error()));
    if (auto done = for_all(&Carrier::finish); !done)
      return std::unexpected(half_way(done.error()));
    return converted_;
  }

 private:
  using Phase = Result<void> (Carrier::*)(const ConvertedMember&);
  Result<void> for_all(Phase phase);
  Result<void> prepare_start() {
    return options_.before_finish ? options_.before_finish() : Result<void>{};
  }
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

Result<void> Carrier::for_all(Phase phase) {
  for (const ConvertedMember& member : members_)
    if (auto done = (this->*phase)(member); !done)
      return std::unexpected(about(member, done.error()));
  return {};
}

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
  if (plan_.membership && tree_->applied() < Zxid{plan_.membership->version}) {
    const Bytes body = reconfiguration(*plan_.membership);
    const auto txn = jute::decode_txn(body);
    SYNOD_ASSERT(txn.has_value());
    static_cast<void>(tree_->apply(*txn));
  }
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
  removals.emplace_back(op::Remove{.path = directory.logs() + "/" + storage::kUnfinishedMarkName});
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
