// A whole server without sockets, threads or clock: a Replica on a disk in memory, and connections
// by name. What clients would read is told as text.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "consensus/solo/solo.h"
#include "jute/test_requests.h"
#include "replica/client_connection.h"
#include "replica/frames.h"
#include "replica/replica.h"
#include "replica/session_password.h"
#include "storage/memory_files.h"

namespace synod::replica {

class TestHost final : public Host {
 public:
  void pause_readers() override { ++depth_; }
  void resume_readers() override { --depth_; }

 private:
  int depth_ = 0;
};

// Small, quiet and without randomness: what tests start from.
inline Options test_options() {
  Options options;
  options.directory = {"/data", "/data"};
  options.log_preallocate_bytes = 0;
  options.snapshots.txns_between = 1'000'000;
  return options;
}

class TestServer {
 public:
  explicit TestServer(Options server_options = test_options(), ServingRules serving_rules = {})
      : options(std::move(server_options)), rules(std::move(serving_rules)) {}

  // Empty, or why the directory was refused.
  std::string open() {
    auto opened =
        Replica::open(files, links_, host_, std::make_unique<consensus::Solo>(), options, time);
    if (!opened) return opened.error().text;
    replica = std::move(*opened);
    lane = &replica->add_lane();
    return {};
  }
  // The process dies: connections, and what was on its way to the disk, are gone.
  void kill() {
    connections.clear();
    replica.reset();
    files.kill();
  }

  std::shared_ptr<ClientConnection> connect(const std::string& address = "127.0.0.1") {
    return std::make_shared<ClientConnection>(*lane, rules, address, time.steady);
  }

  // The core's turn, and the disk's unless it is held, until nothing happens any more.
  void settle() {
    replica->advance(time);
    while (!holds_disk && !replica->failure() && io()) {
    }
    for (const auto& connection : std::exchange(lane->stirred, {})) connection->settle();
  }
  // One completed batch of either lane; false: there was none.
  bool io() {
    auto done = files.run(storage::IoLane::kLog);
    if (!done) done = files.run(storage::IoLane::kBackground);
    if (!done) return false;
    replica->io_done(done->token, done->result, time);
    if (replica->is_holding()) replica->hold_over(time);
    return true;
  }
  void pass(std::int64_t ms) {
    time.steady.value += ms;
    time.wall.value += ms;
  }
  // Time goes by in quarters of a tick, as it does in a server that is not stalled.
  void live(std::int64_t ms) {
    for (std::int64_t rest = ms; rest > 0; rest -= options.tick_ms / 4) {
      pass(std::min(rest, options.tick_ms / 4));
      replica->tick(time);
      settle();
    }
  }

  Options options;
  ServingRules rules;
  storage::MemoryFiles files;
  Time time{{1'000'000}, {1'700'000'000'000}};
  std::unique_ptr<Replica> replica;
  Lane* lane = nullptr;
  std::map<std::string, std::shared_ptr<ClientConnection>> connections;
  bool holds_disk = false;

