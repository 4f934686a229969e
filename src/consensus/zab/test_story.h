// An ensemble under a scripted schedule. In the end no invariant may have been violated.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "consensus/zab/test_cluster.h"

namespace synod::consensus::zab {

class Story : public testing::Test {
 protected:
  void begin(const TestOptions& options = {}) {
    cluster_.emplace(options);
    cluster_->start_all();
    ASSERT_TRUE(settles());
  }
  bool settles() {
    return the().run_until([&] { return the().are_all_serving_and_equal(); });
  }
  void write(int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(the().write_and_wait());
  }
  void TearDown() override {
    if (!cluster_) return;
    EXPECT_THAT(the().violations(), testing::IsEmpty()) << the().describe();
  }
  TestCluster& the() { return *cluster_; }

 private:
  std::optional<TestCluster> cluster_;
};

}  // namespace synod::consensus::zab
