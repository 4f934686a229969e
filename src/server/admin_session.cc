#include "server/admin_session.h"

#include <fmt/format.h>

#include <utility>

namespace synod::server {
namespace {

using jute::ErrorCode;
using jute::OpCode;

constexpr BytesView kConfigPath = "/zookeeper/config";
constexpr std::int32_t kSessionTimeoutMs = 10'000;
constexpr std::int32_t kAuthXid = -4;
constexpr std::size_t kReplyBytesMax = std::size_t{16} << 20;
constexpr std::size_t kPasswordBytes = 16;

template <class Request>
Bytes message_of(std::int32_t xid, OpCode type, const Request& request) {
  Bytes message =
      jute::encode(jute::RequestHeader{.xid = xid, .type = static_cast<std::int32_t>(type)});
  jute::append(message, request);
  return message;
}

}  // namespace

AdminSession::Outcome<AdminSession> AdminSession::open(const ServerAddress& address,
                                                       std::chrono::milliseconds patience) {
  auto stream = std::make_unique<Stream>();
  stream->expires_after(patience);
  stream->connect(address.host, address.port);
  if (!*stream) return std::unexpected(Failure{{}, stream->error().message()});
  AdminSession session(std::move(stream));
  if (auto connected = session.connect(); !connected) return std::unexpected(connected.error());
  return session;
}

// The server need not wait for the session to end by itself. Nobody waits for the answer.
AdminSession::~AdminSession() {
  if (!stream_ || !*stream_) return;
  send(jute::encode(jute::RequestHeader{.xid = ++last_xid_,
                                        .type = static_cast<std::int32_t>(OpCode::kCloseSession)}));
}

AdminSession::Outcome<void> AdminSession::connect() {
  const Bytes password(kPasswordBytes, '\0');
  Bytes request = jute::encode(jute::ConnectRequest{.protocol_version = 0,
                                                    .last_zxid_seen = {},
                                                    .timeout_ms = kSessionTimeoutMs,
                                                    .session_id = {},
                                                    .password = password});
  request.push_back('\0');  // read-only servers are of no use
  send(request);
  const auto answer = receive();
  if (!answer) return std::unexpected(answer.error());
  const auto response = jute::decode<jute::ConnectResponse>(*answer);
  if (!response || response->session_id.value == 0)
    return std::unexpected(Failure{{}, "it gave no session"});
  session_ = response->session_id;
  return {};
}

AdminSession::Outcome<void> AdminSession::authenticate(std::string_view scheme,
                                                       std::string_view credential) {
  const auto reply = call(kAuthXid, OpCode::kAuth,
                          jute::AuthPacket{.type = 0, .scheme = scheme, .auth = credential});
  if (!reply) return std::unexpected(reply.error());
  if (reply->header.err == 0) return {};
  return std::unexpected(Failure{ErrorCode::kAuthFailed,
                                 fmt::format("it does not accept that {} credential", scheme)});
}

AdminSession::Outcome<AdminSession::Config> AdminSession::config() {
  const auto synced = call(++last_xid_, OpCode::kSync, jute::PathRecord{kConfigPath});
  if (!synced) return std::unexpected(synced.error());
  const auto reply =
      call(++last_xid_, OpCode::kGetData, jute::PathWatchRequest{kConfigPath, false});
  if (!reply) return std::unexpected(reply.error());
  return config_in(*reply);
}

AdminSession::Outcome<void> AdminSession::sync() {
  const auto synced = call(++last_xid_, OpCode::kSync, jute::PathRecord{"/"});
  if (!synced) return std::unexpected(synced.error());
  if (synced->header.err == 0) return {};
  return std::unexpected(Failure{static_cast<ErrorCode>(synced->header.err),
                                 fmt::format("error {} to a sync", synced->header.err)});
}

AdminSession::Outcome<std::vector<AdminSession::Node>> AdminSession::read(
    const std::vector<std::string>& paths) {
  Bytes requests;
  std::int32_t answered = last_xid_;
  const auto ask = [&](OpCode type, const auto& request) {
    // A frame is encoded as a buffer is.
    jute::append(requests, BytesView(message_of(++last_xid_, type, request)));
  };
  for (const std::string& path : paths) {
    ask(OpCode::kExists, jute::PathWatchRequest{path, false});
    ask(OpCode::kGetData, jute::PathWatchRequest{path, false});
    ask(OpCode::kGetAcl, jute::PathRecord{path});
    ask(OpCode::kGetChildren, jute::PathWatchRequest{path, false});
  }
  stream_->write(requests.data(), static_cast<std::streamsize>(requests.size()));
  stream_->flush();
  std::vector<Node> nodes;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    auto node = read_answers(answered);
    if (!node) return std::unexpected(node.error());
    nodes.push_back(std::move(*node));
  }
  return nodes;
}

