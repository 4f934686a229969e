// The file says what is wrong with it, and where.
#include "sim/check/history_file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

namespace synod::sim::check {
namespace {

std::string error_of(const std::string& lines) {
  History history;
  const auto read = read_history("h.jsonl", lines, history);
  return read ? "" : read.error().text;
}

constexpr char kGood[] =
    R"({"op":"sync","client":1,"session":2,"xid":3,"invoked":4,"completed":5,"outcome":"ok","zxid":6})";

TEST(HistoryFile, NamesFileAndLine) {
  EXPECT_EQ(error_of(kGood), "");
  EXPECT_EQ(error_of(fmt::format("{0}\n\n{0}\n", kGood)), "");
  EXPECT_TRUE(error_of(fmt::format("{}\n{{\n", kGood)).starts_with("h.jsonl:2: "));
}

TEST(HistoryFile, RefusesWhatItWouldMisread) {
  EXPECT_EQ(error_of(R"({"op":"fly","client":1})"), "h.jsonl:1: fly is no operation");
  EXPECT_EQ(error_of(R"({"op":"sync","client":1,"session":2,"xid":3})"),
            "h.jsonl:1: no field invoked");
  EXPECT_EQ(error_of(R"({"event":"slept","client":1,"session":2,"at":3})"),
            "h.jsonl:1: slept is no event");
  EXPECT_EQ(error_of(R"({"event":"lost","client":1,"session":2,"at":3,"why":"rain"})"),
            "h.jsonl:1: a field why that nothing reads");
  EXPECT_EQ(error_of(R"({"event":"final","path":"/a","data":"","stat":[1,2]})"),
            "h.jsonl:1: a stat has eleven numbers");
  EXPECT_NE(error_of(R"({"event":"lost","client":"me","session":2,"at":3})"), "");
  EXPECT_NE(error_of("[]"), "");
}

TEST(HistoryFile, OperationsWithoutAnAnswerHaveNoZxid) {
  History history;
  ASSERT_TRUE(read_history(
      "h",
      R"({"op":"delete","client":1,"session":2,"xid":3,"path":"/a","invoked":4,"outcome":"unknown"})",
      history));
  ASSERT_EQ(history.operations.size(), 1U);
  EXPECT_EQ(history.operations[0].completed_at, kNever);
  EXPECT_EQ(history.operations[0].outcome, Outcome::kUnknown);
  EXPECT_EQ(history.operations[0].version, -1);
}

}  // namespace
}  // namespace synod::sim::check
