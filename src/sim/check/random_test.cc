// Valid histories of a made-up service are accepted; spoiled in one place, they are not.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

#include "sim/check/checks.h"
#include "sim/check/history_file.h"
#include "sim/check/test_world.h"

namespace synod::sim::check {
namespace {

constexpr std::uint64_t kSeeds = 200;
constexpr std::size_t kSteps = 1500;

std::string verdict(const History& history, const Report& report) {
  std::string text;
  for (const Violation& violation : report.violations) text += explain(history, violation) + '\n';
  for (const std::string& line : report.undecided) text += line + '\n';
  return text;
}

TEST(RandomHistories, ValidOnesAreAccepted) {
  std::size_t acknowledged = 0, lost = 0, events = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const History history = test::World(seed).run(kSteps);
    const Report report = check(history);
    ASSERT_TRUE(report.passed()) << "seed " << seed << '\n' << verdict(history, report);
    for (const Operation& operation : history.operations) {
      ++(operation.outcome == Outcome::kUnknown ? lost : acknowledged);
    }
    events += history.watch_events.size();
  }
  EXPECT_GT(acknowledged, kSeeds * 50);
  EXPECT_GT(lost, kSeeds);
  EXPECT_GT(events, kSeeds);
}

TEST(RandomHistories, WithoutZxidsValidOnesAreAccepted) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    History history = test::World(seed).run(kSteps / 15);
    for (Operation& operation : history.operations) {
      operation.zxid = {};
      operation.stat.reset();
      operation.leaves_watch = false;
    }
    history.watch_events.clear();
    history.final_tree.reset();
    const Report report = check(history);
    EXPECT_TRUE(report.passed()) << "seed " << seed << '\n' << verdict(history, report);
  }
}

TEST(RandomHistories, SurviveTheFile) {
  const History history = test::World(7).run(kSteps);
  const std::string lines = write_history(history);
  History again;
  ASSERT_TRUE(read_history("test", lines, again));
  EXPECT_EQ(write_history(again), lines);
  EXPECT_TRUE(check(again).passed());
}

// Spoils one thing if it finds where; false if this history offers nothing.
using Mutation = std::function<bool(History&, Random&)>;

// A random one of those that the predicate likes.
template <class Items, class Predicate>
auto pick(Items& items, Random& random, Predicate likes) -> decltype(&items.front()) {
  std::vector<decltype(&items.front())> found;
  for (auto& item : items) {
    if (likes(item)) found.push_back(&item);
  }
  return found.empty() ? nullptr : found[random.below(found.size())];
}

bool is_ok(const Operation& operation, Kind kind) {
  return operation.kind == kind && operation.outcome == Outcome::kOk;
}

bool lose_write(History& history, Random& random) {
  auto& nodes = history.final_tree->nodes;
  const auto* write = pick(history.operations, random, [&](const Operation& operation) {
    return is_ok(operation, Kind::kCreate) && !operation.is_ephemeral &&
           nodes.contains(operation.created_path) &&
           nodes[operation.created_path].data == operation.value;
  });
  if (write == nullptr) return false;
  nodes.erase(write->created_path);
  return std::ranges::none_of(history.operations, [&](const Operation& operation) {
    return operation.kind == Kind::kDelete && operation.outcome == Outcome::kUnknown &&
           operation.path == write->created_path;
  });
}

bool read_backwards(History& history, Random& random) {
  auto* read = pick(history.operations, random, [](const Operation& operation) {
    return is_ok(operation, Kind::kGetData) && operation.stat->version > 0;
  });
  if (read == nullptr) return false;
  --read->stat->version;
  return true;
}

bool read_another_value(History& history, Random& random) {
  auto* read = pick(history.operations, random,
                    [](const Operation& operation) { return is_ok(operation, Kind::kGetData); });
  const auto* write = pick(history.operations, random, [&](const Operation& operation) {
    return is_ok(operation, Kind::kSetData) && read != nullptr && operation.value != *read->data;
  });
  if (read == nullptr || write == nullptr) return false;
  read->data = write->value;
  return true;
}

bool miss_node(History& history, Random& random) {
  auto* read = pick(history.operations, random, [](const Operation& operation) {
    return is_ok(operation, Kind::kExists) && operation.stat->ephemeral_owner == 0;
  });
  if (read == nullptr) return false;
  const bool may_be_gone = std::ranges::any_of(history.operations, [&](const Operation& operation) {
    return operation.kind == Kind::kDelete && operation.outcome == Outcome::kUnknown &&
           operation.path == read->path;
  });
  read->stat.reset();
  read->outcome = Outcome::kError;
  read->error = jute::ErrorCode::kNoNode;
  return !may_be_gone;
}

