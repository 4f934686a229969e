// Three directories on a disk in memory, converted, and crashed at every operation of it.
#include "server/conversion.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "jute/txn.h"
#include "replica/recovery_loader.h"
#include "server/recovery_files.h"
#include "server/recovery_plan.h"
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
  // `lives` operations are done, then nothing is any more. `work` says why it failed; false: it had
  // come to its end before.
  bool crash(MemoryFiles& files, std::size_t lives, const std::function<std::string()>& work) {
    std::size_t done = 0;
    files.set_fault([&](const storage::FileOp&) -> std::optional<Error> {
      if (done++ < lives) return std::nullopt;
      return Error{ErrorKind::kIo, "it is dead"};
    });
    const bool is_whole = work().empty();
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

struct CrashStory {
  std::function<std::string(MemoryFiles&, std::uint64_t number)> work;  // empty, or why not
  std::function<void(MemoryFiles&)> require_safe;                       // after each crash
  std::function<void(MemoryFiles&, const std::string& said)> require_end;
};

// From this disk at each of the work's operations, by kill and by power cut, and again in the
// repetition; then it is done to its end. How many operations it has.
std::size_t crash_everywhere(const MemoryFiles::Image& disk, const CrashStory& story) {
  Crashes crashes;
  std::size_t lives = 0;
  for (bool is_crashed = true; is_crashed; ++lives) {
    for (const bool is_power : {false, true, true, true}) {
      MemoryFiles files;
      files.restore(disk);
      is_crashed = crashes.crash(files, lives, [&] { return story.work(files, 7); });
      crashes.cut(files, is_power);
      story.require_safe(files);
      crashes.crash(files, lives % 23, [&] { return story.work(files, 8); });
      crashes.cut(files, is_power);
      story.require_safe(files);
      story.require_end(files, story.work(files, 9));
      if (testing::Test::HasFailure()) {
        ADD_FAILURE() << "after " << lives << " operations";
        return lives;
      }
    }
  }
  return lives;
}

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
  const CrashStory story{
      .work = [](MemoryFiles& files,
                 std::uint64_t number) { return convert(files, "raft", number); },
      .require_safe = [&](MemoryFiles& files) { require_safe(files, before, chosen); },
      .require_end =
          [&](MemoryFiles& files, const std::string& said) {
            EXPECT_EQ(said, "");
            for (const ConvertedMember& member : kMembers) {
              EXPECT_EQ(ending_of(files, member), chosen);
              EXPECT_EQ(engine_of(files, member), "raft");
            }
          }};
  EXPECT_GT(crash_everywhere(fresh.image(), story), 90U);
}

// ---- recoveries: the same phases, to a membership of the survivors ----------------------------

const std::vector<ConvertedMember> kSurvivors{kMembers[0], kMembers[1]};

consensus::Membership five_servers() {
  std::string text;
  for (int id = 1; id <= 5; ++id)
    text += fmt::format("server.{0}=h{0}:2888:3888:participant;0.0.0.0:2181\n", id);
  return *consensus::Membership::parse(text + "version=0\n");
}

std::string config_of(const ConvertedMember& member) {
  return member.directory.data_dir + "/zoo.cfg";
}

void fill_survivors(MemoryFiles& files) {
  fill(files, kSurvivors[0], 4, 6, 5);
  fill(files, kSurvivors[1], 9, 5, 5);  // the one
  files.put("/one/version-2/votedFor", "6 3");
  for (const ConvertedMember& member : kSurvivors)
    files.put(config_of(member), "tickTime=2000\nserver.1=h1:2888:3888\n");
}

