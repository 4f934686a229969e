// echo: the least a server can do: receive, look at a length, answer. One thread, epoll; prints its
// port.
//
//   frame: length u32 | answer u32 | anything      answer's low 31 bits: the length of the answer's
//   frame
//
// With answer's top bit set, the frame's bytes are appended to the file named on the command line
// and flushed before the answer leaves, once for all that came in one round of epoll: the least
// that a durable write can cost.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string>
#include <string_view>
#include <unordered_map>

#include "jute/codec.h"

namespace {

using synod::jute::load_big_endian;
using synod::jute::store_big_endian;

struct Connection {
  std::string in;
  std::string out;
};

class EchoServer {
 public:
  explicit EchoServer(int log) : log_(log) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    listen(listener_, 128);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    watch(listener_);
    std::printf("%d\n", ntohs(address.sin_port));
    std::fflush(stdout);
  }

  void serve() {
    std::array<epoll_event, 64> events;
    while (true) {
      const int ready = epoll_wait(epoll_, events.data(), events.size(), -1);
      for (int i = 0; i < ready; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == listener_)
          accept_one();
        else
          receive(fd);
      }
      if (!to_log_.empty()) flush_log();
      for (int i = 0; i < ready; ++i) answer(events[static_cast<std::size_t>(i)].data.fd);
    }
  }

 private:
  void watch(int fd) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void accept_one() {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connections_[fd];
    watch(fd);
  }

  void receive(int fd) {
    Connection& connection = connections_[fd];
    const ssize_t got = recv(fd, buffer_.data(), buffer_.size(), 0);
    if (got <= 0) {
      connections_.erase(fd);
      close(fd);
      return;
    }
    std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
    if (!connection.in.empty()) bytes = connection.in.append(bytes);
    while (bytes.size() >= 8) {
      const std::size_t size = 4 + load_big_endian<std::uint32_t>(bytes.data());
      if (bytes.size() < size) break;
      const auto word = load_big_endian<std::uint32_t>(bytes.data() + 4);
      add_answer(word & 0x7fff'ffffU, connection.out);
      if ((word >> 31) != 0) to_log_ += bytes.substr(0, size);
      bytes.remove_prefix(size);
    }
    connection.in = std::string(bytes);
  }

  static void add_answer(std::size_t length, std::string& out) {
    char head[4];
    store_big_endian(head, static_cast<std::uint32_t>(length));
    out.append(head, 4).append(length, 'a');
  }

  void flush_log() {
    if (write(log_, to_log_.data(), to_log_.size()) < 0 || fdatasync(log_) != 0)
      std::perror("echo");
    to_log_.clear();
  }

  // Blocking: a client that asks more than it reads would stop everybody, and load does not.
  void answer(int fd) {
    const auto found = connections_.find(fd);
    if (found == connections_.end() || found->second.out.empty()) return;
    std::string& out = found->second.out;
    if (send(fd, out.data(), out.size(), MSG_NOSIGNAL) < 0) std::perror("echo");
    out.clear();
  }

  int log_;
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  int listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::unordered_map<int, Connection> connections_;
  std::string to_log_;
  std::array<char, 256 * 1024> buffer_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "echo <file to append to>\n");
    return 2;
  }
  const int log = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) {
    std::perror(argv[1]);
    return 1;
  }
  static EchoServer server(log);
  server.serve();
}
