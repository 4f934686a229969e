#include "storage/log_cut.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "storage/flushed_mark.h"
#include "storage/test_support.h"

namespace synod::storage {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr Zxid zxid(std::uint32_t epoch, std::uint32_t counter) { return Zxid::of(epoch, counter); }

// A server's directory, and the writer that made it: three log files over three epochs, with
// snapshots at 0, 1.4 and 2.2.
struct Server {
  explicit Server(MemoryFiles& on) : files(on) {
    start();
    for (const Zxid at : {Zxid{}, zxid(1, 4), zxid(2, 2)}) put_snapshot(at, at);
    for (const auto& [epoch, counters] : {std::pair{1U, 6U}, {1U, 9U}, {2U, 5U}}) {
      while (history.empty() || history.back() < zxid(epoch, counters)) append_next(epoch);
      write();
      log->roll();
    }
  }
  void start() {
    log.emplace(LogWriter::Options{.log_dir = kDirectory.logs(), .preallocate_bytes = 4096},
                handles);
  }
  void put_snapshot(Zxid name, Zxid content) {
    files.put(kDirectory.snapshots() + "/" + snapshot_name(name, Compression::kNone),
              snapshot_bytes(content));
  }
  void append_next(std::uint32_t epoch) {
    const bool is_first = history.empty() || history.back().epoch() < epoch;
    const Zxid next = is_first ? zxid(epoch, 1) : history.back().next();
    log->append(next, set_data_txn(next));
    history.push_back(next);
  }
  void write() {
    if (!files.perform(log->take_batch())) throw std::runtime_error("the log cannot be written");
    log->note_flushed(history.back());
  }
  // Of the batch that a replica submits.
  Result<FileBatch> cut(Zxid after) {
    auto plan = plan_cut(files, kDirectory, after, handles);
    if (!plan) return std::unexpected(plan.error());
    last = plan->last;
    std::erase_if(history, [&](Zxid entry) { return entry > plan->last; });
    if (plan->batch.empty()) return FileBatch{};
    FileBatch batch = log->end_at(plan->last);
    std::ranges::move(plan->batch, std::back_inserter(batch));
    return batch;
  }

