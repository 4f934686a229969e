// What a directory gives after all that can have happened to it.
#include "storage/recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "storage/epoch_files.h"
#include "storage/flushed_mark.h"
#include "storage/snapshot_writer.h"
#include "storage/test_support.h"

namespace synod::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class RecoveryTest : public testing::Test {
 protected:
  void put(const std::string& name, Bytes content) {
    files_.put("/data/version-2/" + name, std::move(content));
  }
  void put_log(std::int64_t first, std::int64_t last) {
    put(log_name({first}), log_bytes(first, last));
  }
  void put_snapshot(std::int64_t zxid) {
    SnapshotEncoder encoder;
    encoder.begin({}, {});
    encoder.add("", {});
    encoder.finish({});
    put(snapshot_name({zxid}, Compression::kNone), encoder.take());
  }
  void put_mark(std::int64_t log, std::uint64_t offset) {
    put(kFlushedMarkName,
        encode_mark({.log_first_zxid = {log}, .offset = offset, .last_zxid = {9}}));
  }
  Bytes get(const std::string& name) { return files_.get("/data/version-2/" + name).value_or("-"); }

  // One line: how it ended.
  std::string recovered(const RecoveryOptions& options = {}) {
    sink_.reset();
    const auto report = recover(files_, directory_, options, sink_);
    if (!report) {
      warnings_.clear();
      return "refused: " + report.error().text;
    }
    warnings_ = report->warnings;
    voted_for_ = report->voted_for();
    promised_ = report->promised_epoch();
    return "zxid " + hex(report->last_zxid) + " from " +
           (report->snapshot ? report->snapshot->name : "nothing") + " replayed " +
           std::to_string(report->txns_replayed);
  }

  MemoryFiles files_;
  DataDirectory directory_ = kDirectory;
  RecordingSink sink_;
  std::vector<std::string> warnings_;
  ServerId voted_for_;
  std::uint32_t promised_ = 0;
};

// ---- Nothing there

TEST_F(RecoveryTest, AnEmptyDirectoryIsMadeAndServed) {
  EXPECT_EQ(recovered(), "zxid 0 from nothing replayed 0");
  EXPECT_TRUE(files_.list("/data/version-2"));
}

TEST_F(RecoveryTest, WithoutAutocreateTheDirectoryMustExist) {
  EXPECT_THAT(recovered({.creates_directories = false}),
              HasSubstr("/data/version-2 does not exist"));
}

TEST_F(RecoveryTest, WithoutAutocreateAnEmptyDatabaseNeedsTheMarker) {
  EXPECT_EQ(recovered({.creates_database = false}),
            "zxid ffffffffffffffff from nothing replayed 0");
  files_.put("/data/initialize", "");
  EXPECT_EQ(recovered({.creates_database = false}), "zxid 0 from nothing replayed 0");
  EXPECT_FALSE(files_.get("/data/initialize"));
}

// ---- Snapshots and logs

TEST_F(RecoveryTest, ReplaysWhatIsBehindTheSnapshot) {
  put_log(1, 5);
  put_log(6, 9);
  put_snapshot(0);
  put_snapshot(7);
  EXPECT_EQ(recovered(), "zxid 9 from snapshot.7 replayed 2");
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(RecoveryTest, ALogFromTheFirstZxidNeedsNoSnapshot) {
  put_log(1, 5);
  EXPECT_EQ(recovered(), "zxid 5 from nothing replayed 5");
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("every transaction from the first")));
}

TEST_F(RecoveryTest, ALaterLogWithoutASnapshotIsRefused) {
  put_log(3, 5);
  EXPECT_THAT(recovered(), HasSubstr("the log begins at zxid 0x3, not at 0x1"));
  EXPECT_EQ(recovered({.trusts_empty_snapshot = true}), "zxid 5 from nothing replayed 3");
}

