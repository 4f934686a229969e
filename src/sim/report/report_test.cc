#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/property_tree/xml_parser.hpp>
#include <cstddef>
#include <sstream>
#include <string>
#include <vector>

#include "sim/connectivity.h"
#include "sim/report/figures.h"
#include "sim/report/page.h"
#include "sim/report/statistics.h"

namespace synod::sim::report {
namespace {

using consensus::Role;
using testing::HasSubstr;
using testing::Not;

// Two servers for two seconds: the first leads, the second follows and is down for the last half
// second. Committed: `rate` in each slice.
RunRecord record(std::uint32_t rate) {
  RunRecord run{.servers = 2, .from = 0};
  const consensus::Status leads{
      .role = Role::kLeading, .leader = {1}, .epoch = 7, .is_serving = true};
  const consensus::Status follows{
      .role = Role::kFollowing, .leader = {1}, .epoch = 7, .is_serving = true};
  run.spans = {{0, 0, 2 * kSecond, true, leads},
               {1, 0, 1500 * kMillisecond, true, follows},
               {1, 1500 * kMillisecond, 2 * kSecond, false, {}}};
  run.marks = {{1500 * kMillisecond, "kill <2>"}};
  run.commits.assign(200, rate);
  run.bytes = {0, 4096, 2048, 0};
  return run;
}

Page page() {
  Group group{.title = "an \"engine\"", .note = "a & b", .seeds = {11, 12}, .runs = {}};
  group.runs = {record(1), record(3)};
  return {.title = "A report",
          .text = "",
          .command = "synod sim --report x.html",
          .sections = {{.title = "All",
                        .text = "",
                        .summary = {.head = {"engine", "recovered"}, .rows = {{"zab", "3 of 4"}}},
                        .groups = {group}}}};
}

// Every tag is closed, every attribute quoted, every character escaped.
void expect_well_formed(const std::string& html) {
  std::istringstream in(html);
  boost::property_tree::ptree tree;
  EXPECT_NO_THROW(boost::property_tree::read_xml(in, tree));
  EXPECT_EQ(tree.get<std::string>("html.head.title"), "A report");
}

TEST(Report, IsOneWellFormedPageThatLoadsNothing) {
  const std::string html = to_html(page());
  EXPECT_TRUE(html.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
  expect_well_formed(html);
  for (const char* loads :
       {"http:", "https:", "//", "<script", "<link", "<img", "url(", "@import", "src="})
    EXPECT_THAT(html, Not(HasSubstr(loads)));
}

TEST(Report, HoldsWhoLedAndWhatTheLinksCarried) {
  const std::string html = to_html(page());
  EXPECT_THAT(html, HasSubstr("server 1 leads and serves, epoch 7, from 0.00 to 2.00"));
  EXPECT_THAT(html, HasSubstr("server 2 follows and serves, epoch 7, leader 1, from 0.00 to 1.50"));
  EXPECT_THAT(html, HasSubstr("server 2 is down, from 1.50 to 2.00"));
  EXPECT_THAT(html, HasSubstr("kill &lt;2&gt;"));
  EXPECT_THAT(html, HasSubstr("an &quot;engine&quot;"));
  EXPECT_THAT(html, HasSubstr("synod sim --report x.html"));
  EXPECT_THAT(html, HasSubstr("<td>3 of 4</td>"));
  // 4 KiB from 1 to 2 in two seconds, half as much back.
  EXPECT_THAT(html, HasSubstr("--share:100%\">2.0<"));
  EXPECT_THAT(html, HasSubstr("--share:50%\">1.0<"));
}

TEST(Report, TellsTheMeanOfAllRunsAndItsInterval) {
  const Throughput throughput = throughput_of(page().sections.at(0).groups.at(0));
  ASSERT_EQ(throughput.rates.size(), 2U);
  EXPECT_EQ(throughput.middles.at(1), 1500 * kMillisecond);
  // 100 and 300 a second; t for one degree of freedom is the series' worst case, and is not judged.
  EXPECT_DOUBLE_EQ(throughput.rates.at(0).mean, 200);
  EXPECT_LT(throughput.rates.at(0).low, 100);
  EXPECT_GT(throughput.rates.at(0).high, 300);
  EXPECT_THAT(to_html(page()), HasSubstr("<th scope=\"row\">1.50</th><td>200.0</td>"));
}

TEST(Report, KnowsStudentsT) {
  EXPECT_NEAR(student_t95(9), 2.262, 0.001);
  EXPECT_NEAR(student_t95(19), 2.093, 0.001);
  EXPECT_NEAR(student_t95(199), 1.972, 0.001);
  // 2, 4, …, 20: deviation 6.055, of the mean 1.915.
  const Estimate of = estimate({2, 4, 6, 8, 10, 12, 14, 16, 18, 20});
  EXPECT_DOUBLE_EQ(of.mean, 11);
  EXPECT_NEAR(of.high - of.mean, 2.262 * 1.9149, 0.01);
  EXPECT_NEAR(of.mean - of.low, 2.262 * 1.9149, 0.01);
  EXPECT_EQ(estimate({5}).low, 5);
}

TEST(Report, EndsItsAxesAtRoundNumbers) {
  EXPECT_EQ(round_top(0.3), 0.5);
  EXPECT_EQ(round_top(7), 10);
  EXPECT_EQ(round_top(100), 100);
  EXPECT_EQ(round_top(101), 200);
  EXPECT_EQ(round_top(0), 1);
}

// A real run: the record says what happened.
TEST(Recorder, FollowsARunFromBeforeTheCutToAfterIt) {
  const CutReport report = play_cut({.cut = Cut::kChained,
                                     .engine = "multipaxos",
                                     .seed = 3,
                                     .timeouts = 6,
                                     .is_recorded = true});
  ASSERT_TRUE(report.violations.empty());
  ASSERT_TRUE(report.record);
  const RunRecord& run = *report.record;
  EXPECT_EQ(run.from, -2 * kSecond);
  EXPECT_EQ(run.to(), 5 * kSecond);  // six timeouts of half a second, and two seconds
  ASSERT_EQ(run.marks.size(), 2U);
  EXPECT_EQ(run.marks.at(0).at, 0);
  EXPECT_EQ(run.marks.at(1).at, 3 * kSecond);
  std::vector<Micros> end(run.servers, run.from);  // of each server's last span
  std::size_t leaders = 0;
  for (const RunRecord::Span& span : run.spans) {
    EXPECT_LE(end.at(span.server), span.from);
    EXPECT_LE(span.from - end.at(span.server), RunRecord::kSlice) << "nothing is left out";
    end.at(span.server) = span.to;
    leaders += span.status.role == Role::kLeading && span.status.is_serving ? 1 : 0;
  }
  for (const Micros each : end) EXPECT_EQ(each, run.to());
  EXPECT_GT(leaders, 2U);
  std::uint64_t committed = 0;
  for (const std::uint32_t each : run.commits) committed += each;
  EXPECT_GT(committed, 100U);
  for (std::size_t from = 0; from < run.servers; ++from)
    for (std::size_t to = 0; to < run.servers; ++to)
      EXPECT_EQ(run.bytes.at(from * run.servers + to) > 0, from != to);
}

}  // namespace
}  // namespace synod::sim::report
