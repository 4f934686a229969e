// Whole servers with a real engine between them: transcripts in testdata/ensemble/, and what is
// better said in code.
#include <gtest/gtest.h>

#include "replica/test_ensemble.h"

namespace synod::replica {
namespace {

constexpr char kTranscripts[] = "src/replica/testdata/ensemble";

class EnsembleStory : public testing::TestWithParam<std::string> {};

// A transcript named like the configuration it needs.
EnsembleOptions options_for(const std::string& name) {
  EnsembleOptions options;
  if (name.starts_with("observer")) options.observers = 1;
  options.replica.has_local_sessions = name.starts_with("local_sessions");
  options.replica.upgrades_local_sessions = name == "local_sessions";
  if (name.starts_with("reconfig")) {
    options.replica.primary.allows_reconfig = true;
    options.replica.primary.access.skip = true;
  }
  return options;
}

TEST_P(EnsembleStory, GoesAsWritten) {
  EnsembleTranscript ensemble(options_for(GetParam()));
  const std::string differences =
      test::run_transcript(std::string(kTranscripts) + '/' + GetParam() + ".txt",
                           [&](const test::Command& command) { return ensemble.run(command); });
  EXPECT_TRUE(differences.empty()) << differences;
}

INSTANTIATE_TEST_SUITE_P(All, EnsembleStory, testing::ValuesIn(test::transcripts_in(kTranscripts)),
                         [](const auto& transcript) { return transcript.param; });

// Nothing was ever changed: the files are all that is known.
TEST(Ensemble, AMembershipWithoutAVersionIsShownToo) {
  EnsembleOptions options;
  options.replica.config_version = {};
  options.replica.primary.allows_reconfig = true;
  TestEnsemble ensemble(options);
  ASSERT_EQ(ensemble.start(1), "");
  EXPECT_TRUE(ensemble.server(1).replica->state().config_text().ends_with("version=0"));
}

}  // namespace
}  // namespace synod::replica