TEST_F(RecoveryTest, UnloadableSnapshotsArePassedOver) {
  put_log(1, 9);
  put_snapshot(2);
  put_snapshot(7);
  Bytes damaged = get("snapshot.7");
  damaged[20] ^= 1;
  put("snapshot.7", damaged);
  put("snapshot.8", "");
  put("snapshot.9.gz", "\x1F\x8Bxxxxxxxx");
  EXPECT_EQ(recovered(), "zxid 9 from snapshot.2 replayed 7");
  EXPECT_EQ(warnings_.size(), 3U);
}

TEST_F(RecoveryTest, AnUnloadableSnapshotBehindTheLogIsRefused) {
  put_log(1, 9);
  put_snapshot(2);
  put("snapshot.20", "");
  EXPECT_THAT(recovered(), HasSubstr("snapshot.20 cannot be loaded"));
  EXPECT_EQ(recovered({.accepts_gaps = true}), "zxid 9 from snapshot.2 replayed 7");
}

// Java writes snapshot.0 in place: a crash during the first start leaves half of it.
TEST_F(RecoveryTest, HalfOfTheFirstSnapshotAloneIsAFreshStart) {
  put("snapshot.0", "ZKSN");
  EXPECT_EQ(recovered(), "zxid 0 from nothing replayed 0");
}

TEST_F(RecoveryTest, AGapBehindTheSnapshotIsRefused) {
  put_snapshot(2);
  put_log(5, 9);
  EXPECT_THAT(recovered(),
              HasSubstr("log.5 goes on with zxid 0x5, but what comes before it ends at "
                        "0x2 (snapshot.2)"));
  EXPECT_EQ(recovered({.accepts_gaps = true}), "zxid 9 from snapshot.2 replayed 5");
}

TEST_F(RecoveryTest, AGapBetweenFilesIsRefused) {
  put_snapshot(0);
  put_log(1, 3);
  put_log(5, 9);
  EXPECT_THAT(recovered(), HasSubstr("0x3 (the log file before it)"));
}

TEST_F(RecoveryTest, ANewEpochIsNoGap) {
  const Zxid first = Zxid::of(1, 1);
  put_snapshot(0);
  put_log(1, 3);
  put_log(first.value, first.value + 4);
  EXPECT_EQ(recovered(), "zxid 100000005 from snapshot.0 replayed 8");
  put_log(Zxid::of(2, 7).value, Zxid::of(2, 9).value);
  EXPECT_THAT(recovered(), HasSubstr("goes on with zxid 0x200000007"));
}

// A number Java spent on a request that it then could not encode.
TEST_F(RecoveryTest, AGapInsideAFileIsSaid) {
  put_snapshot(0);
  put("log.1", log_bytes(1, 3) + log_bytes(5, 9).substr(16));
  EXPECT_EQ(recovered(), "zxid 9 from snapshot.0 replayed 8");
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("zxid 0x5 follows 0x3")));
}

// As a Java follower leaves it that lost its leader while it got in step, here even in the middle
// of the repetition.
TEST_F(RecoveryTest, WhatIsThereTwiceIsAppliedOnce) {
  put_snapshot(0);
  const auto run = [](std::int64_t first, std::int64_t last) {
    return log_bytes(first, last).substr(16);
  };
  put("log.1", log_bytes(1, 5) + run(1, 1) + run(1, 8) + run(1, 3));
  EXPECT_EQ(recovered(), "zxid 8 from snapshot.0 replayed 8");
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("zxid 0x1 follows 0x5; it is there twice")));
}

TEST_F(RecoveryTest, FilesInTheWrongDirectoryAreRefused) {
  directory_.data_log_dir = "/logs";
  put_log(1, 3);
  EXPECT_THAT(recovered(), HasSubstr("/data/version-2/log.1 is a transaction log"));
  ASSERT_TRUE(files_.perform({op::Remove{"/data/version-2/log.1"}}));
  files_.put("/logs/version-2/snapshot.0", "");
  EXPECT_THAT(recovered(), HasSubstr("/logs/version-2/snapshot.0 is a snapshot"));
}

TEST_F(RecoveryTest, UnfinishedSnapshotsAreRemoved) {
  put(unfinished_snapshot_name({7}), "ZKSN");
  recovered();
  EXPECT_TRUE(files_.list("/data/version-2")->empty());
}

