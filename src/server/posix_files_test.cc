#include "server/posix_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>

namespace synod::server {
namespace {

using storage::FileBatch;
using storage::IoLane;
using storage::IoToken;
namespace op = storage::op;

SharedBytes shared(std::string text) { return std::make_shared<const Bytes>(std::move(text)); }

class PosixFilesTest : public testing::Test {
 protected:
  PosixFilesTest() {
    std::string pattern = testing::TempDir() + "posix_files.XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    start();
  }
  ~PosixFilesTest() override {
    files_.reset();
    std::filesystem::remove_all(directory_);
  }
  void start() {
    files_ = std::make_unique<PosixFiles>([this](IoToken token, Result<void> result) {
      const std::lock_guard lock(mutex_);
      done_.emplace_back(token.value, result ? "" : result.error().text);
    });
  }
  // Ends the threads, so that all completions are in.
  std::vector<std::pair<std::uint64_t, std::string>> finish() {
    files_.reset();
    return done_;
  }
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }
  [[nodiscard]] static std::string content(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::string directory_;
  std::mutex mutex_;
  std::vector<std::pair<std::uint64_t, std::string>> done_;
  std::unique_ptr<PosixFiles> files_;
};

TEST_F(PosixFilesTest, DoesEveryOperation) {
  ASSERT_TRUE(files_->perform(
      {op::MakeDirectory{path("a/b")}, op::MakeDirectory{path("a/b")},
       op::Create{{1}, path("a/b/f")}, op::Write{{1}, 2, shared("cd")},
       op::Write{{1}, 4, shared("ef")}, op::Write{{1}, 0, shared("ab")}, op::Flush{{1}},
       op::Truncate{{1}, 8}, op::Close{{1}}, op::Rename{path("a/b/f"), path("a/b/g")},
       op::FlushDirectory{path("a/b")}, op::Open{{1}, path("a/b/g")},
       op::Write{{1}, 7, shared("h")}, op::Close{{1}}, op::Remove{path("a/b/none")}}));
  EXPECT_EQ(content(path("a/b/g")), std::string("abcdef\0h", 8));
  EXPECT_EQ(*files_->read(path("a/b/g"), 2, 3), "cde");
  EXPECT_EQ(files_->read(path("a/b/g"), 2, 300)->size(), 6U);
  EXPECT_EQ(*files_->read(path("a/b/g"), 20, 3), "");
  EXPECT_GT(*files_->free_space(directory_), 0U);
  ASSERT_TRUE(files_->perform({op::Create{{2}, path("a/b/e")}, op::MakeDirectory{path("a/b/d")}}));
  const auto entries = files_->list(path("a/b"));
  ASSERT_EQ(entries->size(), 2U);
  EXPECT_EQ(entries->front().name, "e");
  EXPECT_EQ(entries->back().size, 8U);
}

TEST_F(PosixFilesTest, WhatIsMissingIsNotFound) {
  EXPECT_EQ(files_->list(path("x")).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(files_->read(path("x"), 0, 1).error().kind, ErrorKind::kNotFound);
  const auto opened = files_->perform({op::Open{{1}, path("x")}});
  EXPECT_EQ(opened.error().kind, ErrorKind::kNotFound);
  EXPECT_NE(opened.error().text.find(path("x") + ": No such file"), std::string::npos);
}

TEST_F(PosixFilesTest, BatchesOfALaneCompleteInOrder) {
  ASSERT_TRUE(files_->perform({op::Create{{1}, path("f")}}));
  for (std::uint64_t i = 0; i < 500; ++i) {
    files_->submit(IoLane::kLog, {i}, {op::Write{{1}, i, shared("x")}});
  }
  const auto done = finish();
  ASSERT_EQ(done.size(), 500U);
  for (std::uint64_t i = 0; i < 500; ++i) EXPECT_EQ(done[i], std::pair(i, std::string()));
  EXPECT_EQ(content(path("f")), std::string(500, 'x'));
}

TEST_F(PosixFilesTest, ManyPiecesAreOneRun) {
  FileBatch batch{op::Create{{1}, path("f")}};
  std::string expected;
  for (int i = 0; i < 3000; ++i) {  // more than one call takes
    const std::string piece(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 26));
    batch.emplace_back(op::Write{{1}, expected.size(), shared(piece)});
    expected += piece;
  }
  ASSERT_TRUE(files_->perform(batch));
  EXPECT_EQ(content(path("f")), expected);
}

TEST_F(PosixFilesTest, AFailureEndsItsBatchAndCondemnsItsFile) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP();
  ASSERT_TRUE(files_->perform({op::Open{{1}, "/dev/full"}}));
  const auto written =
      files_->perform({op::Write{{1}, 0, shared("x")}, op::Create{{2}, path("f")}});
  EXPECT_EQ(written.error().kind, ErrorKind::kNoSpace);
  EXPECT_NE(written.error().text.find("cannot write /dev/full: No space left"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(path("f")));
  EXPECT_EQ(files_->perform({op::Flush{{1}}}).error().kind, ErrorKind::kIo);
}

TEST_F(PosixFilesTest, ASlowLaneDoesNotHoldTheOther) {
  std::promise<void> background_may_end;
  std::promise<void> log_is_done;
  PosixFiles files([&](IoToken token, const Result<void>&) {
    if (token == IoToken{1})
      background_may_end.get_future().wait();
    else
      log_is_done.set_value();
  });
  files.submit(IoLane::kBackground, {1}, {});
  files.submit(IoLane::kLog, {2}, {});
  log_is_done.get_future().wait();
  background_may_end.set_value();
}

TEST_F(PosixFilesTest, DescriptorsCloseWithIt) {
  const auto open_descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  finish();
  const auto before = open_descriptors();
  start();
  ASSERT_TRUE(files_->perform({op::Create{{1}, path("f")}, op::Create{{2}, path("g")}}));
  EXPECT_EQ(open_descriptors(), before + 2);
  finish();
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace synod::server