// To the four requests of one path. It may come or go between two of them: what exists said counts.
AdminSession::Outcome<AdminSession::Node> AdminSession::read_answers(std::int32_t& answered) {
  const auto exists = reply_to(++answered);
  const auto data = reply_to(++answered);
  const auto acl = reply_to(++answered);
  const auto children = reply_to(++answered);
  for (const auto* reply : {&exists, &data, &acl, &children})
    if (!*reply) return std::unexpected(reply->error());
  Node node;
  const auto stat = jute::decode<jute::Stat>(exists->body);
  if (exists->header.err != 0 || !stat) return node;
  node.is_there = true;
  node.stat = *stat;
  constexpr auto kNoAuth = static_cast<std::int32_t>(ErrorCode::kNoAuth);
  for (const auto* reply : {&data, &acl, &children})
    node.is_hidden = node.is_hidden || (*reply)->header.err == kNoAuth;
  if (data->header.err == 0) {
    jute::Reader in(data->body);
    if (const NullableView bytes = in.view()) node.data = Bytes(*bytes);
  }
  if (acl->header.err == 0) {
    jute::Reader in(acl->body);
    const auto list = jute::decode<std::vector<jute::AclView>>(in);
    if (list) node.acl = jute::encode(*list);
  }
  if (children->header.err == 0) {
    const auto names = jute::decode<std::vector<std::string>>(children->body);
    if (names) node.children = *names;
  }
  return node;
}

AdminSession::Outcome<AdminSession::Config> AdminSession::reconfigure(
    const jute::ReconfigRequest& request) {
  const auto reply = call(++last_xid_, OpCode::kReconfig, request);
  if (!reply) return std::unexpected(reply.error());
  return config_in(*reply);
}

AdminSession::Outcome<AdminSession::Config> AdminSession::config_in(const Reply& reply) {
  if (reply.header.err != 0) {
    return std::unexpected(Failure{static_cast<ErrorCode>(reply.header.err),
                                   fmt::format("error {}", reply.header.err)});
  }
  jute::Reader in(reply.body);
  const NullableView text = in.view();
  const auto stat = jute::decode<jute::Stat>(in);
  if (!stat) return std::unexpected(Failure{{}, "its answer is no membership"});
  return Config{Bytes(text.value_or("")), *stat, reply.header.zxid};
}

template <class Request>
AdminSession::Outcome<AdminSession::Reply> AdminSession::call(std::int32_t xid, OpCode type,
                                                              const Request& request) {
  send(message_of(xid, type, request));
  return reply_to(xid);
}

AdminSession::Outcome<AdminSession::Reply> AdminSession::reply_to(std::int32_t xid) {
  while (true) {
    const auto frame = receive();
    if (!frame) return std::unexpected(frame.error());
    jute::Reader in(*frame);
    const auto header = jute::decode<jute::ReplyHeader>(in);
    if (!header) return std::unexpected(Failure{{}, "it answers what is no reply"});
    if (header->xid == xid) return Reply{*header, Bytes(in.rest())};
  }
}

void AdminSession::send(BytesView message) {
  char length[4];
  jute::store_big_endian(length, static_cast<std::int32_t>(message.size()));
  stream_->write(length, sizeof length);
  stream_->write(message.data(), static_cast<std::streamsize>(message.size()));
  stream_->flush();
}

AdminSession::Outcome<Bytes> AdminSession::receive() {
  char length[4];
  stream_->read(length, sizeof length);
  if (!*stream_) return std::unexpected(broken());
  const auto size = static_cast<std::size_t>(jute::load_big_endian<std::uint32_t>(length));
  if (size > kReplyBytesMax) return std::unexpected(Failure{{}, "it answers what is no reply"});
  Bytes frame(size, '\0');
  stream_->read(frame.data(), static_cast<std::streamsize>(size));
  if (!*stream_) return std::unexpected(broken());
  return frame;
}

AdminSession::Failure AdminSession::broken() const {
  const boost::system::error_code error = stream_->error();
  if (!error || error == boost::asio::error::eof) return {{}, "it closed the connection"};
  if (error == boost::asio::error::operation_aborted || error == boost::asio::error::timed_out)
    return {{}, "no answer in time"};
  return {{}, error.message()};
}

}  // namespace synod::server
