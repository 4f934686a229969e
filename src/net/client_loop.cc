#include "net/client_loop.h"

#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>
#include <vector>

#include "net/clock.h"

namespace synod::net {

using boost::asio::ip::tcp;

ClientLoop::ClientLoop(replica::Lane& lane, const replica::ServingRules& rules,
                       std::int64_t sessionless_timeout_ms, Hooks hooks)
    : lane_(lane),
      rules_(rules),
      sessionless_timeout_ms_(sessionless_timeout_ms),
      hooks_(std::move(hooks)) {
  watch_for_silence();
}

void ClientLoop::adopt(tcp::socket socket, std::string address) {
  const auto connection =
      std::make_shared<replica::ClientConnection>(lane_, rules_, address, steady_now());
  auto client =
      std::make_shared<ClientSocket>(*this, std::move(socket), std::move(address), connection);
  sockets_.emplace(connection.get(), client);
  client->start();
}

void ClientLoop::flush_stirred() {
  std::vector<std::shared_ptr<replica::ClientConnection>> stirred;
  {
    const std::scoped_lock lock(mutex_);
    stirred = std::exchange(lane_.stirred, {});
    for (const auto& connection : stirred) connection->settle();
  }
  for (const auto& connection : stirred) {
    const auto found = sockets_.find(connection.get());
    if (found == sockets_.end()) continue;
    const auto socket = found->second;  // flushing may close it, and so drop it from the table
    socket->flush();
  }
}

void ClientLoop::close_all() {
  silence_timer_.cancel();
  std::vector<std::shared_ptr<ClientSocket>> open;
  for (const auto& [connection, socket] : sockets_) open.push_back(socket);
  for (const auto& socket : open) socket->close();
}

// Closes sockets that never sent a connect request.
void ClientLoop::watch_for_silence() {
  silence_timer_.expires_after(
      std::chrono::milliseconds(std::max<std::int64_t>(sessionless_timeout_ms_ / 4, 10)));
  silence_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    std::vector<std::shared_ptr<ClientSocket>> silent;
    {
      const std::scoped_lock lock(mutex_);
      const std::int64_t now = steady_now().value;
      for (const auto& [connection, socket] : sockets_) {
        if (!connection->has_session() &&
            now - connection->last_heard().value > sessionless_timeout_ms_) {
          silent.push_back(socket);
        }
      }
    }
    for (const auto& socket : silent) socket->close();
    watch_for_silence();
  });
}

void ClientLoop::forget(ClientSocket& socket) {
  hooks_.closed(socket.address());
  sockets_.erase(&socket.connection());
}

}  // namespace synod::net
