// Clients by name, without sockets: what they would read is told as text.
#pragma once

#include <fmt/format.h>

#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "jute/test_requests.h"
#include "replica/client_connection.h"
#include "replica/frames.h"
#include "replica/session_password.h"

namespace synod::replica {

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
    case OpCode::kReconfig:
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

// What transcripts say to clients. Requests are those of jute/test_requests.h, with an `xid=`:
//
//   connect <name> [timeout= session=<name> password=hex seen=zxid readonly=0|1|none from=address]
//   send <name>                      the requests below it, in one piece, then the server's turn
//   feed <name>                      the same, but the server gets no turn
//   flood <name> count=n             the one request below it, so many times
//   raw <name> <hex> [chunk=bytes]   bytes as they are
//   drop <name>                      the client's end of the socket is closed
//   read <name>                      the client reads what was sent to it (after `deaf <name>`)
//   settle
class ClientTranscript {
 public:
  virtual ~ClientTranscript() = default;

  std::string run(const test::Command& command) {
    const auto found = hands().find(command.name);
    return found == hands().end() ? run_server(command) : (this->*found->second)(command);
  }

 protected:
  // The command may say to which server.
  virtual std::shared_ptr<ClientConnection> new_connection(const test::Command& command) = 0;
  virtual void settle_servers() = 0;
  [[nodiscard]] virtual SteadyTimeMs now() const = 0;
  // What the servers themselves have to say, in lines.
  virtual std::string complaints() = 0;
  virtual std::string run_server(const test::Command& command) = 0;

  // The servers' turn, then all that clients hear of it.
  std::string after() {
    settle_servers();
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
      settle_servers();
    }
    text += complaints();
    return text;
  }
  void forget_clients() { clients_.clear(); }
  // Those of one server, which is no more.
  template <class Predicate>
  void forget_clients(const Predicate& is_of_it) {
    std::erase_if(clients_, [&](const auto& client) { return is_of_it(client.second.connection); });
  }
  // Ids hold the time, and are told by name.
  [[nodiscard]] std::string named(std::string text) const {
    for (const auto& [known, id] : sessions_) {
      const std::string number = fmt::format("owner=0x{:x}", id.value);
      if (const std::size_t at = text.find(number); at != std::string::npos) {
        text.replace(at, number.size(), "owner=" + known);
      }
    }
    return text;
  }

 private:
  using Hand = std::string (ClientTranscript::*)(const test::Command&);
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
    using T = ClientTranscript;
    static const std::map<std::string, Hand> all{
        {"connect", &T::connect}, {"send", &T::send},     {"feed", &T::feed},
        {"raw", &T::raw},         {"drop", &T::drop},     {"deaf", &T::deaf},
        {"read", &T::read},       {"settle", &T::settle}, {"flood", &T::flood}};
    return all;
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
    client.connection = new_connection(command);
    client.connection->receive(
        connect_frame(
            static_cast<std::int32_t>(command.number("timeout", 10000)), session,
            command.option("password") == "null" ? NullableView() : NullableView(password),
            {command.number("seen", 0)}, read_only_byte),
        now());
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
    client.connection->receive(frames, now());
    return {};
  }
  Bytes frame_of(Client& client, const test::Command& part) {
    const test::TestRequest request = test::request_of(part);
    const auto xid = static_cast<std::int32_t>(part.number("xid", ++xid_));
    client.asked.emplace(request.type == jute::OpCode::kPing ? jute::kPingXid : xid, request.type);
    return request_frame(xid, request);
  }
  std::string flood(const test::Command& command) {
    Client& client = clients_.at(command.words.at(0));
    Bytes frames;
    for (std::int64_t left = command.number("count", 1); left > 0; --left) {
      frames += frame_of(client, command.parts.at(0));
    }
    client.connection->receive(frames, now());
    return after();
  }
  std::string raw(const test::Command& command) {
    Bytes bytes;
    for (std::size_t i = 1; i < command.words.size(); ++i) {
      bytes += command.words[i].starts_with('"') ? *test::text_of(command.words[i])
                                                 : test::bytes_of_hex(command.words[i]);
    }
    Client& client = clients_[command.words.at(0)];
    if (!client.connection) client.connection = new_connection(command);
    const auto chunk =
        static_cast<std::size_t>(command.number("chunk", static_cast<std::int64_t>(bytes.size())));
    for (std::size_t at = 0; at < bytes.size(); at += chunk) {
      client.connection->receive(BytesView(bytes).substr(at, chunk), now());
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
    return named(std::move(text));
  }

  std::map<std::string, Client> clients_;
  std::map<std::string, SessionId> sessions_;
  std::int32_t xid_ = 0;
};

}  // namespace synod::replica
