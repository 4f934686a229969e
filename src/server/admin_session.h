// A short session with a server, for the operator's commands: read the membership, change it, read
// nodes. Works with any ZooKeeper server.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jute/opcode.h"
#include "jute/records.h"
#include "server/ask_server.h"

namespace synod::server {

class AdminSession {
 public:
  struct Failure {
    std::optional<jute::ErrorCode> code;  // none: the connection failed, and nothing is known
    std::string text;
  };
  template <class T>
  using Outcome = std::expected<T, Failure>;

  struct Config {
    std::string text;  // of /zookeeper/config
    jute::Stat stat;
    Zxid seen;  // what the server had applied
  };

  // A node as far as this session may see it: what it may not is missing, and the error says so.
  struct Node {
    bool is_there = false;
    bool is_hidden = false;  // NOAUTH to its data, access list or children
    jute::Stat stat;
    std::optional<Bytes> data;
    Bytes acl;  // as the server encodes it
    std::vector<std::string> children;
  };

  // All calls block, and together no longer than `patience`.
  [[nodiscard]] static Outcome<AdminSession> open(const ServerAddress& address,
                                                  std::chrono::milliseconds patience);
  AdminSession(AdminSession&&) = default;
  AdminSession& operator=(AdminSession&&) = default;
  ~AdminSession();

  // As a client's addauth: digest and user:password, for one.
  [[nodiscard]] Outcome<void> authenticate(std::string_view scheme, std::string_view credential);
  // As new as a sync makes it.
  [[nodiscard]] Outcome<Config> config();
  [[nodiscard]] Outcome<Config> reconfigure(const jute::ReconfigRequest& request);

  // What is read afterwards is as new as everything that was committed before.
  [[nodiscard]] Outcome<void> sync();
  // In the order of the paths, all asked for at once: a few hundred of them, not more.
  [[nodiscard]] Outcome<std::vector<Node>> read(const std::vector<std::string>& paths);
  // The calls that follow have so long together.
  void be_patient(std::chrono::milliseconds patience) { stream_->expires_after(patience); }

  // Who gave the session: ZooKeeper's session ids begin with the server's number.
  [[nodiscard]] ServerId server() const {
    return {static_cast<std::int64_t>(static_cast<std::uint64_t>(session_.value) >> 56)};
  }

 private:
  using Stream = boost::asio::ip::tcp::iostream;
  explicit AdminSession(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}

  struct Reply {
    jute::ReplyHeader header;
    Bytes body;
  };
  [[nodiscard]] Outcome<void> connect();
  void send(BytesView message);
  [[nodiscard]] Outcome<Bytes> receive();
  template <class Request>
  [[nodiscard]] Outcome<Reply> call(std::int32_t xid, jute::OpCode type, const Request& request);
  [[nodiscard]] Outcome<Reply> reply_to(std::int32_t xid);
  [[nodiscard]] Outcome<Node> read_answers(std::int32_t& answered);
  [[nodiscard]] static Outcome<Config> config_in(const Reply& reply);
  [[nodiscard]] Failure broken() const;

  std::unique_ptr<Stream> stream_;  // null: moved from
  std::int32_t last_xid_ = 0;
  SessionId session_;
};

}  // namespace synod::server
