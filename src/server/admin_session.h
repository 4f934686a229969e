// A short session with a server, for the operator's commands: read the membership, change it. Works
// with any ZooKeeper server.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

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
  [[nodiscard]] static Outcome<Config> config_in(const Reply& reply);
  [[nodiscard]] Failure broken() const;

  std::unique_ptr<Stream> stream_;  // null: moved from
  std::int32_t last_xid_ = 0;
};

}  // namespace synod::server
