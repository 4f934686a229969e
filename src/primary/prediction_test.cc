// Requests checked while others are outstanding become the same transactions as requests checked
// one by one, and the digest that a leader foretells is the one the tree then has.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "base/random.h"
#include "primary/test_leader.h"

namespace synod::primary {
namespace {

// Any request over few names, mostly possible, by one of three sessions.
class RandomRequests {
 public:
  explicit RandomRequests(std::uint64_t seed) : random_(seed) {}

  std::pair<SessionId, test::TestRequest> next() {
    const SessionId session{static_cast<std::int64_t>(random_.below(3)) + 1};
    if (random_.below(60) == 0) return {session, {jute::OpCode::kCloseSession, {}}};
    if (random_.below(30) == 0) {
      return {session, {jute::OpCode::kCreateSession, jute::encode(jute::CreateSessionTxn{1000})}};
    }
    if (random_.below(20) == 0) return {{}, {jute::OpCode::kDeleteContainer, path()}};
    if (random_.below(6) != 0) return {session, test::request_of(test::parse_command(write()))};
    test::Command multi;
    multi.name = "multi";
    for (auto parts = random_.below(5); parts > 0; --parts)
      multi.parts.push_back(test::parse_command(write()));
    return {session, test::request_of(multi)};
  }

 private:
  std::string path() {
    std::string path = random_.below(12) == 0 ? "/zookeeper" : "";
    do {
      path += "/" + std::string(1, static_cast<char>('a' + random_.below(3)));
    } while (random_.below(2) == 0);
    return random_.below(40) == 0 ? "/" : path;
  }
  std::string write() {
    constexpr const char* kFlags[] = {"0", "0", "e", "s", "es", "c", "t", "ts", "9"};
    constexpr const char* kAcls[] = {"",
                                     "",
                                     "",
                                     " acl=world:anyone:r",
                                     " acl=auth::rwcda",
                                     " acl=none",
                                     " acl=ip:127.0.0.1:rwcda"};
    const std::string version =
        random_.below(3) == 0 ? " version=" + std::to_string(random_.below(3)) : "";
    const std::string data =
        random_.below(6) == 0 ? " null" : " \"" + std::string(random_.below(20), 'x') + '"';
    const std::string acl = kAcls[random_.below(std::size(kAcls))];
    switch (random_.below(9)) {
      case 0:
        return "delete " + path() + version;
      case 1:
        return "delete " + path();
      case 2:
        return "set " + path() + data + version;
      case 3:
        return "setacl " + path() + acl + version;
      case 4:
        return random_.below(3) == 0 ? "check " + path() + version : "container " + path() + data;
      case 5:
        return "ttl " + path() + data + acl + " ttl=" + std::to_string(random_.below(3));
      default:
        return "create " + path() + data + acl +
               " flags=" + kFlags[random_.below(std::size(kFlags))];
    }
  }

  Random random_;
};

Options small_transactions() {
  Options options;
  options.max_txn_bytes = 300;  // some are too long
  return options;
}

RC_GTEST_PROP(Prediction, OutstandingProposalsMakeNoDifference, (std::uint64_t seed)) {
  Random random(seed);
  RandomRequests requests(seed);
  const Options options = random.below(2) == 0 ? Options{} : small_transactions();
  const state::OwnerRules rules{.extended_types = random.below(2) == 0};
  TestLeader eager(options, rules);
  TestLeader late(options, rules);
  const state::AuthIds ids{{"ip", "127.0.0.1"}, {"digest", "bob:hash"}};
  std::deque<Bytes> outstanding;
  const std::uint64_t patience = 1 + random.below(30);
  for (int i = 0; i < 300; ++i) {
    const auto [session, request] = requests.next();
    const Prepared at_once = eager.prepare(session, request, ids);
    const Prepared later = late.prepare(session, request, ids);
    RC_ASSERT(at_once.error == later.error);
    RC_ASSERT(at_once.txn == later.txn);
    RC_ASSERT(later.txn.size() <= options.max_txn_bytes);
    if (at_once.txn.empty()) continue;
    RC_ASSERT(!eager.apply(at_once.txn).is_digest_mismatch);
    outstanding.push_back(later.txn);
    // The error for a session's later requests tells whether its end is applied.
    const bool is_end = request.type == jute::OpCode::kCloseSession;
    while (outstanding.size() > (is_end ? 0 : random.below(patience))) {
      const state::ApplyResult& result = late.apply(outstanding.front());
      RC_ASSERT(!result.is_digest_mismatch);
      outstanding.pop_front();
    }
  }
  for (const Bytes& txn : outstanding) RC_ASSERT(!late.apply(txn).is_digest_mismatch);
  RC_ASSERT(eager.state().tree().digest() == late.state().tree().digest());
  RC_ASSERT(eager.state().sessions() == late.state().sessions());
}

}  // namespace
}  // namespace synod::primary
