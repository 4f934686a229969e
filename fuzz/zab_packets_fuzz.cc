// A stream of learner-protocol packets, in any pieces. What is read is written the same, and no
// more is held than one unfinished packet.
#include "consensus/zab/packets.h"
#include "fuzz_input.h"

namespace {

using synod::BytesView;
using synod::fuzz::require;
using namespace synod::consensus::zab;

constexpr std::size_t kLimit = 4096;

void check_packet(const QuorumPacket& packet, BytesView& rest) {
  const synod::Bytes bytes = encode_packet(packet);
  require(rest.starts_with(bytes));
  rest.remove_prefix(bytes.size());
  require(!name_of(packet.type).empty());
  if (packet.type != PacketType::kFollowerInfo || !packet.data) return;
  const auto info = decode_learner_info(*packet.data);
  require(info.has_value() == (packet.data->size() >= 8));
  if (packet.data->size() >= 20) {
    require(packet.data->starts_with(encode_learner_info(*info)));
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  synod::fuzz::Input input(data, size);
  const std::size_t piece = 1U + input.byte();
  BytesView stream = input.rest();
  PacketReader reader(kLimit);
  while (!input.empty()) {
    reader.feed(input.take(piece));
    auto packet = reader.next();
    for (; packet && *packet; packet = reader.next()) check_packet(**packet, stream);
    if (!packet) {
      require(!reader.next());
      return 0;
    }
    // A head, the data, the identities, each as large as may be, and what came last.
    require(stream.size() - input.rest().size() <= 20 + 2 * kLimit + piece);
  }
  require(reader.take_rest() == stream);
  return 0;
}