  MemoryFiles& files;
  FileHandleSource handles;
  std::optional<LogWriter> log;
  std::vector<Zxid> history;
  Zxid last;
};

// Entries below the newest snapshot are in the log too, so `recent` is all of it.
std::vector<Zxid> logged(const RecoveryReport& report) {
  std::vector<Zxid> all;
  for (const LoggedEntry& entry : report.recent) all.push_back(entry.zxid);
  return all;
}

RecoveryReport recover_all(MemoryFiles& files) {
  RecordingSink sink;
  // From snapshot.0, so that every record is read.
  auto report = recover(files, kDirectory, {}, sink);
  if (!report) throw std::runtime_error(report.error().text);
  return *std::move(report);
}

// What must hold after a cut or a part of it: the log is a prefix of what it was and reaches the
// cut, and no snapshot goes beyond it.
void expect_prefix(MemoryFiles& files, const std::vector<Zxid>& before, Zxid cut) {
  const RecoveryReport report = recover_all(files);
  EXPECT_GE(report.last_zxid, cut);
  const auto end = std::ranges::upper_bound(before, report.last_zxid);
  const std::vector<Zxid> prefix(before.begin(), end);
  const std::vector<Zxid> now = logged(report);
  ASSERT_LE(now.size(), prefix.size());
  EXPECT_EQ(now.empty(), prefix.empty()) << "the log ends before the snapshot";
  EXPECT_TRUE(std::ranges::equal(now, std::span(prefix).last(now.size())));
  EXPECT_EQ(report.last_zxid, prefix.empty() ? Zxid{} : prefix.back());
  for (const SnapshotFile& file : snapshots_among(*files.list(kDirectory.snapshots()))) {
    EXPECT_LE(file.zxid, report.last_zxid) << "the log lacks what " << file.name << " holds";
  }
  EXPECT_THAT(report.warnings, IsEmpty());
}

class Cut : public testing::TestWithParam<Zxid> {};

std::vector<Zxid> all_places() {
  std::vector<Zxid> places{Zxid{}, zxid(1, 0), zxid(1, 20), zxid(2, 0), zxid(2, 20)};
  for (std::uint32_t i = 1; i <= 9; ++i) places.push_back(zxid(1, i));
  for (std::uint32_t i = 1; i <= 5; ++i) places.push_back(zxid(2, i));
  return places;
}

TEST_P(Cut, EndsTheLogAtTheLastRecordNotAbove) {
  MemoryFiles files;
  Server server(files);
  const std::vector<Zxid> before = server.history;
  const auto batch = server.cut(GetParam());
  ASSERT_TRUE(batch) << batch.error().text;
  ASSERT_TRUE(files.perform(*batch));
  const RecoveryReport report = recover_all(files);
  const auto kept = std::ranges::upper_bound(before, GetParam());
  EXPECT_EQ(report.last_zxid, kept == before.begin() ? Zxid{} : kept[-1]);
  EXPECT_EQ(report.last_zxid, server.last);
  expect_prefix(files, before, GetParam() == Zxid{} ? Zxid{} : server.last);
  EXPECT_EQ(batch->empty(), kept == before.end());
}

TEST_P(Cut, LeavesAPrefixWhereverACrashInterruptsIt) {
  std::vector<Zxid> before;
  Zxid last;
  std::size_t looks = 0;
  crash_everywhere(
      [&](MemoryFiles& files) {
        Server server(files);
        before = server.history;
        FileBatch batch = *server.cut(GetParam());
        last = server.last;
        return batch;
      },
      [&](MemoryFiles& files, std::size_t /*done*/, bool is_over) {
        expect_prefix(files, before, last);
        if (is_over) {
          EXPECT_EQ(recover_all(files).last_zxid, last);
        }
        ++looks;
      });
  EXPECT_GE(looks, 21U);
}

// What comes next may have the very zxids that were cut off, and so a file the same name.
TEST_P(Cut, TheLogGoesOnBehindIt) {
  for (const std::uint32_t epoch : {2U, 3U}) {
    MemoryFiles files;
    Server server(files);
    ASSERT_TRUE(files.perform(*server.cut(GetParam())));
    for (int i = 0; i < 3; ++i) {
      server.append_next(epoch);
      server.write();
    }
    files.power_cut([](std::uint64_t) { return 0; });
    const RecoveryReport report = recover_all(files);
    EXPECT_EQ(report.last_zxid, server.history.back());
    const auto now = logged(report);
    EXPECT_TRUE(std::ranges::equal(now, std::span(server.history).last(now.size())));
  }
}

INSTANTIATE_TEST_SUITE_P(Everywhere, Cut, testing::ValuesIn(all_places()),
                         [](const auto& place) { return "at" + hex(place.param); });

TEST(CutTest, ACutLogIsMarkedAsFlushedUpToThere) {
  MemoryFiles files;
  Server server(files);
  ASSERT_TRUE(files.perform(*server.cut(zxid(1, 8))));
  const std::string newest = kDirectory.logs() + "/" + log_name(zxid(1, 7));
  const FlushedMark mark{
      .log_first_zxid = zxid(1, 7), .offset = files.get(newest)->size(), .last_zxid = zxid(1, 8)};
  EXPECT_EQ(*read_mark(files, kDirectory.logs()), mark);
  files.flip(newest, mark.offset - 1, 1);
  RecordingSink sink;
  EXPECT_THAT(recover(files, kDirectory, {}, sink).error().text, HasSubstr("was damaged since"));
}

TEST(CutTest, WithoutASnapshotThatOldItIsRefused) {
  MemoryFiles files;
  Server server(files);
  const auto at = [&](Zxid snapshot) {
    return kDirectory.snapshots() + "/" + snapshot_name(snapshot, Compression::kNone);
  };
  ASSERT_TRUE(files.perform({op::Remove{at({})}}));
  EXPECT_THAT(plan_cut(files, kDirectory, zxid(1, 3), server.handles).error().text,
              HasSubstr("no snapshot at or below zxid 0x100000003"));
  EXPECT_TRUE(plan_cut(files, kDirectory, zxid(1, 4), server.handles));
  files.flip(at(zxid(1, 4)), 20, 1);
  EXPECT_FALSE(plan_cut(files, kDirectory, zxid(1, 9), server.handles));
  EXPECT_TRUE(plan_cut(files, kDirectory, zxid(2, 3), server.handles));
}

TEST(CutTest, DamageInWhatIsToStayIsRefused) {
  MemoryFiles files;
  Server server(files);
  files.flip(kDirectory.logs() + "/" + log_name(zxid(1, 7)), 50, 1);
  EXPECT_THAT(plan_cut(files, kDirectory, zxid(1, 9), server.handles).error().text,
              HasSubstr("the log cannot be cut"));
  EXPECT_TRUE(plan_cut(files, kDirectory, zxid(1, 5), server.handles)) << "it goes";
}

TEST(CutTest, AMissingFileIsRefused) {
  MemoryFiles files;
  Server server(files);
  ASSERT_TRUE(files.perform({op::Remove{kDirectory.logs() + "/" + log_name(zxid(1, 1))}}));
  EXPECT_THAT(plan_cut(files, kDirectory, zxid(1, 8), server.handles).error().text,
              HasSubstr("goes on with zxid 0x100000007"));
}

// Java goes on while it writes a snapshot: this one is called 1.4 and knows 2.1.
TEST(CutTest, AFuzzySnapshotGoesWhenItsContentIsTooNew) {
  MemoryFiles files;
  Server server(files);
  server.put_snapshot(zxid(1, 4), zxid(2, 1));
  const auto remaining = [&] {
    std::vector<Zxid> zxids;
    for (const auto& file : snapshots_among(*files.list(kDirectory.snapshots()))) {
      zxids.push_back(file.zxid);
    }
    return zxids;
  };
  ASSERT_TRUE(files.perform(*server.cut(zxid(2, 1))));
  EXPECT_THAT(remaining(), testing::ElementsAre(Zxid{}, zxid(1, 4)));
  server.start();
  ASSERT_TRUE(files.perform(*server.cut(zxid(1, 9))));
  EXPECT_THAT(remaining(), testing::ElementsAre(Zxid{}));
  EXPECT_EQ(recover_all(files).last_zxid, zxid(1, 9));
}

// A directory that Java left: no mark, preallocated zeros behind the records.
TEST(CutTest, JavasDirectoriesAreCutAtEveryZxid) {
  std::vector<Zxid> all;
  const auto put = [&](MemoryFiles& files) {
    for (const char* name : {"snapshot.0", "log.1", "snapshot.55", "log.56"}) {
      files.put(kDirectory.logs() + "/" + name, fixture("standalone", name));
    }
  };
  {
    MemoryFiles files;
    put(files);
    all = logged(recover_all(files));
    ASSERT_EQ(all.back(), Zxid{0x63});
  }
  for (std::int64_t at = 0; at <= 0x63; ++at) {
    MemoryFiles files;
    FileHandleSource handles;
    put(files);
    const auto plan = plan_cut(files, kDirectory, {at}, handles);
    ASSERT_TRUE(plan) << plan.error().text;
    EXPECT_EQ(plan->last, Zxid{at});
    ASSERT_TRUE(files.perform(plan->batch));
    RecordingSink sink;
    const auto report = recover(files, kDirectory, {}, sink);
    ASSERT_TRUE(report) << report.error().text;
    EXPECT_EQ(report->last_zxid, Zxid{at});
    EXPECT_EQ(report->snapshot->name, at < 0x55 ? "snapshot.0" : "snapshot.55");
    EXPECT_EQ(sink.txns.size(), static_cast<std::size_t>(at < 0x55 ? at : at - 0x55));
  }
}

}  // namespace
}  // namespace synod::storage