bool miss_child(History& history, Random& random) {
  auto* read = pick(history.operations, random, [](const Operation& operation) {
    return is_ok(operation, Kind::kGetChildren) && !operation.children->empty();
  });
  if (read == nullptr) return false;
  const auto* child = pick(*read->children, random, [&](const std::string& name) {
    return std::ranges::none_of(history.operations, [&](const Operation& operation) {
      const bool is_of_it = "/" + name == path_of(operation) || operation.is_sequential;
      const bool is_removal = operation.kind == Kind::kDelete || operation.is_ephemeral;
      return is_of_it && is_removal && operation.outcome == Outcome::kUnknown;
    });
  });
  if (child == nullptr) return false;
  std::erase(*read->children, std::string(*child));
  return true;
}

bool swap_writes(History& history, Random& random) {
  const auto is_logged = [](const Operation& o) {
    return is_write(o.kind) && o.outcome == Outcome::kOk;
  };
  auto* one = pick(history.operations, random, is_logged);
  auto* other = pick(history.operations, random, [&](const Operation& operation) {
    return is_logged(operation) && one != nullptr && operation.invoked_at > one->completed_at;
  });
  if (one == nullptr || other == nullptr) return false;
  std::swap(one->zxid, other->zxid);
  return true;
}

bool forget_event(History& history, Random& random) {
  // One behind which its session saw a later reply.
  auto* event = pick(history.watch_events, random, [&](const WatchEvent& e) {
    return std::ranges::any_of(history.operations, [&](const Operation& operation) {
      return operation.session == e.session && operation.outcome != Outcome::kUnknown &&
             operation.completed_at > e.seen_at;
    });
  });
  if (event == nullptr) return false;
  const WatchEvent forgotten = *event;
  std::erase_if(history.watch_events,
                [&](const WatchEvent& e) { return e.seen_at == forgotten.seen_at; });
  return true;
}

bool repeat_event(History& history, Random& random) {
  auto* event = pick(history.watch_events, random, [](const WatchEvent&) { return true; });
  if (event == nullptr) return false;
  history.watch_events.push_back(*event);
  return true;
}

bool repeat_number(History& history, Random& random) {
  const auto is_numbered = [](const Operation& operation) {
    return is_ok(operation, Kind::kCreate) && operation.is_sequential;
  };
  auto* one = pick(history.operations, random, is_numbered);
  auto* other = pick(history.operations, random, [&](const Operation& operation) {
    return is_numbered(operation) && &operation != one && operation.path == one->path;
  });
  if (one == nullptr || other == nullptr) return false;
  one->created_path = other->created_path;
  return true;
}

bool go_back(History& history, Random& random) {
  auto* read = pick(history.operations, random, [&](const Operation& operation) {
    return !is_write(operation.kind) && operation.outcome == Outcome::kOk &&
           std::ranges::any_of(history.operations, [&](const Operation& before) {
             return before.session == operation.session && before.zxid == operation.zxid &&
                    before.outcome != Outcome::kUnknown &&
                    before.completed_at < operation.completed_at;
           });
  });
  if (read == nullptr) return false;
  --read->zxid.value;
  return true;
}

bool sync_too_early(History& history, Random& random) {
  auto* sync = pick(history.operations, random, [&](const Operation& operation) {
    return is_ok(operation, Kind::kSync) &&
           std::ranges::any_of(history.operations, [&](const Operation& before) {
             return is_write(before.kind) && before.zxid == operation.zxid &&
                    before.completed_at < operation.invoked_at;
           });
  });
  if (sync == nullptr) return false;
  --sync->zxid.value;
  return true;
}

bool keep_ephemeral(History& history, Random& random) {
  auto* expired = pick(history.session_events, random, [](const SessionEvent& event) {
    return event.kind == SessionEvent::Kind::kExpired;
  });
  if (expired == nullptr) return false;
  history.final_tree->nodes["/left"].stat.ephemeral_owner = expired->session.value;
  return true;
}

struct Named {
  const char* name;
  Mutation spoil;
};
void PrintTo(const Named& named, std::ostream* out) { *out << named.name; }

class Spoiled : public testing::TestWithParam<Named> {};

TEST_P(Spoiled, IsRejected) {
  std::size_t spoiled = 0, rejected = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    History history = test::World(seed).run(kSteps);
    Random random(seed);
    if (!GetParam().spoil(history, random)) continue;
    ++spoiled;
    rejected += check(history).violations.empty() ? 0U : 1U;
  }
  EXPECT_GE(spoiled, kSeeds / 15);
  EXPECT_GE(rejected * 100, spoiled * 80) << rejected << " of " << spoiled;
}

INSTANTIATE_TEST_SUITE_P(
    RandomHistories, Spoiled,
    testing::Values(Named{"LoseWrite", lose_write}, Named{"ReadBackwards", read_backwards},
                    Named{"ReadAnotherValue", read_another_value}, Named{"MissNode", miss_node},
                    Named{"MissChild", miss_child}, Named{"SwapWrites", swap_writes},
                    Named{"ForgetEvent", forget_event}, Named{"RepeatEvent", repeat_event},
                    Named{"RepeatNumber", repeat_number}, Named{"GoBack", go_back},
                    Named{"SyncTooEarly", sync_too_early}, Named{"KeepEphemeral", keep_ephemeral}),
    [](const auto& named) { return std::string(named.param.name); });

}  // namespace
}  // namespace synod::sim::check
