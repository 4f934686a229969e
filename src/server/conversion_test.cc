// Three directories on a disk in memory, converted, and crashed at every operation of it.
#include "server/conversion.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "jute/txn.h"
#include "replica/recovery_loader.h"
#include "server/unchanged_files.h"
#include "storage/epoch_files.h"
#include "storage/flushed_mark.h"
#include "storage/snapshot_install.h"
#include "storage/test_support.h"

namespace synod::server {
namespace {

using storage::DataDirectory;
using storage::MemoryFiles;
namespace op = storage::op;

const std::vector<ConvertedMember> kMembers{{{1}, {"/one", "/one"}},
                                            {{2}, {"/two", "/two-logs"}},  // kept apart
                                            {{3}, {"/three", "/three"}}};

consensus::Membership membership() {
  return *consensus::Membership::parse(
      "server.1=h1:2888:3888:participant\nserver.2=h2:2888:3888:participant\n"
      "server.3=h3:2888:3888:participant\nversion=0\n");
}

Bytes create_txn(Zxid zxid) {
  const std::string path = fmt::format("/n{:x}", zxid.value);
  return jute::encode_txn(
      {.client_id = {1}, .cxid = 1, .zxid = zxid, .time_ms = 1000, .type = jute::OpCode::kCreate},
      jute::CreateTxn{.path = path, .data = "x", .acl = {}}, std::nullopt);
}

void perform(MemoryFiles& files, storage::FileBatch batch) {
  if (const auto done = files.perform(std::move(batch)); !done)
    throw std::runtime_error(done.error().text);
}

// A log from (5, 1) on; what is promised and synchronised.
void fill(MemoryFiles& files, const ConvertedMember& member, std::uint32_t last_counter,
          std::uint32_t accepted, std::uint32_t current) {
  const DataDirectory& directory = member.directory;
  files.put(directory.snapshots() + "/snapshot.0", storage::snapshot_bytes());
  perform(files, {op::MakeDirectory{directory.logs()}});
  storage::FileHandleSource handles;
  storage::LogWriter log({.log_dir = directory.logs(), .preallocate_bytes = 0}, handles);
  for (std::uint32_t counter = 1; counter <= last_counter; ++counter)
    log.append(Zxid::of(5, counter), create_txn(Zxid::of(5, counter)));
  perform(files, log.take_batch());
  perform(files, storage::write_epoch(directory.snapshots(), storage::kAcceptedEpochName, accepted,
                                      handles.next()));
  perform(files, storage::write_epoch(directory.snapshots(), storage::kCurrentEpochName, current,
                                      handles.next()));
  files.kill();  // what it had open is closed
}

void fill_all(MemoryFiles& files) {
  fill(files, kMembers[0], 4, 6, 5);
  fill(files, kMembers[1], 9, 5, 5);  // the one
  fill(files, kMembers[2], 7, 5, 5);
  files.put("/one/version-2/votedFor", "6 3");
}

struct Ending {
  Zxid last;
  std::uint64_t digest = 0;
  std::uint32_t accepted = 0;
  std::uint32_t current = 0;
  ServerId voted_for;
  friend bool operator==(const Ending&, const Ending&) = default;
};
std::ostream& operator<<(std::ostream& out, const Ending& ending) {
  return out << fmt::format("0x{:x} digest {} epochs {} {} vote {}", ending.last.value,
                            ending.digest, ending.accepted, ending.current, ending.voted_for.value);
}

// As a server that starts on it would find it.
Ending ending_of(storage::FilePort& files, const ConvertedMember& member) {
  UnchangedFiles unchanged(files);
  replica::RecoveryLoader loader(state::OwnerRules{});
  const auto report = storage::recover(unchanged, member.directory, {.is_member = true}, loader);
  if (!report) throw std::runtime_error(report.error().text);
  EXPECT_EQ(loader.digest_mismatches(), 0U);
  return {report->last_zxid, loader.finish()->tree().digest(), report->promised_epoch(),
          report->synchronised_epoch(), report->voted_for()};
}

// Empty, or why not.
std::string convert(MemoryFiles& files, const std::string& to, std::uint64_t conversion,
                    Converted* converted = nullptr) {
  const auto found = survey_members(files, kMembers, {});
  if (!found) return found.error().text;
  const auto plan = plan_conversion(membership(), {.to = to}, *found);
  if (!plan) return plan.error().text;
  const auto done = carry_out(files, kMembers, *plan, conversion, {});
  if (!done) return done.error().text;
  if (converted != nullptr) *converted = *done;
  return {};
}

std::string engine_of(MemoryFiles& files, const ConvertedMember& member) {
  const auto record = read_engine_record(files, member.directory.data_dir);
  if (!record) return record.error().text;
  if (!*record) return "zab";
  return (*record)->is_converting() ? "converting" : (*record)->engine;
}

std::map<std::string, Bytes> everything(const MemoryFiles& files) {
  std::map<std::string, Bytes> all;
  for (const std::string& path : files.paths()) all[path] = *files.get(path);
  return all;
}

TEST(Conversion, AllGetTheChosenTreeAndTheSameEpochs) {
  MemoryFiles files;
  fill_all(files);
  const Ending chosen = ending_of(files, kMembers[1]);
  Converted converted;
  ASSERT_EQ(convert(files, "raft", 7, &converted), "");
  EXPECT_EQ(converted.nodes, 13U) << "nine, and those of a fresh server";
  for (const ConvertedMember& member : kMembers) {
    EXPECT_EQ(ending_of(files, member), (Ending{Zxid::of(5, 9), chosen.digest, 6, 6, ServerId{}}));
    EXPECT_EQ(engine_of(files, member), "raft");
    EXPECT_FALSE(files.get(member.directory.logs() + "/" + storage::kFlushedMarkName));
  }
  ASSERT_EQ(convert(files, "omnipaxos", 8), "");
  EXPECT_EQ(ending_of(files, kMembers[0]).accepted, 0x100U);
  ASSERT_EQ(convert(files, "zab", 9), "");
  for (const ConvertedMember& member : kMembers)
    EXPECT_EQ(ending_of(files, member),
              (Ending{Zxid::of(5, 9), chosen.digest, 0x100, 0x100, ServerId{}}));
}

TEST(Conversion, AnEmptyDirectoryIsFilled) {
  MemoryFiles files;
  fill(files, kMembers[0], 4, 6, 5);
  fill(files, kMembers[1], 9, 5, 5);
  perform(files, {op::MakeDirectory{"/three"}});
  ASSERT_EQ(convert(files, "raft", 7), "");
  EXPECT_EQ(ending_of(files, kMembers[2]), ending_of(files, kMembers[1]));
}

// What a crash left is judged, and left: a torn end, an installation under way.
TEST(Conversion, ALookChangesNothing) {
  MemoryFiles files;
  fill_all(files);
  const std::string log = "/three/version-2/" + storage::log_name(Zxid::of(5, 1));
  Bytes torn = *files.get(log);
  torn.resize(torn.size() - 3);
  files.put(log, torn);
  files.put("/three/version-2/" + std::string(storage::kFlushedMarkName), {});
  storage::FileHandleSource handles;
  const auto size = static_cast<std::uint64_t>(storage::snapshot_bytes().size());
  files.put("/one/version-2/" + storage::unfinished_snapshot_name(Zxid::of(5, 12)),
            storage::snapshot_bytes());
  const storage::SnapshotFile received{
      storage::snapshot_name(Zxid::of(5, 12), storage::Compression::kNone), Zxid::of(5, 12),
      storage::Compression::kNone, size};
  auto intent = storage::plan_install(files, kMembers[0].directory, received, handles);
  intent->resize(6);  // the intent is durable, and no more of it is done
  perform(files, *intent);
  const auto before = everything(files);
  const auto found = survey_members(files, kMembers, {});
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_EQ(found->at(0).last, Zxid::of(5, 12)) << "as a start would find it";
  EXPECT_EQ(found->at(2).last, Zxid::of(5, 6));
  EXPECT_EQ(everything(files), before);
  ASSERT_EQ(convert(files, "raft", 7), "");
  for (const ConvertedMember& member : kMembers)
    EXPECT_EQ(ending_of(files, member).last, Zxid::of(5, 12));
}

TEST(Conversion, ADamagedDirectoryIsNamedAndNothingIsChanged) {
  MemoryFiles files;
  fill_all(files);
  files.put("/three/version-2/acceptedEpoch", "rubbish");
  const auto before = everything(files);
  EXPECT_THAT(convert(files, "raft", 7), testing::HasSubstr("server 3: /three/version-2/accepted"));
  EXPECT_EQ(everything(files), before);
}

// ---- crashes ----------------------------------------------------------------------------------

class Crashes {
 public:
  // `lives` operations are done, then nothing is any more. False: the conversion had come to its
  // end before.
  bool crash(MemoryFiles& files, std::size_t lives, std::uint64_t conversion) {
    std::size_t done = 0;
    files.set_fault([&](const storage::FileOp&) -> std::optional<Error> {
      if (done++ < lives) return std::nullopt;
      return Error{ErrorKind::kIo, "it is dead"};
    });
    const bool is_whole = convert(files, "raft", conversion).empty();
    files.set_fault({});
    return !is_whole;
  }
  void cut(MemoryFiles& files, bool is_power) {
    if (!is_power) return files.kill();
    files.power_cut([&](std::uint64_t bound) { return random_() % bound; });
  }

