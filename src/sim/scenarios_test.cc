// Every schedule of the track record, played on a few seeds.
#include "sim/scenarios.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace synod::sim {
namespace {

class Scenarios : public testing::TestWithParam<Scenario> {};

TEST_P(Scenarios, Passes) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    for (const std::string& violation : play(GetParam(), seed))
      ADD_FAILURE() << "seed " << seed << ": " << violation;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Scenarios, testing::ValuesIn(scenarios()), [](const auto& scenario) {
  std::string name(scenario.param.name);
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace synod::sim