 private:
  NoLinks links_;
  TestHost host_;
};

// The tree is not what the leader foretold: never.
inline bool has_digest_warning(const TestServer& server) {
  return std::ranges::any_of(server.replica->take_warnings(), [](const std::string& warning) {
    return warning.find("digest") != std::string::npos;
  });
}

inline Bytes framed(BytesView body) {
  Bytes frame;
  jute::append(frame, body);
  return frame;
}

inline Bytes request_frame(std::int32_t xid, const test::TestRequest& request) {
  return framed(jute::encode(jute::RequestHeader{xid, static_cast<std::int32_t>(request.type)}) +
                request.record);
}

inline Bytes connect_frame(std::int32_t timeout_ms, SessionId session = {},
                           NullableView password = "", Zxid last_zxid_seen = {},
                           BytesView read_only_byte = {"\0", 1}) {
  return framed(
      jute::encode(jute::ConnectRequest{0, last_zxid_seen, timeout_ms, session, password}) +
      Bytes(read_only_byte));
}

// A reply's body as text, by the type of its request.
inline std::string body_text(jute::OpCode type, BytesView body);

inline std::string multi_text(BytesView body) {
  using jute::OpCode;
  jute::Reader in(body);
  std::string text;
  while (true) {
    const auto header = jute::decode<jute::MultiHeader>(in);
    if (!header) return text + "\n  MALFORMED";
    if (header->done) return text;
    const auto type = static_cast<OpCode>(header->type);
    text += fmt::format("\n  {} {}", header->type,
                        test::name_of(static_cast<jute::ErrorCode>(header->err)));
    const std::size_t before = in.remaining();
    const BytesView rest = in.rest();
    if (type == OpCode::kError) (void)in.i32();
    if (type == OpCode::kCreate || type == OpCode::kCreate2) (void)in.view();
    if (type == OpCode::kGetData) (void)in.view();
    if (type == OpCode::kGetChildren) (void)jute::decode<std::vector<BytesView>>(in);
    if (type == OpCode::kCreate2 || type == OpCode::kSetData || type == OpCode::kGetData)
      (void)jute::decode<jute::Stat>(in);
    if (type != OpCode::kError) text += body_text(type, rest.substr(0, before - in.remaining()));
  }
}

inline std::string body_text(jute::OpCode type, BytesView body) {
  using jute::OpCode;
  jute::Reader in(body);
  const auto stat = [&] {
    const auto read = jute::decode<jute::Stat>(in);
    return read ? fmt::format(
                      " zxids=0x{:x},0x{:x},0x{:x} versions={},{},{} owner=0x{:x} length={} "
                      "children={}",
                      read->czxid.value, read->mzxid.value, read->pzxid.value, read->version,
                      read->cversion, read->aversion, read->ephemeral_owner, read->data_length,
                      read->num_children)
                : std::string(" NO STAT");
  };
  const auto names = [&] {
    auto list =
        jute::decode<std::vector<BytesView>>(in).value_or(std::vector<BytesView>{"MALFORMED"});
    std::ranges::sort(list);
    std::string text = " [";
    if (list.size() > 20) return fmt::format(" [{} names]", list.size());
    for (const BytesView name : list) text += (text.size() > 2 ? " " : "") + std::string(name);
    return text + "]";
  };
  std::string text;
  switch (type) {
    case OpCode::kCreate:
    case OpCode::kSync:
      text = " " + test::quoted(in.view());
      break;
    case OpCode::kCreate2:
    case OpCode::kCreateContainer:
    case OpCode::kCreateTtl:
    case OpCode::kGetData:
      text = " " + test::quoted(in.view());
      text += stat();
      break;
    case OpCode::kSetData:
    case OpCode::kSetAcl:
    case OpCode::kExists:
      text = stat();
      break;
    case OpCode::kGetAcl:
      text = " " + test::text_of(jute::decode<std::vector<jute::AclView>>(in).value_or(
                       std::vector<jute::AclView>{}));
      text += stat();
      break;
    case OpCode::kGetChildren:
    case OpCode::kGetEphemerals:
      text = names();
      break;
    case OpCode::kGetChildren2:
      text = names();
      text += stat();
      break;
    case OpCode::kGetAllChildrenNumber:
    case OpCode::kAddWatch:
      text = fmt::format(" {}", in.i32());
      break;
    case OpCode::kSasl:
      text = " " + test::quoted(in.view());
      break;
    case OpCode::kWhoAmI: {
      for (int count = in.i32(); count > 0 && in.ok(); --count) {
        text += ' ' + std::string(in.view().value_or("null"));
        text += ':' + std::string(in.view().value_or("null"));
      }
      break;
    }
    case OpCode::kMulti:
    case OpCode::kMultiRead:
      return multi_text(body);
    default:
      break;
  }
  if (!in.ok()) return text + " MALFORMED";
  if (in.remaining() > 0) text += fmt::format(" +{} bytes", in.remaining());
  return text;
}

// What transcripts say to a server. Requests are those of jute/test_requests.h, with an `xid=`:
//
//   open [server_option=…]           starts the server (again)
//   kill · power_cut · stop          ends it
//   connect <name> [timeout= session=<name> password=hex seen=zxid readonly=0|1|none from=address]
//   send <name>                      the requests below it, in one piece, then the server's turn
//   feed <name>                      the same, but the server gets no turn
//   raw <name> <hex> [chunk=bytes]   bytes as they are
//   drop <name>                      the client's end of the socket is closed
//   read <name>                      the client reads what was sent to it (after `deaf <name>`)
//   settle · hold_disk · release_disk · io · fail_flush · fail_write · capacity <bytes>
//   live <ms> · stall <ms>           time with and without ticks
//   state                            zxid, nodes, sessions, digest
//   files                            names in the data directory
class ServerTranscript {
 public:
  explicit ServerTranscript(Options options = test_options(), ServingRules rules = {})
      : server_(std::move(options), std::move(rules)) {}