// Empty, or why not.
std::string recover(MemoryFiles& files, std::uint64_t recovery) {
  const auto found = survey_members(files, kSurvivors, {});
  if (!found) return found.error().text;
  const auto plan = plan_recovery(five_servers(), {}, *found);
  if (!plan) return plan.error().text;
  ConversionOptions options;
  options.before_finish = [&] {
    std::vector<RecoveredPlace> places;
    for (const ConvertedMember& member : kSurvivors)
      places.push_back({{config_of(member), member.id, {}}, member.directory.data_dir});
    return write_memberships(files, places, plan->after);
  };
  const auto done = carry_out(files, kSurvivors, plan->work, recovery, options);
  return done ? "" : done.error().text;
}

// Who may start on it has the tree and the file of a membership without the others.
void require_recovered(MemoryFiles& files, const ConvertedMember& member, std::uint64_t digest) {
  const Ending ending = ending_of(files, member);
  EXPECT_EQ(ending.digest, digest);
  EXPECT_EQ(ending.last, Zxid::of(ending.current, 1)) << "it ends with the membership";
  EXPECT_EQ(ending.current % kEpochsAhead, 0U);
  EXPECT_EQ(ending.accepted, ending.current);
  EXPECT_EQ(ending.voted_for, ServerId{});
  const std::string names = fmt::format("{}.dynamic.{:x}", config_of(member), ending.last.value);
  EXPECT_EQ(*files.get(config_of(member)), "tickTime=2000\ndynamicConfigFile=" + names + "\n");
  EXPECT_EQ(files.get(names),
            "server.1=h1:2888:3888:participant;0.0.0.0:2181\n"
            "server.2=h2:2888:3888:participant;0.0.0.0:2181\n");
}

TEST(Recovery, TheSurvivorsBeginAnewAboveEverything) {
  MemoryFiles files;
  fill_survivors(files);
  const std::uint64_t digest = ending_of(files, kSurvivors[1]).digest;
  ASSERT_EQ(recover(files, 7), "");
  for (const ConvertedMember& member : kSurvivors) {
    require_recovered(files, member, digest);
    EXPECT_EQ(ending_of(files, member).current, kEpochsAhead);
    EXPECT_EQ(engine_of(files, member), "zab");
  }
  EXPECT_EQ(files.get("/one/zoo.cfg.bak"), "tickTime=2000\nserver.1=h1:2888:3888\n");
}

TEST(Recovery, CrashedAtAnyOperationItIsRunAgain) {
  MemoryFiles fresh;
  fill_survivors(fresh);
  const std::vector before{ending_of(fresh, kSurvivors[0]), ending_of(fresh, kSurvivors[1])};
  const auto digest = before[1].digest;
  const auto require_safe_start = [&](MemoryFiles& files) {
    for (std::size_t i = 0; i < kSurvivors.size(); ++i) {
      const bool may_start = engine_of(files, kSurvivors[i]) != "converting";
      if (may_start && ending_of(files, kSurvivors[i]) != before[i])
        require_recovered(files, kSurvivors[i], digest);
    }
  };
  const auto require_end = [&](MemoryFiles& files, const std::string& said) {
    EXPECT_TRUE(said.empty() || said.find("nothing to recover") != std::string::npos) << said;
    for (const ConvertedMember& member : kSurvivors) require_recovered(files, member, digest);
    EXPECT_EQ(ending_of(files, kSurvivors[0]), ending_of(files, kSurvivors[1]));
  };
  EXPECT_GT(crash_everywhere(fresh.image(), {recover, require_safe_start, require_end}), 80U);
}

TEST(Recovery, HalfWayNoConversionGoesOn) {
  MemoryFiles files;
  fill_survivors(files);
  Crashes crashes;
  ASSERT_TRUE(crashes.crash(files, 10, [&] { return recover(files, 7); }));
  const auto found = survey_members(files, kSurvivors, {});
  ASSERT_TRUE(found);
  const auto plan =
      plan_conversion(five_servers(), {.to = "raft", .lost = {{3}, {4}, {5}}}, *found);
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().text, testing::HasSubstr("synod recover"));
}

}  // namespace
}  // namespace synod::server
