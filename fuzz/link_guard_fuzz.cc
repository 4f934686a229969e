// Any bytes, in any pieces, on a port that asks for a password: no crash, and nothing of them
// reaches the engine.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "fuzz_input.h"
#include "net/link_guard.h"

namespace {

using synod::consensus::Port;
using synod::fuzz::require;
using synod::net::LinkGuard;

const synod::net::PeerSecurity& security() {
  static const synod::net::PeerSecurity made = [] {
    synod::net::PeerSecurity security;
    security.sasl = std::make_shared<synod::net::SaslOptions>(synod::net::SaslOptions{
        .passwords = {{"test", "testpw"}}, .username = "test", .password = "testpw"});
    security.is_learner_sasl_required = true;
    security.is_server_sasl_required = true;
    return security;
  }();
  return made;
}

void feed(LinkGuard& guard, synod::BytesView bytes, std::size_t piece) {
  while (!bytes.empty()) {
    guard.receive(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
  synod::net::SendQueue wire;
  guard.take_wire(wire);
}

}  // namespace

// The first byte says how the rest is cut, and whose end it arrives at.
// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const synod::BytesView bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Port port = (data[0] & 1) != 0 ? Port::kElection : Port::kQuorum;
  const std::size_t piece = std::size_t{1} << (data[0] >> 4);
  if ((data[0] & 2) != 0) {
    LinkGuard dialled(security(), LinkGuard::Side::kDialled, port, "127.0.0.1");
    dialled.send(synod::Bytes(8, '\0'));  // the oldest form of the initial message
    feed(dialled, bytes, piece);
    require(!dialled.is_open());
  } else {
    LinkGuard accepted(security(), LinkGuard::Side::kAccepted, port, "127.0.0.1");
    feed(accepted, bytes, piece);
    require(!accepted.is_linked() && accepted.take_arrived().empty());
  }
  return 0;
}