  std::string run(const test::Command& command) {
    const auto found = hands().find(command.name);
    if (found == hands().end()) throw std::runtime_error("no such command: " + command.name);
    return (this->*found->second)(command);
  }
  [[nodiscard]] TestServer& server() { return server_; }

 private:
  using Hand = std::string (ServerTranscript::*)(const test::Command&);
  struct Client {
    std::shared_ptr<ClientConnection> connection;
    std::multimap<std::int32_t, jute::OpCode> asked;  // by xid
    Bytes unread;
    bool is_deaf = false;
    bool has_ended = false;
    bool is_welcomed = false;  // the connect response came
    SessionId session;
  };

  static const std::map<std::string, Hand>& hands() {
    using T = ServerTranscript;
    static const std::map<std::string, Hand> all{{"open", &T::open},
                                                 {"kill", &T::kill},
                                                 {"power_cut", &T::power_cut},
                                                 {"stop", &T::stop},
                                                 {"connect", &T::connect},
                                                 {"send", &T::send},
                                                 {"feed", &T::feed},
                                                 {"raw", &T::raw},
                                                 {"drop", &T::drop},
                                                 {"deaf", &T::deaf},
                                                 {"read", &T::read},
                                                 {"settle", &T::settle},
                                                 {"hold_disk", &T::hold_disk},
                                                 {"release_disk", &T::release_disk},
                                                 {"io", &T::io},
                                                 {"fail_flush", &T::fail_flush},
                                                 {"fail_write", &T::fail_write},
                                                 {"capacity", &T::capacity},
                                                 {"live", &T::live},
                                                 {"stall", &T::stall},
                                                 {"state", &T::state},
                                                 {"files", &T::files},
                                                 {"flood", &T::flood}};
    return all;
  }

  std::string open(const test::Command& command) {
    server_.options.tick_ms = command.number("tick", server_.options.tick_ms);
    server_.options.max_outstanding = static_cast<std::size_t>(
        command.number("outstanding", static_cast<std::int64_t>(server_.options.max_outstanding)));
    server_.options.snapshots.txns_between = static_cast<std::uint64_t>(command.number(
        "snap_count", static_cast<std::int64_t>(server_.options.snapshots.txns_between)));
    const std::string refusal = server_.open();
    if (!refusal.empty()) return "refused: " + refusal;
    std::string text = "open";
    for (const std::string& warning : server_.replica->recovery().warnings)
      text += "\nwarning: " + warning;
    return text;
  }
  std::string kill(const test::Command& /*command*/) {
    clients_.clear();
    server_.kill();
    return {};
  }
  std::string power_cut(const test::Command& /*command*/) {
    clients_.clear();
    server_.kill();
    server_.files.power_cut([](std::uint64_t) { return 0; });
    return {};
  }
  std::string stop(const test::Command& /*command*/) {
    const auto stopped = server_.replica->stop();
    std::string text = stopped ? "stopped" : stopped.error().text;
    clients_.clear();
    server_.kill();
    return text;
  }