// ---- The log's end: what a crash may leave, and what it may not

TEST_F(RecoveryTest, ATornTailIsCutAndSaid) {
  put_snapshot(0);
  const Bytes whole = log_bytes(1, 9);
  put("log.1", whole + log_bytes(10, 10).substr(16, 40) + Bytes(1000, '\0'));
  EXPECT_EQ(recovered(), "zxid 9 from snapshot.0 replayed 9");
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("log.1, offset " + std::to_string(whole.size()))));
  EXPECT_EQ(get("log.1"), whole);
  EXPECT_EQ(recovered(), "zxid 9 from snapshot.0 replayed 9");
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(RecoveryTest, ATornTailContinuedInTheNextFileIsJavas) {
  put_snapshot(0);
  put("log.1", log_bytes(1, 9) + log_bytes(10, 10).substr(16, 40));
  put_log(10, 12);
  EXPECT_EQ(recovered(), "zxid c from snapshot.0 replayed 12");
  EXPECT_EQ(warnings_.size(), 1U);
  put("log.1", log_bytes(1, 8) + log_bytes(9, 9).substr(16, 40));
  EXPECT_THAT(recovered(), HasSubstr("log.a goes on with zxid 0xa"));
}

// The next file opens an epoch, so its first zxid does not tell that one is missing.
TEST_F(RecoveryTest, ADamagedLengthAtTheEndOfAnEpochIsNoTornTail) {
  put_snapshot(0);
  const Zxid next_epoch = Zxid::of(1, 1);
  put_log(next_epoch.value, next_epoch.value + 4);
  for (const std::size_t record : {7U, 8U}) {
    Bytes flipped = log_bytes(1, 9);
    flipped[log_bytes(1, static_cast<std::int64_t>(record)).size() + 9] ^= 1;
    put("log.1", flipped);
    EXPECT_THAT(recovered(), HasSubstr("is not complete, but it was once")) << record;
  }
}

TEST_F(RecoveryTest, EmptyNewestLogsAreRemoved) {
  put_snapshot(0);
  put_log(1, 9);
  put("log.a", "");
  EXPECT_EQ(recovered(), "zxid 9 from snapshot.0 replayed 9");
  EXPECT_EQ(get("log.a"), "-");
  put("log.a", "ZKLG");
  EXPECT_EQ(recovered(), "zxid 9 from snapshot.0 replayed 9");
  put("log.a", log_bytes(10, 10).substr(0, 50));
  EXPECT_EQ(recovered(), "zxid 9 from snapshot.0 replayed 9");
  EXPECT_EQ(get("log.a"), "-");
}

TEST_F(RecoveryTest, WithoutAMarkDamageIsRefused) {
  put_snapshot(0);
  const std::size_t at = log_bytes(1, 5).size();
  Bytes flipped = log_bytes(1, 9);
  flipped[at + 30] ^= 1;  // the body: its checksum tells
  put("log.1", flipped);
  EXPECT_THAT(recovered(),
              HasSubstr("log.1, offset " + std::to_string(at) + ": a record does not"));
  Bytes no_end = log_bytes(1, 9);
  no_end[log_bytes(1, 6).size() - 1] = 'x';  // looks torn, but whole records follow
  put("log.1", no_end);
  EXPECT_THAT(recovered(), HasSubstr("a record is damaged"));
  EXPECT_EQ(get("log.1"), no_end) << "nothing is cut when refused";
}

TEST_F(RecoveryTest, BelowTheMarkDamageIsRefusedAboveItCut) {
  put_snapshot(0);
  const std::size_t at = log_bytes(1, 5).size();
  for (const std::size_t flip : {at + 8, at + 9, at + 11, at + 30, log_bytes(1, 6).size() - 1}) {
    Bytes flipped = log_bytes(1, 9);
    flipped[flip] ^= '\x81';
    put("log.1", flipped);
    put_mark(1, at + 1);
    EXPECT_THAT(recovered(), HasSubstr("offset " + std::to_string(at) + ": ")) << flip;
    EXPECT_EQ(get("log.1"), flipped);
    put_mark(1, at);
    EXPECT_EQ(recovered(), "zxid 5 from snapshot.0 replayed 5") << flip;
    EXPECT_EQ(warnings_.size(), 1U);
    EXPECT_EQ(get("log.1"), log_bytes(1, 5));
  }
}

