// Bytes of clients, in any pieces, into connections of a server that lives: time passes, the disk
// takes its time or fails, connections come and go. The server survives, every frame it sends is
// whole, and its tree has the digest that was foretold.
#include <array>

#include "fuzz_input.h"
#include "replica/test_server.h"

namespace {

using synod::BytesView;
using synod::fuzz::require;
using synod::replica::ClientConnection;
using synod::replica::TestServer;

struct Client {
  std::shared_ptr<ClientConnection> connection;
  synod::Bytes received;
};

void check_frames(Client& client) {
  synod::Bytes& output = client.connection->output();
  client.received += output;
  output.clear();
  bool is_first = true;
  BytesView rest = client.received;
  while (!rest.empty()) {
    require(rest.size() >= 4);
    const auto length = synod::jute::load_big_endian<std::int32_t>(rest.data());
    require(length >= 16 && static_cast<std::size_t>(length) <= rest.size() - 4);
    if (is_first) require(length == 36 || length == 37);  // the connect response
    is_first = false;
    rest.remove_prefix(static_cast<std::size_t>(length) + 4);
  }
}

void settle(TestServer& server, std::array<Client, 3>& clients) {
  server.settle();
  require(!synod::replica::has_digest_warning(server));
  for (Client& client : clients) {
    if (!client.connection) continue;
    check_frames(client);
    if (client.connection->is_ending()) {
      client.connection->disconnected();
      client = {};
    } else {
      client.connection->resume();
    }
  }
}

void step(TestServer& server, std::array<Client, 3>& clients, synod::fuzz::Input& input) {
  const std::uint8_t what = input.byte();
  Client& client = clients[what >> 6 & 1];
  if (!client.connection) client.connection = server.connect();
  switch (what & 15) {
    case 0:
      client.connection->receive(synod::replica::connect_frame(10000), server.time.steady);
      return;
    case 1:
      server.holds_disk = !server.holds_disk;
      return;
    case 2:
      server.live(input.byte() * 200);
      return;
    case 3:
      client.connection->disconnected();
      client = {};
      return;
    case 4:
      (void)server.io();
      return;
    case 5:
      return settle(server, clients);
    case 6: {  // a frame, its length right
      const BytesView body = input.piece();
      client.connection->receive(synod::replica::framed(body), server.time.steady);
      return;
    }
    case 7: {  // somebody else comes for the session
      Client& other = clients[2];
      if (!other.connection) other.connection = server.connect();
      const synod::SessionId session = client.connection->session();
      other.connection->receive(
          synod::replica::connect_frame(10000, session, synod::replica::session_password(session)),
          server.time.steady);
      return;
    }
    default:
      client.connection->receive(input.take(1U + (what & 7)), server.time.steady);
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  synod::fuzz::Input input(data, size);
  TestServer server;
  const std::uint8_t choice = input.byte();
  server.rules.max_waiting_reads = 4;
  server.rules.max_output_bytes = 4096;
  server.rules.max_frame_bytes = 4096;
  server.options.max_outstanding = 4;
  server.options.snapshots.txns_between = (choice & 1) != 0 ? 4 : 1000;
  server.options.owner_rules.extended_types = (choice & 2) != 0;
  if ((choice & 4) != 0) server.options.primary.max_txn_bytes = 400;
  require(server.open().empty());
  std::array<Client, 3> clients;
  while (!input.empty()) step(server, clients, input);
  server.holds_disk = false;
  settle(server, clients);
  const std::uint64_t digest = server.replica->state().tree().digest();
  server.kill();
  require(server.open().empty());
  require(server.replica->recovery().warnings.empty());
  require(server.replica->state().tree().digest() == digest);
  return 0;
}