  std::string connect(const test::Command& command) {
    const std::string& name = command.words.at(0);
    SessionId session;
    if (command.has("session")) {
      const auto known = sessions_.find(command.option("session"));
      session = known != sessions_.end() ? known->second : SessionId{command.number("session", 0)};
    }
    Bytes password = session.value == 0 ? Bytes(16, '\0') : session_password(session);
    if (command.has("password")) password = test::bytes_of_hex(command.option("password"));
    const std::string read_only = command.option("readonly", "0");
    const BytesView read_only_byte(read_only == "1" ? "\1" : "\0", read_only == "none" ? 0 : 1);
    Client& client = clients_[name] = Client{};
    client.connection = server_.connect(command.option("from", "127.0.0.1"));
    client.connection->receive(
        connect_frame(
            static_cast<std::int32_t>(command.number("timeout", 10000)), session,
            command.option("password") == "null" ? NullableView() : NullableView(password),
            {command.number("seen", 0)}, read_only_byte),
        server_.time.steady);
    return after();
  }
  std::string send(const test::Command& command) {
    feed(command);
    return after();
  }
  std::string feed(const test::Command& command) {
    Client& client = clients_.at(command.words.at(0));
    Bytes frames;
    for (const test::Command& part : command.parts) frames += frame_of(client, part);
    client.connection->receive(frames, server_.time.steady);
    return {};
  }
  Bytes frame_of(Client& client, const test::Command& part) {
    const test::TestRequest request = test::request_of(part);
    const auto xid = static_cast<std::int32_t>(part.number("xid", ++xid_));
    client.asked.emplace(request.type == jute::OpCode::kPing ? jute::kPingXid : xid, request.type);
    return request_frame(xid, request);
  }
  // flood <name> count=n: the one request below it, so many times
  std::string flood(const test::Command& command) {
    Client& client = clients_.at(command.words.at(0));
    Bytes frames;
    for (std::int64_t left = command.number("count", 1); left > 0; --left) {
      frames += frame_of(client, command.parts.at(0));
    }
    client.connection->receive(frames, server_.time.steady);
    return after();
  }
  std::string raw(const test::Command& command) {
    Bytes bytes;
    for (std::size_t i = 1; i < command.words.size(); ++i) {
      bytes += command.words[i].starts_with('"') ? *test::text_of(command.words[i])
                                                 : test::bytes_of_hex(command.words[i]);
    }
    Client& client = clients_[command.words.at(0)];
    if (!client.connection) client.connection = server_.connect();
    const auto chunk =
        static_cast<std::size_t>(command.number("chunk", static_cast<std::int64_t>(bytes.size())));
    for (std::size_t at = 0; at < bytes.size(); at += chunk) {
      client.connection->receive(BytesView(bytes).substr(at, chunk), server_.time.steady);
    }
    return after();
  }
  std::string drop(const test::Command& command) {
    clients_.at(command.words.at(0)).connection->disconnected();
    clients_.erase(command.words[0]);
    return after();
  }
  std::string deaf(const test::Command& command) {
    clients_.at(command.words.at(0)).is_deaf = true;
    return {};
  }
  std::string read(const test::Command& command) {
    clients_.at(command.words.at(0)).is_deaf = false;
    return after();
  }
  std::string settle(const test::Command& /*command*/) { return after(); }
  std::string hold_disk(const test::Command& /*command*/) {
    server_.holds_disk = true;
    return {};
  }
  std::string release_disk(const test::Command& /*command*/) {
    server_.holds_disk = false;
    return after();
  }
  std::string io(const test::Command& /*command*/) {
    const bool is_done = server_.io();
    return (is_done ? "" : "nothing to do\n") + after();
  }
  template <class Op>
  void fail_on(ErrorKind kind, const std::string& text) {
    server_.files.set_fault([kind, text](const storage::FileOp& op) {
      return std::holds_alternative<Op>(op) ? std::optional(Error{kind, text}) : std::nullopt;
    });
  }
  std::string fail_flush(const test::Command& /*command*/) {
    fail_on<storage::op::Flush>(ErrorKind::kIo, "the disk is gone");
    return {};
  }
  std::string fail_write(const test::Command& /*command*/) {
    fail_on<storage::op::Write>(ErrorKind::kIo, "the disk is gone");
    return {};
  }
  std::string capacity(const test::Command& command) {
    server_.files.set_fault({});
    server_.files.set_capacity(command.words.at(0) == "none" ? UINT64_MAX
                                                             : std::stoull(command.words[0]));
    return {};
  }
  std::string live(const test::Command& command) {
    server_.live(std::stoll(command.words.at(0)));
    return after();
  }
  std::string stall(const test::Command& command) {
    server_.pass(std::stoll(command.words.at(0)));
    server_.replica->tick(server_.time);
    return after();
  }
  std::string state(const test::Command& /*command*/) {
    const state::State& state = server_.replica->state();
    return fmt::format("zxid=0x{:x} nodes={} sessions={} digest={} outstanding={} watches={}",
                       state.applied().value, state.tree().node_count(), state.sessions().size(),
                       state.tree().digest(), server_.replica->outstanding(),
                       server_.lane->watches.watch_count());
  }
  std::string files(const test::Command& /*command*/) {
    std::string text;
    const auto entries = server_.files.list("/data/version-2");
    for (const auto& entry : *entries) text += entry.name + '\n';
    return text;
  }

