#include "storage/snapshot_install.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "storage/log_writer.h"
#include "storage/snapshot_writer.h"
#include "storage/test_support.h"

namespace synod::storage {
namespace {

using testing::HasSubstr;

constexpr Zxid kReceived{20};

std::vector<SnapshotSession> one_session(std::int64_t id) {
  return {{.id = {id}, .timeout_ms = 1000}};
}

// Old state: snapshot.0, snapshot.3 and a log of 1 to 9; its one session is 1. The new one is of
// zxid 20 (or what is asked for), and its session is 2.
struct Installation {
  explicit Installation(MemoryFiles& on, Zxid zxid = kReceived,
                        Compression compression = Compression::kNone)
      : files(on),
        log({.log_dir = kDirectory.logs(), .preallocate_bytes = 4096}, handles),
        writer({.directory = kDirectory.snapshots(), .zxid = zxid, .compression = compression},
               handles) {
    for (const std::int64_t old : {0, 3}) put_snapshot(old, 1);
    append_range(log, 1, 5);
    log.roll();
    append_range(log, 6, 9);
    must(log.take_batch());
    log.note_flushed({9});
    writer.begin(one_session(2), {});
    writer.add("", {});
    writer.finish(std::nullopt);
    must(writer.take_batch());
  }
  void put_snapshot(std::int64_t zxid, std::int64_t session) {
    SnapshotEncoder encoder;
    encoder.begin(one_session(session), {});
    encoder.add("", {});
    encoder.finish({});
    files.put(kDirectory.snapshots() + "/" + snapshot_name({zxid}, Compression::kNone),
              encoder.take());
  }
  FileBatch batch() {
    FileBatch all = writer.release();
    std::ranges::move(log.end_at(writer.file().zxid), std::back_inserter(all));
    std::ranges::move(plan_install(files, kDirectory, writer.file(), handles).value(),
                      std::back_inserter(all));
    return all;
  }
  void must(FileBatch batch) {
    const auto done = files.perform(std::move(batch));
    if (!done) throw std::runtime_error(done.error().text);
  }

  MemoryFiles& files;
  FileHandleSource handles;
  LogWriter log;
  SnapshotWriter writer;
};

// "<zxid> from <snapshot> with session <n>"; also that nothing unfinished is left behind.
std::string state_of(MemoryFiles& files) {
  RecordingSink sink;
  const auto report = recover(files, kDirectory, {}, sink);
  if (!report) return report.error().text;
  for (const std::string& path : files.paths()) {
    EXPECT_THAT(path, testing::Not(HasSubstr("unfinished")));
    EXPECT_THAT(path, testing::Not(testing::EndsWith("pendingInstall")));
  }
  sink.sessions.erase(0);
  return hex(report->last_zxid) + " from " + report->snapshot->name + " with session " +
         std::to_string(sink.sessions.begin()->first);
}

const std::string kOld = "9 from snapshot.3 with session 1";
const std::string kNew = "14 from snapshot.14 with session 2";

TEST(Install, ReplacesEverything) {
  MemoryFiles files;
  Installation installation(files);
  installation.must(installation.batch());
  EXPECT_THAT(files.paths(), testing::ElementsAre("/data/version-2/snapshot.14"));
  append_range(installation.log, 21, 23);
  installation.must(installation.log.take_batch());
  files.power_cut([](std::uint64_t) { return 0; });
  EXPECT_EQ(state_of(files), "17 from snapshot.14 with session 2");
}

TEST(Install, ACrashLeavesTheOldStateOrTheNew) {
  for (const Compression compression : {Compression::kNone, Compression::kGzip}) {
    std::map<std::string, int> seen;
    const std::string now =
        compression == Compression::kNone ? kNew : "14 from snapshot.14.gz with session 2";
    crash_everywhere(
        [&](MemoryFiles& files) { return Installation(files, kReceived, compression).batch(); },
        [&](MemoryFiles& files, std::size_t done, bool is_over) {
          const std::string state = state_of(files);
          ++seen[state];
          EXPECT_TRUE(state == now || (state == kOld && !is_over)) << done << ": " << state;
          EXPECT_EQ(state_of(files), state) << "and stays";
        });
    EXPECT_EQ(seen.size(), 2U);
  }
}

// Below what the old log holds, and of the same zxid as a snapshot of the old state.
TEST(Install, NothingOfADivergentHistoryIsReplayed) {
  for (const std::int64_t zxid : {3, 5, 9}) {
    const std::string now = hex({zxid}) + " from snapshot." + hex({zxid}) + " with session 2";
    crash_everywhere([&](MemoryFiles& files) { return Installation(files, {zxid}).batch(); },
                     [&](MemoryFiles& files, std::size_t done, bool is_over) {
                       const std::string state = state_of(files);
                       EXPECT_TRUE(state == now || (state == kOld && !is_over))
                           << done << ": " << state;
                     });
  }
}

// Recovery is interrupted as well, at each operation that finishes the installation.
TEST(Install, FinishingItSurvivesCrashesToo) {
  for (std::size_t first = 1; first <= 30; ++first) {
    for (std::size_t second = 0; second < 16; ++second) {
      MemoryFiles files;
      FileBatch batch = Installation(files).batch();
      if (first >= batch.size()) return;
      files.submit(IoLane::kLog, {1}, std::move(batch));
      for (std::size_t i = 0; i < first; ++i) files.step(IoLane::kLog);
      files.kill();
      std::size_t left = second;
      files.set_fault([&](const FileOp&) -> std::optional<Error> {
        if (left-- > 0) return std::nullopt;
        left = 0;
        return Error{.kind = ErrorKind::kIo, .text = "killed"};
      });
      RecordingSink sink;
      static_cast<void>(recover(files, kDirectory, {}, sink));
      std::mt19937_64 random(first * 100 + second);
      files.power_cut([&](std::uint64_t bound) { return random() % bound; });
      files.set_fault({});
      const std::string state = state_of(files);
      EXPECT_TRUE(state == kNew || state == kOld) << first << ", " << second << ": " << state;
    }
  }
}

// The operations up to the durable intent, and none of what follows.
void interrupt(Installation& installation) {
  FileBatch batch = installation.batch();
  const auto named = std::ranges::find_if(batch, [](const FileOp& op) {
    const auto* rename = std::get_if<op::Rename>(&op);
    return rename != nullptr && rename->to.ends_with("pendingInstall");
  });
  batch.erase(named + 2, batch.end());
  installation.must(std::move(batch));
  installation.files.kill();
}

TEST(Install, AnIntentIsVoidWhenSomebodyElseWentOnMeanwhile) {
  MemoryFiles files;
  Installation installation(files);
  interrupt(installation);
  files.put(kDirectory.logs() + "/log.a", log_bytes(10, 12));
  EXPECT_EQ(state_of(files), "c from snapshot.3 with session 1");
}

TEST(Install, ADamagedIntentIsRefused) {
  MemoryFiles files;
  Installation installation(files);
  interrupt(installation);
  files.flip(kDirectory.snapshots() + "/pendingInstall", 30, 1);
  EXPECT_THAT(state_of(files), HasSubstr("pendingInstall is damaged"));
  EXPECT_TRUE(files.get(kDirectory.snapshots() + "/snapshot.3"));
}

TEST(Install, AnIntentWithoutItsSnapshotIsRefused) {
  MemoryFiles files;
  Installation installation(files);
  interrupt(installation);
  files.put(kDirectory.snapshots() + "/" + unfinished_snapshot_name(kReceived), "ZKSN");
  EXPECT_THAT(state_of(files), HasSubstr("there is no such file"));
}

}  // namespace
}  // namespace synod::storage
