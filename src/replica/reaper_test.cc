#include "replica/reaper.h"

#include <gtest/gtest.h>

#include "primary/test_leader.h"

namespace synod::replica {
namespace {

// A tree, and requests that change it.
class ReaperTest : public testing::Test {
 protected:
  ReaperTest() : leader_({}, {.extended_types = true}), session_(leader_.open_session(1)) {}

  void change(const std::string& request) {
    const auto prepared = leader_.prepare(session_, test::request_of(test::parse_command(request)));
    (void)leader_.apply(prepared.txn);
  }
  void use_container(const std::string& path) {
    change("container " + path);
    change("create " + path + "/x");
    change("delete " + path + "/x");
  }
  std::optional<std::string> next(Reaper& reaper, std::int64_t now) {
    return reaper.next(leader_.state().tree(), {now}, {leader_.time_ms + now});
  }

  primary::TestLeader leader_;
  SessionId session_;
};

TEST_F(ReaperTest, LooksOnceAnInterval) {
  Reaper reaper({.check_interval_ms = 60'000});
  EXPECT_FALSE(next(reaper, 0));
  use_container("/a");
  EXPECT_FALSE(next(reaper, 59'999));
  EXPECT_EQ(next(reaper, 60'000), "/a");
  EXPECT_FALSE(next(reaper, 60'500)) << "given once a look";
  EXPECT_EQ(next(reaper, 120'000), "/a") << "it is still there";
}

TEST_F(ReaperTest, NeverUsedContainersHaveATimeOfTheirOwn) {
  change("container /new");
  Reaper patient({.check_interval_ms = 1000});
  Reaper strict({.check_interval_ms = 1000, .max_never_used_ms = 5000});
  EXPECT_FALSE(next(patient, 0));
  EXPECT_FALSE(next(strict, 0));
  EXPECT_FALSE(next(strict, 5000));
  EXPECT_EQ(next(strict, 6001), "/new");
  EXPECT_FALSE(next(patient, 1'000'000));
}

TEST_F(ReaperTest, SoManyAMinute) {
  for (int i = 0; i < 5; ++i) use_container("/c" + std::to_string(i));
  Reaper reaper({.check_interval_ms = 1000, .max_per_minute = 60});
  EXPECT_FALSE(next(reaper, 0));
  int given = 0;
  for (std::int64_t now = 1000; now <= 4000; now += 250) given += next(reaper, now) ? 1 : 0;
  EXPECT_GE(given, 3);
  EXPECT_LE(given, 4);
}

// What waits for its turn may become another node, or be used again, before it comes.
TEST_F(ReaperTest, LooksAgainWhenTheTurnComes) {
  for (const char* path : {"/a", "/b", "/c"}) use_container(path);
  Reaper reaper({.check_interval_ms = 1000, .max_per_minute = 60});
  EXPECT_FALSE(next(reaper, 0));
  EXPECT_EQ(next(reaper, 5000), "/a");
  change("delete /b");
  change("create /b \"precious\"");
  change("create /c/again");
  for (std::int64_t now = 5000; now < 9000; now += 100) {
    const auto path = next(reaper, now);
    EXPECT_TRUE(!path || path == "/a") << *path;
  }
}

}  // namespace
}  // namespace synod::replica
