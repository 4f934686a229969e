// A message that claims to be Raft's. What is read is written the same, to the last bit, and says
// nothing that no server could mean: entries follow one another and are of no later term.
#include "consensus/raft/messages.h"
#include "fuzz_input.h"

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace synod::consensus::raft;
  using synod::fuzz::require;

  synod::fuzz::Input input(data, size);
  const auto message = decode(input.rest());
  if (!message) {
    require(!message.error().empty());
    return 0;
  }
  require(encode(*message) == input.rest());
  require(*name_of(*message) != '\0');
  const auto* append = std::get_if<message::AppendEntries>(&*message);
  if (append == nullptr) return 0;
  synod::Zxid last = append->prev;
  for (const auto& entry : append->entries) {
    require(entry.zxid > last && entry.zxid.epoch() <= append->term);
    last = entry.zxid;
  }
  return 0;
}
