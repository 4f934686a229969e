#include "storage/memory_files.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace synod::storage {
namespace {

SharedBytes shared(const char* text) { return std::make_shared<const Bytes>(text); }

std::uint64_t nothing_survives(std::uint64_t) { return 0; }

class MemoryFilesTest : public testing::Test {
 protected:
  MemoryFilesTest() {
    EXPECT_TRUE(files_.perform(
        {op::MakeDirectory{"/a"}, op::Create{{1}, "/a/f"}, op::Write{{1}, 0, shared("hello")}}));
  }
  MemoryFiles files_;
};

TEST_F(MemoryFilesTest, OnlyWhatWasFlushedIsSureToSurvive) {
  ASSERT_TRUE(files_.perform({op::Flush{{1}}, op::FlushDirectory{"/a"},
                              op::Write{{1}, 0, shared("HELLO world")}, op::Create{{2}, "/a/g"}}));
  EXPECT_EQ(*files_.get("/a/f"), "HELLO world");
  files_.power_cut(nothing_survives);
  EXPECT_EQ(*files_.get("/a/f"), "hello");
  EXPECT_FALSE(files_.get("/a/g"));
}

TEST_F(MemoryFilesTest, ANameIsSureOnlyWithItsDirectory) {
  ASSERT_TRUE(files_.perform({op::Flush{{1}}}));
  files_.power_cut(nothing_survives);
  EXPECT_FALSE(files_.get("/a/f"));
}

TEST_F(MemoryFilesTest, RenamesSurviveWholeOrNotAtAll) {
  ASSERT_TRUE(
      files_.perform({op::Flush{{1}}, op::FlushDirectory{"/a"}, op::Rename{"/a/f", "/a/g"}}));
  files_.power_cut(nothing_survives);
  EXPECT_TRUE(files_.get("/a/f") && !files_.get("/a/g"));
  ASSERT_TRUE(files_.perform({op::Rename{"/a/f", "/a/g"}}));
  files_.power_cut([](std::uint64_t bound) { return bound - 1; });
  EXPECT_TRUE(!files_.get("/a/f") && files_.get("/a/g"));
}

TEST_F(MemoryFilesTest, AKilledProcessLosesOnlyItsQueue) {
  files_.submit(IoLane::kLog, {7}, {op::Write{{1}, 5, shared("!")}});
  files_.submit(IoLane::kLog, {8}, {op::Write{{1}, 6, shared("?")}});
  EXPECT_EQ(files_.run(IoLane::kLog)->token, IoToken{7});
  files_.kill();
  EXPECT_FALSE(files_.run(IoLane::kLog));
  EXPECT_EQ(*files_.get("/a/f"), "hello!");
}

TEST_F(MemoryFilesTest, ABatchEndsWithItsFirstFailureAndTheFileIsClosedToMore) {
  files_.set_fault([](const FileOp& op) {
    return std::holds_alternative<op::Flush>(op)
               ? std::optional<Error>({.kind = ErrorKind::kIo, .text = "the disk says no"})
               : std::nullopt;
  });
  files_.submit(IoLane::kLog, {1}, {op::Flush{{1}}, op::Write{{1}, 0, shared("x")}});
  EXPECT_EQ(files_.run(IoLane::kLog)->result.error().text, "the disk says no");
  files_.set_fault({});
  EXPECT_FALSE(files_.perform({op::Write{{1}, 0, shared("x")}}));
  EXPECT_EQ(*files_.get("/a/f"), "hello");
}

TEST_F(MemoryFilesTest, TheDiskCanBeFull) {
  files_.set_capacity(8);
  EXPECT_EQ(*files_.free_space("/a"), 3U);
  EXPECT_EQ(files_.perform({op::Write{{1}, 5, shared("1234")}}).error().kind, ErrorKind::kNoSpace);
}

TEST_F(MemoryFilesTest, ReadsAndLists) {
  EXPECT_EQ(*files_.read("/a/f", 1, 3), "ell");
  EXPECT_EQ(*files_.read("/a/f", 3, 30), "lo");
  EXPECT_EQ(*files_.read("/a/f", 30, 1), "");
  EXPECT_EQ(files_.read("/a/x", 0, 1).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(files_.list("/b").error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(files_.list("/a")->front().name, "f");
}

TEST_F(MemoryFilesTest, AReadCanBeABatchAndFail) {
  const auto into = std::make_shared<Bytes>();
  files_.submit(IoLane::kBackground, {1}, {op::Read{"/a/f", 1, 3, into}});
  EXPECT_TRUE(files_.run(IoLane::kBackground)->result);
  EXPECT_EQ(*into, "ell");
  files_.set_read_fault([](const std::string& path, std::uint64_t offset, std::size_t count) {
    return path == "/a/f" && offset <= 4 && offset + count > 4
               ? std::optional<Error>({.kind = ErrorKind::kIo, .text = "a latent error"})
               : std::nullopt;
  });
  EXPECT_TRUE(files_.read("/a/f", 0, 4));
  EXPECT_FALSE(files_.read("/a/f", 0, 5));
  EXPECT_FALSE(files_.perform({op::Read{"/a/f", 4, 1, into}}));
}

TEST_F(MemoryFilesTest, APhantomWriteIsReportedAndNotDone) {
  files_.set_phantom([](const FileOp& op) { return std::holds_alternative<op::Write>(op); });
  EXPECT_TRUE(files_.perform({op::Write{{1}, 0, shared("JELLO")}, op::Flush{{1}}}));
  EXPECT_EQ(*files_.get("/a/f"), "hello");
}

TEST_F(MemoryFilesTest, RotIsThereAfterAPowerCutToo) {
  ASSERT_TRUE(files_.perform({op::Flush{{1}}, op::FlushDirectory{"/a"}}));
  EXPECT_TRUE(files_.flip("/a/f", 0, 'h' ^ 'c'));
  EXPECT_FALSE(files_.flip("/a/f", 5, 1));
  EXPECT_EQ(*files_.get("/a/f"), "cello");
  files_.power_cut(nothing_survives);
  EXPECT_EQ(*files_.get("/a/f"), "cello");
}

TEST_F(MemoryFilesTest, ABackupIsGoneBackTo) {
  const MemoryFiles::Image image = files_.image();
  ASSERT_TRUE(files_.perform({op::Write{{1}, 0, shared("HELLO")}, op::Create{{2}, "/a/g"}}));
  files_.wipe();
  EXPECT_TRUE(files_.paths().empty());
  EXPECT_FALSE(files_.list("/a"));
  files_.restore(image);
  files_.power_cut(nothing_survives);
  EXPECT_EQ(files_.paths(), std::vector<std::string>{"/a/f"});
  EXPECT_EQ(*files_.get("/a/f"), "hello");
}

}  // namespace
}  // namespace synod::storage