TEST_F(RecoveryTest, ATailLostBelowTheMarkIsRefused) {
  put_snapshot(0);
  put_log(1, 5);
  put_mark(1, log_bytes(1, 6).size());
  EXPECT_THAT(recovered(), HasSubstr("the records end, though"));
  put("log.1", "ZKLG");
  EXPECT_THAT(recovered(), HasSubstr("log.1 has 4 bytes left, though"));
}

TEST_F(RecoveryTest, TheMarkOfAnotherLogSaysNothing) {
  put_snapshot(0);
  put_log(1, 5);
  put_mark(1, 16);
  Bytes flipped = log_bytes(6, 9);
  flipped[40] ^= 1;
  put("log.6", flipped);
  EXPECT_THAT(recovered(), HasSubstr("log.6, offset 16: a record does not match"));
}

TEST_F(RecoveryTest, ARecordThatIsNoTransactionIsRefused) {
  put_snapshot(0);
  put_mark(1, 0);
  FileHandleSource handles;
  LogWriter log({.log_dir = "/data/version-2", .preallocate_bytes = 0}, handles);
  log.append({1}, Bytes(40, '\x55'));
  ASSERT_TRUE(files_.perform(log.take_batch()));
  files_.kill();
  EXPECT_THAT(recovered(), HasSubstr("log.1, offset 16: "));
}

// ---- Epochs

TEST_F(RecoveryTest, EpochsBehindTheLogAreRaised) {
  put_snapshot(Zxid::of(3, 9).value);
  EXPECT_EQ(get(kCurrentEpochName), "-");
  recovered();
  EXPECT_EQ(get(kCurrentEpochName), "-") << "a server of its own has none";
  put(kCurrentEpochName, "2");
  put(kAcceptedEpochName, "2\n");
  recovered();
  EXPECT_EQ(warnings_.size(), 2U);
  EXPECT_EQ(get(kCurrentEpochName), "3");
  EXPECT_EQ(get(kAcceptedEpochName), "3");
  put(kCurrentEpochName, "");
  recovered();
  EXPECT_EQ(get(kCurrentEpochName), "3");
  put(kAcceptedEpochName, "x");
  EXPECT_THAT(recovered(), HasSubstr("acceptedEpoch holds no epoch"));
}

TEST_F(RecoveryTest, AVoteCountsInItsEpochOnly) {
  put_snapshot(Zxid::of(3, 9).value);
  put(kCurrentEpochName, "3");
  put(kAcceptedEpochName, "4");
  recovered();
  EXPECT_EQ(voted_for_, ServerId{});
  put(kVotedForName, "4 2");
  recovered();
  EXPECT_EQ(voted_for_, ServerId{2});
  put(kVotedForName, "5 2");
  recovered();
  EXPECT_EQ(voted_for_, ServerId{2});
  EXPECT_EQ(promised_, 5U) << "a crash came before acceptedEpoch was written";
  put(kVotedForName, "3 2");
  recovered();
  EXPECT_EQ(voted_for_, ServerId{}) << "that epoch is over";
  EXPECT_EQ(promised_, 4U);
  put(kVotedForName, "4");
  EXPECT_THAT(recovered(), HasSubstr("votedFor holds no vote"));
}

// ---- Memory: may this directory be less than what its server promised?

class MemoryTest : public RecoveryTest {
 protected:
  // Whether there is memory, and the epochs: promised, synchronised.
  std::string memory(bool is_member = true) {
    sink_.reset();
    const auto report = recover(files_, directory_, {.is_member = is_member}, sink_);
    if (!report) return report.error().text;
    return (report->has_memory ? "yes " : "no ") + std::to_string(report->promised_epoch()) + " " +
           std::to_string(report->synchronised_epoch());
  }
};