 private:
  std::mt19937_64 random_{1};
};

// Whoever may start under the old engine has what it had; under the new one, what was chosen; and
// never may one of each.
void require_safe(MemoryFiles& files, const std::vector<Ending>& before, const Ending& chosen) {
  std::set<std::string> startable;
  for (std::size_t i = 0; i < kMembers.size(); ++i) {
    const std::string engine = engine_of(files, kMembers[i]);
    if (engine == "converting") continue;
    startable.insert(engine);
    EXPECT_EQ(ending_of(files, kMembers[i]), engine == "zab" ? before[i] : chosen);
  }
  EXPECT_LE(startable.size(), 1U);
}

TEST(Conversion, CrashedAtAnyOperationItIsRunAgainToTheSameEnd) {
  MemoryFiles fresh;
  fill_all(fresh);
  std::vector<Ending> before;
  before.reserve(kMembers.size());
  for (const ConvertedMember& member : kMembers) before.push_back(ending_of(fresh, member));
  const Ending chosen{Zxid::of(5, 9), before[1].digest, 6, 6, ServerId{}};
  const auto disk = fresh.image();
  Crashes crashes;
  std::size_t lives = 0;
  for (bool is_crashed = true; is_crashed; ++lives) {
    for (const bool is_power : {false, true, true, true}) {
      MemoryFiles files;
      files.restore(disk);
      is_crashed = crashes.crash(files, lives, 7);
      crashes.cut(files, is_power);
      require_safe(files, before, chosen);
      crashes.crash(files, lives % 23, 8);  // and again, in the repetition
      crashes.cut(files, is_power);
      require_safe(files, before, chosen);
      ASSERT_EQ(convert(files, "raft", 9), "") << "after " << lives << " operations";
      for (const ConvertedMember& member : kMembers) {
        ASSERT_EQ(ending_of(files, member), chosen) << "after " << lives << " operations";
        ASSERT_EQ(engine_of(files, member), "raft");
      }
    }
  }
  EXPECT_GT(lives, 90U);
}

}  // namespace
}  // namespace synod::server