  // The server's turn, then all that clients hear of it.
  std::string after() {
    server_.settle();
    std::string text;
    for (bool is_more = true; is_more;) {
      is_more = false;
      for (auto& [name, client] : clients_) {
        if (client.is_deaf) continue;
        if (!client.connection->word().empty()) client.connection->answer_word("imok");
        Bytes output = std::exchange(client.connection->output(), {});
        is_more |= !output.empty();
        client.unread += output;
        text += frames_of(name, client);
        client.connection->resume();
        if (client.connection->is_ending() && client.connection->output().empty() &&
            !client.has_ended) {
          client.has_ended = true;
          text += name + " < closed";
          if (!client.connection->complaint().empty())
            text += ": " + client.connection->complaint();
          text += '\n';
          client.connection->disconnected();
        }
      }
      server_.settle();
    }
    if (server_.replica->failure())
      text += "server failed: " + server_.replica->failure()->text + '\n';
    for (const std::string& warning : server_.replica->take_warnings())
      text += "warning: " + warning + '\n';
    return text;
  }
  std::string frames_of(const std::string& name, Client& client) {
    std::string text;
    jute::Reader in(client.unread);
    std::map<std::string, int> repeated;
    while (in.remaining() >= 4) {
      if (!client.is_welcomed && jute::load_big_endian<std::int32_t>(in.rest().data()) > 100) break;
      jute::Reader frame(in.view().value_or(""));
      const std::string line =
          client.is_welcomed ? reply_text(client, frame) : welcome_text(name, client, frame);
      text += name + " < " + line + '\n';
    }
    if (in.remaining() > 0) text += name + " < bytes " + test::quoted(in.rest()) + '\n';
    client.unread.clear();
    return text;
  }
  std::string welcome_text(const std::string& name, Client& client, jute::Reader& in) {
    const auto response = jute::decode<jute::ConnectResponse>(in);
    if (!response) return "MALFORMED";
    client.is_welcomed = true;
    client.session = response->session_id;
    std::string who = "refused";
    if (client.session.value != 0) {
      for (const auto& [known, id] : sessions_) {
        if (id == client.session) who = "session of " + known;
      }
      if (who == "refused") {
        sessions_[name] = client.session;
        who = "new session";
      }
      if (response->password != session_password(client.session)) who += " WRONG PASSWORD";
    }
    return fmt::format(
        "{} timeout={} {}", who, response->timeout_ms,
        in.remaining() == 1 ? "readonly=" + std::to_string(in.boolean()) : "no readonly byte");
  }
  std::string reply_text(Client& client, jute::Reader& in) {
    const auto header = jute::decode<jute::ReplyHeader>(in);
    if (!header) return "MALFORMED";
    const auto error = static_cast<jute::ErrorCode>(header->err);
    if (header->xid == jute::kNotificationXid) {
      const auto event = jute::decode<jute::WatcherEvent>(in);
      return event ? fmt::format("event {} {} zxid={}",
                                 test::name_of(static_cast<jute::EventType>(event->type)),
                                 event->path,
                                 header->zxid.value < 0 ? "-1" : test::hex_of(header->zxid.value))
                   : "MALFORMED EVENT";
    }
    const auto asked = client.asked.find(header->xid);
    const auto type = asked == client.asked.end() ? jute::OpCode::kNotification : asked->second;
    if (asked != client.asked.end()) client.asked.erase(asked);
    std::string text =
        fmt::format("{} {} zxid={}", header->xid, test::name_of(error),
                    header->zxid.value < 0 ? "-1" : test::hex_of(header->zxid.value));
    if (error == jute::ErrorCode::kOk || !in.rest().empty()) text += body_text(type, in.rest());
    // Ids hold the time, and are told by name.
    for (const auto& [known, id] : sessions_) {
      const std::string number = fmt::format("owner=0x{:x}", id.value);
      if (const std::size_t at = text.find(number); at != std::string::npos) {
        text.replace(at, number.size(), "owner=" + known);
      }
    }
    return text;
  }

  TestServer server_;
  std::map<std::string, Client> clients_;
  std::map<std::string, SessionId> sessions_;
  std::int32_t xid_ = 0;
};

}  // namespace synod::replica
