#include "consensus/zab/test_crashes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace synod::consensus::zab {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

void crash_at_every_packet(const TestOptions& options, Victim victim,
                           const std::function<void(TestCluster&)>& story) {
  const NodeId servers = options.voters + options.observers + options.spares;
  for (int fatal = 1;; ++fatal) {
    SCOPED_TRACE("packet " + std::to_string(fatal));
    TestCluster cluster(options);
    cluster.start_all();
    ASSERT_TRUE(cluster.run_until([&] { return cluster.are_all_serving_and_equal(); }));
    int packets = 0;
    bool is_over = false;
    cluster.on_packet = [&](NodeId from, NodeId to, PacketType type) {
      if (is_over || type == PacketType::kPing || ++packets != fatal) return;
      if (victim != Victim::kReceiver) cluster.crash(from);
      if (victim != Victim::kSender) cluster.crash(to);
      for (NodeId node = 1; victim == Victim::kEverybody && node <= servers; ++node)
        cluster.crash(node);
    };
    story(cluster);
    is_over = true;
    cluster.heal_all();
    cluster.start_all();
    ASSERT_TRUE(cluster.run_until([&] { return cluster.are_all_serving_and_equal(); }))
        << cluster.describe();
    ASSERT_THAT(cluster.violations(), IsEmpty()) << cluster.describe();
    ASSERT_THAT(cluster.warnings(), Not(Contains(HasSubstr("jumps"))));
    if (packets < fatal) return;
  }
}

}  // namespace synod::consensus::zab
