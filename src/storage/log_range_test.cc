#include "storage/log_range.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/log_format.h"
#include "storage/test_support.h"

namespace synod::storage {
namespace {

using testing::HasSubstr;

constexpr Zxid zxid(std::uint32_t epoch, std::uint32_t counter) { return Zxid::of(epoch, counter); }

// Logs 1.3 to 1.6, 1.7 to 2.2 and 2.3 to 2.5, the newest still open and preallocated.
class LogRangeTest : public testing::Test {
 protected:
  LogRangeTest() : log_({.log_dir = kDirectory.logs(), .preallocate_bytes = 8192}, handles_) {
    files_.put(kDirectory.snapshots() + "/snapshot.100000002", snapshot_bytes());
    append(1, 3, 6);
    log_.roll();
    append(1, 7, 9);
    append(2, 1, 2);
    log_.roll();
    append(2, 3, 5);
    EXPECT_TRUE(files_.perform(log_.take_batch()));
  }
  void append(std::uint32_t epoch, std::uint32_t first, std::uint32_t last) {
    for (std::uint32_t i = first; i <= last; ++i) {
      log_.append(zxid(epoch, i), set_data_txn(zxid(epoch, i), 100 * i));
      all_.push_back(zxid(epoch, i));
    }
  }
  LogRange::Options options(std::size_t chunk_bytes) {
    return {.chunk_bytes = chunk_bytes, .snapshot_size_factor = 0};
  }
  // The zxids read, or why not.
  std::string read(Zxid after, Zxid up_to, LogRange::Options with) {
    auto range = LogRange::open(kDirectory, *survey_log(files_, kDirectory), after, up_to, with);
    if (!range) return "not there";
    std::vector<LoggedEntry> read;
    while (!range->is_done()) {
      files_.submit(IoLane::kBackground, {1}, range->take_batch());
      if (before_read_) before_read_(read.size());
      const auto entries = range->completed(files_.run(IoLane::kBackground)->result);
      if (!entries) return zxids(read) + " then " + entries.error().text;
      for (const LoggedEntry& entry : *entries) {
        EXPECT_EQ(*entry.bytes, set_data_txn(entry.zxid, 100 * entry.zxid.counter()));
        read.push_back(entry);
      }
    }
    end_ = range->end();
    return zxids(read);
  }
  std::string expected(Zxid after, Zxid up_to) {
    std::vector<LoggedEntry> entries;
    for (const Zxid each : all_) {
      if (each > after && each <= up_to) entries.push_back({each, nullptr});
    }
    return zxids(entries);
  }
  std::string path(Zxid first) { return kDirectory.logs() + "/" + log_name(first); }

