// A message that claims to be Omni-Paxos's, or a snapshot's head. What is read is written the same,
// to the last bit; ends of epochs fall and entries rise.
#include <algorithm>
#include <functional>

#include "consensus/omnipaxos/messages.h"
#include "fuzz_input.h"

namespace {

using synod::fuzz::require;
using namespace synod::consensus::omnipaxos;

template <class M>
void check_entries(const M& message) {
  require(
      std::ranges::is_sorted(message.entries, std::less_equal{}, &synod::consensus::Entry::zxid));
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  synod::fuzz::Input input(data, size);
  if (const auto head = decode_snapshot_head(input.rest())) require(encode(*head) == input.rest());
  const auto envelope = decode(input.rest());
  if (!envelope) return 0;
  const Message& message = envelope->message;
  require(encode(envelope->configuration, message) == input.rest());
  if (const auto* promise = std::get_if<Promise>(&message)) {
    require(!promise->ends.empty() && promise->ends.size() <= kMaxEnds);
    require(std::ranges::is_sorted(promise->ends, std::greater_equal{}));
  }
  if (const auto* fetched = std::get_if<Fetched>(&message)) check_entries(*fetched);
  if (const auto* accept = std::get_if<AcceptDecide>(&message)) check_entries(*accept);
  return 0;
}
