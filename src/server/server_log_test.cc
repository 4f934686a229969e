#include "server/server_log.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace synod::server {
namespace {

using std::chrono::seconds;

// Nobody reads, until it is told otherwise.
class StuckSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  std::promise<void> release;
  std::vector<std::string> lines;

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (lines.empty()) released_.wait();
    lines.emplace_back(message.payload.begin(), message.payload.end());
  }
  void flush_() override {}

 private:
  std::future<void> released_ = release.get_future();
};

// Hangs when logging waits for the reader.
TEST(ServerLog, ReaderThatDoesNotReadHoldsNobodyUp) {
  const auto sink = std::make_shared<StuckSink>();
  start_log(sink, 16);
  for (int i = 0; i < 1000; ++i) spdlog::info("{}", i);
  sink->release.set_value();
  EXPECT_TRUE(finish_log(seconds(60)));
  ASSERT_GE(sink->lines.size(), 2U);
  EXPECT_LE(sink->lines.size(), 18U);
  EXPECT_EQ(sink->lines[sink->lines.size() - 2], "999");
  EXPECT_TRUE(sink->lines.back().ends_with("they were not read fast enough"));
}

TEST(ServerLog, EndDoesNotWaitForeverForTheReader) {
  const auto sink = std::make_shared<StuckSink>();
  start_log(sink, 16);
  spdlog::info("stuck");
  EXPECT_FALSE(finish_log(std::chrono::milliseconds(10)));
  sink->release.set_value();
  while (sink.use_count() > 1) std::this_thread::yield();  // the log's thread is still at it
}

TEST(ComplaintLog, TenASecondAndACountOfTheRest) {
  std::vector<std::string> lines;
  ComplaintLog complaints([&](const std::string& line) { lines.push_back(line); });
  for (int i = 0; i < 25; ++i) complaints.complain("bad", {5000 + i});
  EXPECT_EQ(lines, std::vector<std::string>(10, "bad"));
  lines.clear();
  complaints.tick({5999});
  EXPECT_TRUE(lines.empty());
  complaints.complain("new", {6000});
  EXPECT_EQ(lines,
            (std::vector<std::string>{"15 more complaints about connections suppressed", "new"}));
  lines.clear();
  for (int i = 0; i < 11; ++i) complaints.complain("bad", {6500});
  lines.clear();
  complaints.tick({7000});
  EXPECT_EQ(lines, std::vector<std::string>{"2 more complaints about connections suppressed"});
  lines.clear();
  complaints.tick({8000});
  EXPECT_TRUE(lines.empty());
}

}  // namespace
}  // namespace synod::server