TEST_F(MemoryTest, AnEmptyDirectoryHasNone) {
  EXPECT_EQ(memory(), "no 0 0");
  put_snapshot(0);  // as every server writes one at its first start
  EXPECT_EQ(memory(), "no 0 0");
}

TEST_F(MemoryTest, TheMarkerIsHonouredOnce) {
  files_.put("/data/initialize", "");
  EXPECT_EQ(memory(), "yes 0 0");
  EXPECT_FALSE(files_.get("/data/initialize"));
  EXPECT_EQ(memory(), "yes 0 0") << "a crash does not undo it";
  for (const std::string& path : files_.paths()) EXPECT_TRUE(files_.perform({op::Remove{path}}));
  EXPECT_EQ(memory(), "no 0 0");
}

TEST_F(MemoryTest, EpochsOfZeroAreMemory) {
  put(kAcceptedEpochName, "0");
  put(kCurrentEpochName, "0");
  EXPECT_EQ(memory(), "yes 0 0");
}

TEST_F(MemoryTest, AServerThatWasOnItsOwnHasItsTransactions) {
  put_snapshot(0);
  const Zxid first = Zxid::of(2, 1);
  put_log(first.value, first.value + 2);
  EXPECT_EQ(memory(), "yes 2 2");
}

// Wiped; then it promised epoch 5, and got the leader's snapshot, but was not synchronised.
TEST_F(MemoryTest, APromiseAloneIsNone) {
  put(kAcceptedEpochName, "5");
  EXPECT_EQ(memory(), "no 5 0");
  put_snapshot(Zxid::of(4, 9).value);
  EXPECT_EQ(memory(), "no 5 0");
  put(kCurrentEpochName, "5");
  EXPECT_EQ(memory(), "yes 5 5");
}

TEST_F(MemoryTest, AnUnreadableCurrentEpochIsNone) {
  put_snapshot(Zxid::of(4, 9).value);
  put(kAcceptedEpochName, "6");
  put(kCurrentEpochName, "");
  EXPECT_EQ(memory(), "no 6 0");
  EXPECT_EQ(memory(), "no 6 0") << "nor after the next start";
}

// What a crash leaves of a write is whole sectors; what rot leaves is not.
TEST_F(MemoryTest, ATailThatIsDamagedRatherThanUnfinishedIsNone) {
  const std::size_t at = log_bytes(1, 5).size();
  for (std::size_t flip = 0; flip < log_bytes(1, 9).size(); ++flip) {
    if (flip >= 8 && flip < 16) continue;  // the database id
    Bytes flipped = log_bytes(1, 9);
    flipped[flip] ^= '\x10';
    put_snapshot(0);
    put(kCurrentEpochName, "3");
    put(kAcceptedEpochName, "4");
    put("log.1", flipped);
    put_mark(1, 0);
    EXPECT_EQ(memory(), "no 4 0") << flip;
    EXPECT_EQ(memory(), "no 4 0") << "nor after the next start";
  }
  for (std::size_t length = at; length < log_bytes(1, 9).size(); ++length) {
    Bytes torn = log_bytes(1, 9).substr(0, length - length % 512);
    torn.resize(std::max(torn.size(), at));
    for (const std::size_t rest : {0, 100, 5000}) {
      put(kCurrentEpochName, "3");
      put("log.1", torn + Bytes(rest, '\0'));
      put_mark(1, 0);
      EXPECT_EQ(memory(), "yes 4 3") << length << " and " << rest;
    }
  }
}

// ---- The last entries

TEST_F(RecoveryTest, TheLastEntriesReachBelowTheSnapshot) {
  put_snapshot(0);
  put_snapshot(7);
  put_log(1, 9);
  const auto recent = [&](std::size_t entries, std::size_t bytes) {
    RecordingSink sink;
    return zxids(
        recover(files_, directory_, {.recent_max = entries, .recent_bytes_max = bytes}, sink)
            ->recent);
  };
  EXPECT_EQ(recent(500, 1 << 20), "1 2 3 4 5 6 7 8 9");
  EXPECT_EQ(recent(4, 1 << 20), "6 7 8 9");
  EXPECT_EQ(recent(500, 2 * set_data_txn({9}).size()), "8 9");
  put_log(Zxid::of(1, 1).value, Zxid::of(1, 2).value);
  EXPECT_EQ(recent(4, 1 << 20), "8 9 100000001 100000002");
  put_snapshot(Zxid::of(1, 3).value);
  EXPECT_EQ(recent(4, 1 << 20), "") << "the log does not end with the last zxid";
}

