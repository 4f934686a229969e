// Requests of every type with any record, on an established session: answered in order, each once,
// until one of them ends the connection. The tree has the digest that was foretold, now and when it
// is read from the disk again.
#include <deque>

#include "fuzz_input.h"
#include "replica/test_server.h"

namespace {

using synod::BytesView;
using synod::fuzz::require;
using synod::jute::OpCode;
using synod::replica::TestServer;

constexpr OpCode kTypes[] = {OpCode::kCreate,
                             OpCode::kCreate2,
                             OpCode::kCreateContainer,
                             OpCode::kCreateTtl,
                             OpCode::kDelete,
                             OpCode::kSetData,
                             OpCode::kSetAcl,
                             OpCode::kMulti,
                             OpCode::kExists,
                             OpCode::kGetData,
                             OpCode::kGetAcl,
                             OpCode::kGetChildren,
                             OpCode::kGetChildren2,
                             OpCode::kSync,
                             OpCode::kPing,
                             OpCode::kCheckWatches,
                             OpCode::kRemoveWatches,
                             OpCode::kAddWatch,
                             OpCode::kMultiRead,
                             OpCode::kSetWatches,
                             OpCode::kSetWatches2,
                             OpCode::kGetEphemerals,
                             OpCode::kGetAllChildrenNumber,
                             OpCode::kWhoAmI,
                             OpCode::kReconfig,
                             OpCode::kAuth,
                             OpCode::kSasl,
                             OpCode::kCloseSession,
                             OpCode::kCheck,
                             OpCode::kDeleteContainer,
                             OpCode::kCreateSession,
                             OpCode::kNotification};

struct Conversation {
  std::shared_ptr<synod::replica::ClientConnection> connection;
  std::deque<std::int32_t> asked;  // xids whose replies are due

  void listen() {
    BytesView rest = connection->output();
    while (!rest.empty()) {
      synod::jute::Reader in(rest);
      const auto frame = in.view();
      require(frame.has_value());
      rest = in.rest();
      const auto header = synod::jute::decode<synod::jute::ReplyHeader>(*frame);
      require(header.has_value());
      if (header->xid == synod::jute::kNotificationXid) continue;
      require(!asked.empty() && header->xid == asked.front());
      asked.pop_front();
    }
    connection->output().clear();
  }
};

void turn(TestServer& server, Conversation& conversation) {
  do {
    conversation.listen();
    conversation.connection->resume();
    server.settle();
  } while (!conversation.connection->output().empty());
  require(!synod::replica::has_digest_warning(server));
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  synod::fuzz::Input input(data, size);
  TestServer server;
  server.options.owner_rules.extended_types = true;
  server.options.primary.enforces_quota = true;
  server.rules.max_waiting_reads = 3;
  require(server.open().empty());
  Conversation conversation{server.connect(), {}};
  conversation.connection->receive(synod::replica::connect_frame(10000), server.time.steady);
  server.settle();
  conversation.connection->output().clear();
  std::int32_t xid = 0;
  while (!input.empty() && !conversation.connection->is_ending()) {
    const std::uint8_t choice = input.byte();
    const OpCode type = kTypes[choice % std::size(kTypes)];
    const BytesView record = (choice & 0x80) != 0 ? input.take(input.rest().size()) : input.piece();
    conversation.asked.push_back(type == OpCode::kPing ? synod::jute::kPingXid : ++xid);
    conversation.connection->receive(
        synod::replica::request_frame(conversation.asked.back(), {type, synod::Bytes(record)}),
        server.time.steady);
    if ((choice & 0x40) == 0) turn(server, conversation);
  }
  turn(server, conversation);
  require(conversation.asked.empty() || conversation.connection->is_ending());
  const std::uint64_t digest = server.replica->state().tree().digest();
  server.kill();
  require(server.open().empty());
  require(server.replica->state().tree().digest() == digest);
  return 0;
}
