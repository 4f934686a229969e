// Requests become transactions: transcripts in testdata/primary/, and what is better said in code.
#include "primary/primary.h"

#include <gtest/gtest.h>

#include "primary/test_leader.h"

namespace synod::primary {
namespace {

constexpr char kTranscripts[] = "src/primary/testdata/primary";

// A transcript named like the option it needs.
Options options_for(const std::string& name) {
  Options options;
  options.enforces_quota = name.starts_with("hard_quota");
  options.access.skip = name.starts_with("skip_acl");
  options.allows_reconfig = name.starts_with("reconfig_allowed");
  if (name.starts_with("small_txn")) options.max_txn_bytes = 500;
  return options;
}

class PrimaryTranscript : public testing::TestWithParam<std::string> {};

TEST_P(PrimaryTranscript, GoesAsWritten) {
  LeaderTranscript leader(options_for(GetParam()),
                          {.extended_types = GetParam().starts_with("extended")});
  const std::string differences =
      test::run_transcript(std::string(kTranscripts) + '/' + GetParam() + ".txt",
                           [&](const test::Command& command) { return leader.run(command); });
  EXPECT_TRUE(differences.empty()) << differences;
}

INSTANTIATE_TEST_SUITE_P(All, PrimaryTranscript,
                         testing::ValuesIn(test::transcripts_in(kTranscripts)),
                         [](const auto& transcript) { return transcript.param; });

}  // namespace
}  // namespace synod::primary