TEST_F(RecoveryTest, TheLastEntriesHaveNoGap) {
  put_snapshot(0);
  put("log.1", log_bytes(1, 3) + log_bytes(5, 9).substr(16));
  RecordingSink sink;
  EXPECT_EQ(zxids(recover(files_, directory_, {}, sink)->recent), "5 6 7 8 9");
}

TEST_F(RecoveryTest, ProgressReachesTheTotal) {
  put_snapshot(2);
  put_log(1, 9);
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  RecoveryOptions options;
  options.progress = [&](std::uint64_t done_bytes, std::uint64_t total_bytes) {
    EXPECT_GE(done_bytes, done);
    done = done_bytes;
    total = total_bytes;
  };
  recovered(options);
  EXPECT_EQ(done, get("snapshot.2").size() + get("log.1").size());
  EXPECT_EQ(done, total);
}

// ---- Kills and power cuts, at any operation, again and again on the same directory

struct PowerCutRun {
  std::int64_t acknowledged = 0;
  std::int64_t recovered = 0;
  std::string error;
};

PowerCutRun power_cut_run(std::uint64_t seed, bool is_flushing) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t bound) { return random() % bound; };
  MemoryFiles files;
  PowerCutRun run;
  for (int round = 0; round < 6 && run.error.empty(); ++round) {
    RecordingSink sink;
    const auto report = recover(files, kDirectory, {.is_member = true}, sink);
    if (!report) {
      run.error = report.error().text;
      break;
    }
    if (report->last_zxid > Zxid{} && !report->has_memory) run.error = "a crash is not damage";
    run.recovered = report->last_zxid.value;
    for (const RecordedTxn& txn : sink.txns) {
      const std::size_t data_bytes = txn.body.size() - set_data_txn({}, 0).size();
      if (txn.body != set_data_txn(txn.zxid, data_bytes)) run.error = "invented";
    }
    if (run.recovered < run.acknowledged) run.error = "lost";
    run.acknowledged = run.recovered;  // a client may have read it by now

    FileHandleSource handles;
    LogWriter log({.log_dir = kDirectory.logs(),
                   .preallocate_bytes = below(2) * 8192,
                   .size_limit_bytes = 20000,
                   .is_flushing = is_flushing,
                   .mark_every_records = 5},
                  handles);
    std::int64_t zxid = run.recovered;
    for (std::uint64_t batches = below(20); batches > 0; --batches) {
      for (std::uint64_t records = 1 + below(6); records > 0; --records) {
        ++zxid;
        log.append({zxid}, set_data_txn({zxid}, 10 + below(3000)));
      }
      if (below(10) == 0) log.roll();
      files.submit(IoLane::kLog, {}, log.take_batch());
      if (below(3) != 0 && batches > 1) {
        while (files.run(IoLane::kLog)) {
        }
        log.note_flushed({zxid});
        run.acknowledged = zxid;
      }
    }
    for (std::uint64_t steps = below(30); steps > 0; --steps) files.step(IoLane::kLog);
    if (below(2) == 0)
      files.kill();  // and what it left is served, and built upon
    else
      files.power_cut(below);
  }
  return run;
}

TEST(PowerCut, LosesNothingAcknowledgedAndInventsNothing) {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const PowerCutRun run = power_cut_run(seed, true);
    ASSERT_EQ(run.error, "") << "seed " << seed;
  }
}

TEST(PowerCut, WithoutFlushingAcknowledgedWritesAreLost) {
  int losses = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    losses += power_cut_run(seed, false).error.empty() ? 0 : 1;
  }
  EXPECT_GT(losses, 50);
}

}  // namespace
}  // namespace synod::storage
