// Any bytes as the body of a multi, while an earlier one is outstanding: it becomes a transaction
// that reads back, is no longer than allowed, and does what was foretold.
#include "fuzz_input.h"
#include "primary/test_leader.h"

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using synod::fuzz::require;
  synod::fuzz::Input input(data, size);
  synod::primary::Options options;
  options.max_txn_bytes = 1000;
  synod::primary::TestLeader leader(options, {.extended_types = true});
  const synod::SessionId session = leader.open_session(1);
  for (const char* setup : {"create /a \"x\"", "create /a/b \"\"", "create /e \"\" flags=e"}) {
    const auto prepared =
        leader.prepare(session, synod::test::request_of(synod::test::parse_command(setup)));
    require(!leader.apply(prepared.txn).is_digest_mismatch);
  }
  const auto first =
      leader.prepare(session, {synod::jute::OpCode::kMulti, synod::Bytes(input.piece())});
  const auto second =
      leader.prepare(session, {synod::jute::OpCode::kMulti, synod::Bytes(input.rest())});
  for (const auto& prepared : {first, second}) {
    require(!prepared.txn.empty() && prepared.txn.size() <= options.max_txn_bytes);
    const auto& result = leader.apply(prepared.txn);
    require(!result.is_digest_mismatch);
    require(result.outcome.error == prepared.error);
  }
  return 0;
}
