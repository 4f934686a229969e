// A connection thread: its event loop, its lane, its sockets.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "net/client_socket.h"
#include "replica/lane.h"

namespace synod::net {

class ClientLoop {
 public:
  struct Hooks {
    std::function<void()> submitted;                         // the core has work
    std::function<void(const std::string& address)> closed;  // a socket of this address is gone
    std::function<void(const std::string& address, const std::string& complaint)> complained;
    std::function<std::string(const std::string& word)>
        answer_word;  // a four-letter word; called without a lock
  };
  ClientLoop(replica::Lane& lane, const replica::ServingRules& rules,
             std::int64_t sessionless_timeout_ms, Hooks hooks);

  // From this loop's thread.
  void adopt(boost::asio::ip::tcp::socket socket, std::string address);
  void flush_stirred();
  void close_all();

  [[nodiscard]] boost::asio::io_context& io() { return io_; }
  [[nodiscard]] std::mutex& mutex() { return mutex_; }
  [[nodiscard]] replica::Lane& lane() { return lane_; }

 private:
  friend class ClientSocket;
  static constexpr std::size_t kReadBytes = 64 * 1024;

  void watch_for_silence();
  void forget(ClientSocket& socket);

  boost::asio::io_context io_{1};
  std::mutex mutex_;
  replica::Lane& lane_;
  const replica::ServingRules& rules_;
  std::int64_t sessionless_timeout_ms_;
  Hooks hooks_;
  boost::asio::steady_timer silence_timer_{io_};
  boost::unordered_flat_map<const replica::ClientConnection*, std::shared_ptr<ClientSocket>>
      sockets_;
  std::array<char, kReadBytes> read_buffer_;  // used within one handler only
};

}  // namespace synod::net