  MemoryFiles files_;
  FileHandleSource handles_;
  LogWriter log_;
  std::vector<Zxid> all_;
  LogMark end_;  // of the range that was read last
  std::function<void(std::size_t)> before_read_;
};

TEST_F(LogRangeTest, EveryRangeIsReadInChunksOfAnySize) {
  for (const std::size_t chunk_bytes : {16U, 100U, 1000U, 1U << 20}) {
    for (const Zxid after : all_) {
      for (const Zxid up_to : all_) {
        if (up_to <= after) continue;
        EXPECT_EQ(read(after, up_to, options(chunk_bytes)), expected(after, up_to));
      }
    }
  }
}

TEST_F(LogRangeTest, EveryRangeIsReadFromEveryMarkBeforeIt) {
  for (const std::size_t chunk_bytes : {16U, 1000U}) {
    for (const Zxid marked : all_) {
      if (marked == all_.front()) continue;
      ASSERT_EQ(read(all_.front(), marked, options(1000)), expected(all_.front(), marked));
      LogRange::Options with = options(chunk_bytes);
      with.mark = end_;
      for (const Zxid after : all_) {
        if (after == all_.back()) continue;
        EXPECT_EQ(read(after, all_.back(), with), expected(after, all_.back()));
      }
    }
  }
}

// A Java follower may have logged them twice: see recovery.
TEST_F(LogRangeTest, WhatIsThereTwiceIsReadOnce) {
  const std::string newest = path(zxid(2, 3));
  const auto run = [&](std::uint32_t last) {
    MemoryFiles files;
    LogWriter log({.log_dir = kDirectory.logs(), .preallocate_bytes = 0}, handles_);
    for (std::uint32_t i = 3; i <= last; ++i)
      log.append(zxid(2, i), set_data_txn(zxid(2, i), 100 * i));
    EXPECT_TRUE(files.perform({op::MakeDirectory{kDirectory.logs()}}));
    EXPECT_TRUE(files.perform(log.take_batch()));
    return files.get(newest).value_or("");
  };
  files_.put(newest, run(5) + run(3).substr(kLogHeader.size()) + run(7).substr(kLogHeader.size()));
  for (const std::uint32_t counter : {6U, 7U}) all_.push_back(zxid(2, counter));
  for (const Zxid after : all_) {
    if (after == all_.back()) break;
    EXPECT_EQ(read(after, all_.back(), options(100)), expected(after, all_.back()));
  }
}

TEST_F(LogRangeTest, AMarkWhereAnotherRecordIsNowIsNotBelieved) {
  ASSERT_EQ(read(all_.front(), zxid(2, 5), options(1000)), expected(all_.front(), zxid(2, 5)));
  LogRange::Options with = options(1000);
  with.mark = LogMark{zxid(2, 4), end_.file, end_.offset};
  EXPECT_THAT(read(zxid(2, 4), zxid(2, 5), with), HasSubstr("is not where it was"));
  with.mark->offset += 1;
  EXPECT_THAT(read(zxid(2, 4), zxid(2, 5), with), HasSubstr("cannot be read from there"));
  with.mark->offset = 1 << 20;  // cut off since
  EXPECT_THAT(read(zxid(2, 4), zxid(2, 5), with), HasSubstr("cannot be read from there"));
}

TEST_F(LogRangeTest, ThePredecessorOfTheOldestRecordWillDo) {
  EXPECT_EQ(survey_log(files_, kDirectory)->oldest(), zxid(1, 2));
  EXPECT_EQ(read(zxid(1, 2), zxid(2, 5), options(1000)), expected({}, zxid(2, 5)));
  EXPECT_EQ(read(zxid(1, 1), zxid(2, 5), options(1000)), "not there");
}

TEST_F(LogRangeTest, WhoHasNothingGetsALogThatNothingCameBefore) {
  EXPECT_EQ(read({}, zxid(2, 5), options(1000)), "not there");
  files_.put(kDirectory.snapshots() + "/snapshot.0", snapshot_bytes());
  EXPECT_EQ(read({}, zxid(2, 5), options(1000)), "not there") << "a tree came before its records";
  // Without that tree it is found out in the reading.
  ASSERT_TRUE(files_.perform({op::Remove{kDirectory.snapshots() + "/snapshot.100000002"}}));
  EXPECT_THAT(read({}, zxid(2, 5), options(1000)), HasSubstr("0x100000003 follows 0x0"));
  ASSERT_TRUE(files_.perform({op::Remove{path(zxid(1, 3))}, op::Remove{path(zxid(1, 7))}}));
  EXPECT_THAT(read({}, zxid(2, 5), options(1000)), HasSubstr("0x200000003 follows 0x0"));
}

TEST(LogRangeFromTheBeginning, IsReadWhole) {
  MemoryFiles files;
  FileHandleSource handles;
  LogWriter log({.log_dir = kDirectory.logs(), .preallocate_bytes = 8192}, handles);
  files.put(kDirectory.snapshots() + "/snapshot.0", snapshot_bytes());
  for (std::uint32_t i = 1; i <= 3; ++i) log.append(zxid(1, i), set_data_txn(zxid(1, i), i));
  ASSERT_TRUE(files.perform(log.take_batch()));
  auto range = LogRange::open(kDirectory, *survey_log(files, kDirectory), {}, zxid(1, 3),
                              {.snapshot_size_factor = 0});
  ASSERT_TRUE(range);
  files.submit(IoLane::kBackground, {1}, range->take_batch());
  const auto entries = range->completed(files.run(IoLane::kBackground)->result);
  ASSERT_TRUE(entries);
  EXPECT_EQ(zxids(*entries), "100000001 100000002 100000003");
}

// A Java leader that wrote nothing in epoch 2 leaves its followers at 2.0.
TEST_F(LogRangeTest, TheBeginningOfAnEpochWillDo) {
  EXPECT_EQ(read(zxid(2, 0), zxid(2, 5), options(1000)), expected(zxid(1, 9), zxid(2, 5)));
}

TEST_F(LogRangeTest, WhoEndsWithAnEntryThatIsNotInTheLogGetsNothing) {
  EXPECT_THAT(read(zxid(1, 12), zxid(2, 5), options(1000)),
              HasSubstr("zxid 0x10000000c is not in the log"));
}

TEST_F(LogRangeTest, NothingIsReadBeyondTheEnd) {
  EXPECT_THAT(read(zxid(2, 3), zxid(2, 9), options(1000)), HasSubstr("the log ends before"));
  EXPECT_THAT(read(zxid(1, 5), zxid(1, 20), options(1000)),
              HasSubstr("0x200000001 follows 0x100000009"));
}

TEST_F(LogRangeTest, APurgedFileIsSaid) {
  before_read_ = [&](std::size_t read) {
    if (read < 2) return;
    EXPECT_TRUE(files_.perform({op::Remove{path(zxid(1, 7))}}));
  };
  EXPECT_THAT(read(zxid(1, 3), zxid(2, 5), options(1 << 20)),
              testing::AllOf(testing::StartsWith("100000004 100000005 100000006 then "),
                             HasSubstr("no such file")));
}

TEST_F(LogRangeTest, DamageIsSaidAndNeverServed) {
  const std::size_t records_end = files_.get(path(zxid(1, 7)))->find_last_not_of('\0') + 1;
  for (std::size_t at = 0; at < records_end; ++at) {
    const bool is_database_id = at >= 8 && at < 16;  // nobody looks at it
    ASSERT_TRUE(files_.flip(path(zxid(1, 7)), at, '\x21'));
    const std::string got = read(zxid(1, 6), zxid(2, 5), options(1 << 20));
    EXPECT_NE(got == expected(zxid(1, 6), zxid(2, 5)), got.contains(" then ")) << at;
    EXPECT_EQ(got.contains(" then "), !is_database_id) << at << ": " << got;
    ASSERT_TRUE(files_.flip(path(zxid(1, 7)), at, '\x21'));
  }
}

TEST_F(LogRangeTest, ATornTailThatTheNextFileContinuesIsPassed) {
  Bytes torn = *files_.get(path(zxid(1, 3)));
  const std::size_t end = torn.find_last_not_of('\0') + 1;
  torn.resize(end);
  files_.put(path(zxid(1, 3)), torn + torn.substr(16, 40));
  EXPECT_EQ(read(zxid(1, 4), zxid(1, 8), options(1 << 20)), expected(zxid(1, 4), zxid(1, 8)));
}

TEST_F(LogRangeTest, ALogMuchLargerThanTheSnapshotIsNotWorthIt) {
  const LogReach reach = *survey_log(files_, kDirectory);
  EXPECT_EQ(reach.bytes_behind(zxid(2, 3)), 0U);
  EXPECT_EQ(reach.bytes_behind(zxid(1, 8)), reach.logs[2].size);
  EXPECT_EQ(reach.bytes_behind(zxid(1, 2)),
            reach.logs[0].size + reach.logs[1].size + reach.logs[2].size);
  const auto is_read = [&](Zxid after, double factor) {
    return LogRange::open(kDirectory, reach, after, zxid(2, 5), {.snapshot_size_factor = factor})
        .has_value();
  };
  EXPECT_TRUE(is_read(zxid(2, 4), 0.33)) << "nothing lies behind its file";
  EXPECT_FALSE(is_read(zxid(1, 8), 0.33));
  EXPECT_TRUE(is_read(zxid(1, 8), 1e6));
  EXPECT_TRUE(is_read(zxid(1, 8), 0));
  EXPECT_FALSE(is_read(zxid(2, 4), -1));
}

// The writer goes on while the range is read.
TEST_F(LogRangeTest, WhatIsAppendedMeanwhileDoesNotDisturb) {
  before_read_ = [&](std::size_t) {
    append(2, all_.back().counter() + 1, all_.back().counter() + 1);
    EXPECT_TRUE(files_.perform(log_.take_batch()));
  };
  EXPECT_EQ(read(zxid(1, 3), zxid(2, 5), options(100)), expected(zxid(1, 3), zxid(2, 5)));
}

}  // namespace
}  // namespace synod::storage
