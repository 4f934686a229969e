// The log's writer and reader, and the mark beside it.
#include <gtest/gtest.h>

#include "storage/flushed_mark.h"
#include "storage/log_format.h"
#include "storage/log_reader.h"
#include "storage/test_support.h"

namespace synod::storage {
namespace {

constexpr char kLogs[] = "/data/version-2";

class Log : public testing::Test {
 protected:
  Log() { EXPECT_TRUE(files_.perform({op::MakeDirectory{kLogs}})); }

  LogWriter writer(LogWriter::Options options = {.preallocate_bytes = 0}) {
    options.log_dir = kLogs;
    return {options, handles_};
  }
  void write(LogWriter& log, std::int64_t first, std::int64_t last) {
    append_range(log, first, last);
    ASSERT_TRUE(files_.perform(log.take_batch()));
    log.note_flushed({last});
  }
  std::vector<std::string> names() {
    std::vector<std::string> names;
    const auto entries = files_.list(kLogs);
    for (const DirectoryEntry& entry : *entries) names.push_back(entry.name);
    return names;
  }
  std::optional<FlushedMark> mark() { return *read_mark(files_, kLogs); }

  MemoryFiles files_;
  FileHandleSource handles_;
};

TEST_F(Log, ABatchIsOneWriteAndOneFlush) {
  LogWriter log = writer();
  write(log, 1, 1);
  append_range(log, 2, 100);
  EXPECT_TRUE(log.has_pending());
  const FileBatch batch = log.take_batch();
  ASSERT_EQ(batch.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<op::Write>(batch[0]));
  EXPECT_TRUE(std::holds_alternative<op::Flush>(batch[1]));
  EXPECT_TRUE(log.take_batch().empty());
}

TEST_F(Log, TheMarkIsDurableBeforeItsLogExists) {
  LogWriter log = writer();
  append_range(log, 1, 1);
  std::vector<std::size_t> kinds;
  for (const FileOp& op : log.take_batch()) kinds.push_back(op.index());
  const auto index_of = []<class T>(const T&) { return FileOp(T{}).index(); };
  const std::vector<std::size_t> expected{
      index_of(op::Create{}),        index_of(op::Write{}),          index_of(op::Flush{}),
      index_of(op::Rename{}),        index_of(op::FlushDirectory{}),  // the mark; now the log:
      index_of(op::Create{}),        index_of(op::Write{}),          index_of(op::Flush{}),
      index_of(op::FlushDirectory{})};
  EXPECT_EQ(kinds, expected);
}

TEST_F(Log, WithoutFlushingNoRecordIsFlushed) {
  LogWriter log = writer({.preallocate_bytes = 0, .is_flushing = false});
  write(log, 1, 1);
  append_range(log, 2, 2);
  EXPECT_EQ(log.take_batch().size(), 1U);
}

TEST_F(Log, RollsOnDemandAndBySize) {
  LogWriter log = writer({.preallocate_bytes = 0, .size_limit_bytes = 300});
  write(log, 1, 2);
  EXPECT_GT(log.bytes_in_file(), 16U);
  log.roll();
  EXPECT_EQ(log.bytes_in_file(), 0U);
  write(log, 3, 10);  // beyond the limit
  write(log, 11, 11);
  EXPECT_EQ(names(), (std::vector<std::string>{"flushedMark", "log.1", "log.3", "log.b"}));
}

TEST_F(Log, TwoFilesInOneBatch) {
  LogWriter log = writer();
  append_range(log, 1, 2);
  log.roll();
  append_range(log, 3, 4);
  ASSERT_TRUE(files_.perform(log.take_batch()));
  EXPECT_EQ(*files_.get("/data/version-2/log.1"), log_bytes(1, 2));
  EXPECT_EQ(*files_.get("/data/version-2/log.3"), log_bytes(3, 4));
}

TEST(LogFormat, SizesGrowAsJavaMakesThem) {
  constexpr std::uint64_t kKib = 1024;
  EXPECT_EQ(padded_size(16, 16, 0), 16U);
  EXPECT_EQ(padded_size(16, 16, 16 * kKib), 16400U);
  EXPECT_EQ(padded_size(16400 - 4097, 16400, 16 * kKib), 16400U);
  EXPECT_EQ(padded_size(16400 - 4096, 16400, 16 * kKib), 16400U + 16 * kKib);
  EXPECT_EQ(padded_size(100 * kKib, 16400, 16 * kKib), 112 * kKib);
}

TEST_F(Log, TheMarkFollowsLazilyAndAtACleanStop) {
  LogWriter log = writer({.preallocate_bytes = 0, .mark_every_records = 10});
  write(log, 1, 9);
  EXPECT_EQ(mark()->offset, 0U);
  write(log, 10, 10);
  const std::uint64_t flushed = log.bytes_in_file();
  EXPECT_EQ(mark()->offset, 0U) << "the tenth record was not known flushed yet";
  write(log, 11, 11);
  EXPECT_EQ(mark(), (FlushedMark{.log_first_zxid = {1}, .offset = flushed, .last_zxid = {10}}));
  const std::uint64_t end = log.bytes_in_file();
  ASSERT_TRUE(files_.perform(log.stop()));
  EXPECT_EQ(mark(), (FlushedMark{.log_first_zxid = {1}, .offset = end, .last_zxid = {11}}));
}

TEST_F(Log, ATornMarkFallsBackToNothingFlushed) {
  LogWriter log = writer();
  write(log, 1, 9);
  ASSERT_TRUE(files_.perform(log.stop()));
  Bytes file = *files_.get("/data/version-2/flushedMark");
  file[kMarkSlotOffset + 20] ^= 1;
  files_.put("/data/version-2/flushedMark", file);
  EXPECT_EQ(mark(), (FlushedMark{.log_first_zxid = {1}}));
  file[20] ^= 1;
  files_.put("/data/version-2/flushedMark", file);
  EXPECT_EQ(mark(), std::nullopt);
}

LogEnd end_of(const Bytes& content) {
  MemoryFiles files;
  files.put("/log.1", content);
  LogReader reader(files, "/log.1", content.size(), 64);
  for (;;) {
    const auto step = reader.next();
    if (const auto* end = std::get_if<LogEnd>(&*step)) {
      EXPECT_EQ(std::get<LogEnd>(*reader.next()).kind, end->kind);
      return *end;
    }
  }
}

TEST(LogReader, SaysHowTheRecordsEnd) {
  const Bytes one = log_bytes(1, 1);
  const Bytes two = log_bytes(1, 2);
  EXPECT_EQ(end_of(two).kind, LogEndKind::kFileEnd);
  EXPECT_EQ(end_of(two + Bytes(5, '\0')).kind, LogEndKind::kPadding);
  EXPECT_EQ(end_of(two + Bytes(5000, '\0')).kind, LogEndKind::kPadding);
  for (std::size_t size = one.size() + 1; size < two.size(); ++size) {
    EXPECT_EQ(end_of(two.substr(0, size)).offset, one.size());
    const LogEndKind kind = end_of(two.substr(0, size)).kind;
    const bool is_only_zeros = size <= one.size() + 4;  // of the checksum
    EXPECT_EQ(kind, is_only_zeros ? LogEndKind::kPadding : LogEndKind::kTorn) << size;
    EXPECT_EQ(end_of(two.substr(0, size) + Bytes(9000, '\0')).is_clean(), is_only_zeros) << size;
  }
  for (std::size_t size = 0; size < 16; ++size) {
    EXPECT_EQ(end_of(one.substr(0, size)).kind, LogEndKind::kNoHeader);
  }
  Bytes flipped = two;
  flipped[one.size() + 30] ^= 1;
  EXPECT_EQ(end_of(flipped).kind, LogEndKind::kBadChecksum);
  EXPECT_NE(end_of(flipped).text.find("/log.1, offset " + std::to_string(one.size())),
            std::string::npos);
  flipped[0] = 'X';
  EXPECT_EQ(end_of(flipped).kind, LogEndKind::kBadHeader);
  Bytes negative = two;
  negative[one.size() + 8] = '\x80';
  EXPECT_EQ(end_of(negative).kind, LogEndKind::kBadLength);
}

TEST(LogReader, ReadsNoMoreThanAChunkOfThePadding) {
  class Counting : public MemoryFiles {
   public:
    Result<Bytes> read(const std::string& path, std::uint64_t offset, std::size_t count) override {
      auto bytes = MemoryFiles::read(path, offset, count);
      read_bytes += bytes->size();
      return bytes;
    }
    std::size_t read_bytes = 0;
  } files;
  const Bytes content = log_bytes(1, 3) + Bytes(1 << 20, '\0');
  files.put("/log.1", content);
  LogReader reader(files, "/log.1", content.size(), 4096);
  while (std::holds_alternative<LogRecord>(*reader.next())) {
  }
  EXPECT_EQ(files.read_bytes, 4096U);
}

TEST(LogReader, FindsAWholeRecordBehindDamage) {
  const Bytes one = log_bytes(1, 1);
  const Bytes content = one + Bytes(100, 'x') + log_bytes(2, 2).substr(16);
  MemoryFiles files;
  files.put("/log.1", content);
  LogReader reader(files, "/log.1", content.size(), 64);
  EXPECT_EQ(*reader.find_whole_record(one.size(), {1}), one.size() + 100);
  EXPECT_EQ(*reader.find_whole_record(one.size(), {2}), std::nullopt);
}

}  // namespace
}  // namespace synod::storage
