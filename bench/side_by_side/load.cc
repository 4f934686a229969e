// load: a client that costs little, so that two servers can be compared on one small machine. One
// thread, N connections, D outstanding requests on each; prints one line of JSON.
//
//   load --protocol zookeeper|resp|echo --port P[,P…] --op get|set|mixed|prepare
//        [--connections 32] [--depth 1] [--size 100] [--keys 1000] [--prefix /load] [--ops 100000]
//        [--warmup 0] [--server-pid PID[,PID…]] [--echo-durable 1]
//
// Connections are dealt to the ports in turn. With --server-pid it also reads what the measured
// operations cost those processes together (all threads, those that ended included): CPU time,
// context switches, bytes sent to the disk.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "jute/codec.h"
#include "jute/opcode.h"
#include "jute/records.h"

namespace {

using namespace synod;

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "load: %s\n", why.c_str());
  std::exit(1);
}

std::int64_t clock_ns(clockid_t clock) {
  timespec now{};
  if (clock_gettime(clock, &now) != 0) die("the server process is gone");
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

// ---- what a run is
// ----------------------------------------------------------------------------------

enum class Op { kGet, kSet, kParent, kCreate };

struct Options {
  std::string protocol = "zookeeper";
  std::string op = "get";
  std::string prefix = "/load";
  std::vector<int> ports;
  int connections = 32;
  int depth = 1;
  int size = 100;
  std::vector<int> server_pids;
  bool echo_durable = true;  // a set waits for a flush in the echo server too
  std::int64_t keys = 1000;
  std::int64_t ops = 100'000;
  std::int64_t warmup = 0;
};

Options parse(int argc, char** argv) {
  std::map<std::string, std::string, std::less<>> given;
  for (int i = 1; i + 1 < argc; i += 2) given[argv[i]] = argv[i + 1];
  if (argc % 2 == 0) die("options come in pairs: --name value");
  Options options;
  const auto text = [&](const char* name, std::string& into) {
    if (const auto found = given.extract(name)) into = found.mapped();
  };
  const auto number = [&](const char* name, auto& into) {
    if (const auto found = given.extract(name)) {
      into =
          static_cast<std::remove_reference_t<decltype(into)>>(std::atoll(found.mapped().c_str()));
    }
  };
  const auto numbers = [&](const char* name, std::vector<int>& into) {
    const auto found = given.extract(name);
    if (!found) return;
    std::istringstream words(found.mapped());
    for (std::string word; std::getline(words, word, ',');) into.push_back(std::atoi(word.c_str()));
  };
  text("--protocol", options.protocol);
  text("--op", options.op);
  text("--prefix", options.prefix);
  numbers("--port", options.ports);
  number("--connections", options.connections);
  number("--depth", options.depth);
  number("--size", options.size);
  numbers("--server-pid", options.server_pids);
  number("--echo-durable", options.echo_durable);
  number("--keys", options.keys);
  number("--ops", options.ops);
  number("--warmup", options.warmup);
  if (!given.empty()) die("unknown option " + given.begin()->first);
  return options;
}

// The nodes: a thousand to a parent, "<prefix>/0000/0000000".
std::string padded(std::int64_t number, std::size_t width) {
  const std::string digits = std::to_string(number);
  return std::string(width - std::min(width, digits.size()), '0') + digits;
}

std::string parent_name(const Options& options, std::int64_t parent) {
  return options.prefix + "/" + padded(parent, 4);
}

std::string key_name(const Options& options, std::int64_t key) {
  return parent_name(options, key / 1000) + "/" + padded(key, 7);
}

// ---- the three protocols
// ----------------------------------------------------------------------------

class Protocol {
 public:
  virtual ~Protocol() = default;
  // What opens and ends a connection; blocking, outside what is measured.
  virtual void open(int) {}
  virtual void close(int) {}
  virtual void request(Op op, std::string_view key, std::string_view data, std::string& out) = 0;
  // The size of the first reply in `in`, 0 while it is incomplete; dies if it is a refusal.
  virtual std::size_t reply(std::string_view in) = 0;
};

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) die("the server closed a connection");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string receive_exactly(int fd, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t got = 0; got < size;) {
    const ssize_t more = recv(fd, bytes.data() + got, size - got, 0);
    if (more <= 0) die("the server closed a connection");
    got += static_cast<std::size_t>(more);
  }
  return bytes;
}

class ZooKeeper final : public Protocol {
 public:
  void open(int fd) override {
    std::string frame;
    const jute::ConnectRequest request{.protocol_version = 0,
                                       .last_zxid_seen = {},
                                       .timeout_ms = 30'000,
                                       .session_id = {},
                                       .password = std::string_view(kNoPassword, 16)};
    framed(frame, request);
    frame.push_back('\0');  // read-only: no
    jute::store_big_endian(frame.data(), static_cast<std::int32_t>(frame.size() - 4));
    send_all(fd, frame);
    const auto size = jute::load_big_endian<std::int32_t>(receive_exactly(fd, 4).data());
    const std::string body = receive_exactly(fd, static_cast<std::size_t>(size));
    if (jute::load_big_endian<std::int32_t>(body.data() + 4) <= 0)
      die("the server refused a session");
  }

  void close(int fd) override {
    std::string frame;
    framed(frame,
           jute::RequestHeader{.xid = 1, .type = static_cast<int>(jute::OpCode::kCloseSession)});
    send_all(fd, frame);
    receive_exactly(fd, 20);
  }

  void request(Op op, std::string_view key, std::string_view data, std::string& out) override {
    const auto header = [this](jute::OpCode code) {
      xid_ = xid_ % 1'000'000'000 + 1;
      return jute::RequestHeader{.xid = xid_, .type = static_cast<int>(code)};
    };
    switch (op) {
      case Op::kGet:
        return framed(out, header(jute::OpCode::kGetData), jute::PathWatchRequest{.path = key});
      case Op::kSet:
        return framed(out, header(jute::OpCode::kSetData),
                      jute::SetDataRequest{.path = key, .data = data, .version = -1});
      case Op::kParent:
      case Op::kCreate:
        return framed(
            out, header(jute::OpCode::kCreate),
            jute::CreateRequest{
                .path = key, .data = data, .acl = {{{jute::perms::kAll, "world", "anyone"}}}});
    }
  }

  std::size_t reply(std::string_view in) override {
    if (in.size() < 4) return 0;
    const std::size_t size = 4 + jute::load_big_endian<std::uint32_t>(in.data());
    if (in.size() < size) return 0;
    if (size < 20) die("a reply of " + std::to_string(size) + " bytes");
    const auto error = jute::load_big_endian<std::int32_t>(in.data() + 16);
    if (error != 0 && error != static_cast<int>(jute::ErrorCode::kNodeExists)) {
      die("the server answered with error " + std::to_string(error));
    }
    return size;
  }

 private:
  static constexpr char kNoPassword[17] = {};

  void framed(std::string& out, const auto&... records) {
    const std::size_t start = out.size();
    out.append(4, '\0');
    jute::Writer writer(out);
    (jute::write(writer, records), ...);
    jute::store_big_endian(out.data() + start, static_cast<std::int32_t>(out.size() - start - 4));
  }

  std::int32_t xid_ = 0;
};

class Resp final : public Protocol {
 public:
  void request(Op op, std::string_view key, std::string_view data, std::string& out) override {
    out += op == Op::kGet ? "*2\r\n$3\r\nGET\r\n" : "*3\r\n$3\r\nSET\r\n";
    bulk(key, out);
    if (op != Op::kGet) bulk(data, out);
  }

  std::size_t reply(std::string_view in) override {
    const std::size_t line = in.find("\r\n");
    if (line == std::string_view::npos) return 0;
    if (in[0] == '+') return line + 2;
    if (in[0] != '$' || in[1] == '-') die("Redis answered " + std::string(in.substr(0, line)));
    std::size_t length = 0;
    std::from_chars(in.data() + 1, in.data() + line, length);
    const std::size_t size = line + 2 + length + 2;
    return in.size() < size ? 0 : size;
  }

 private:
  static void bulk(std::string_view bytes, std::string& out) {
    out += '$';
    out += std::to_string(bytes.size());
    out.append("\r\n").append(bytes).append("\r\n");
  }
};

// Frames of the sizes ZooKeeper's would have; what the words mean is in echo.cc.
class Echo final : public Protocol {
 public:
  Echo(int size, bool durable) : data_size_(static_cast<std::size_t>(size)), durable_(durable) {}

  void request(Op op, std::string_view key, std::string_view data, std::string& out) override {
    const bool is_get = op == Op::kGet;
    const std::size_t body = 8 + 4 + key.size() + (is_get ? 1 : 4 + data.size() + 4);
    const std::size_t answer = 16 + 68 + (is_get ? 4 + data_size_ : 0);
    char words[8];
    jute::store_big_endian(words, static_cast<std::uint32_t>(body));
    jute::store_big_endian(
        words + 4, static_cast<std::uint32_t>(answer) | (is_get || !durable_ ? 0U : 1U << 31));
    out.append(words, 8).append(body - 4, 'e');
  }

  std::size_t reply(std::string_view in) override {
    if (in.size() < 4) return 0;
    const std::size_t size = 4 + jute::load_big_endian<std::uint32_t>(in.data());
    return in.size() < size ? 0 : size;
  }

 private:
  std::size_t data_size_;
  bool durable_;
};

std::unique_ptr<Protocol> make_protocol(const Options& options) {
  if (options.protocol == "zookeeper") return std::make_unique<ZooKeeper>();
  if (options.protocol == "resp") return std::make_unique<Resp>();
  if (options.protocol == "echo") return std::make_unique<Echo>(options.size, options.echo_durable);
  die("no protocol " + options.protocol);
}

// ---- what a process has cost so far
// -----------------------------------------------------------------

struct Cost {
  std::int64_t cpu_ns = 0;
  std::int64_t switches = 0;
  std::int64_t disk_bytes = 0;
};

std::int64_t sum_of(const std::filesystem::path& file, std::string_view key_suffix) {
  std::ifstream in(file);
  std::int64_t sum = 0;
  for (std::string line; std::getline(in, line);) {
    const std::size_t colon = line.find(':');
    if (colon != std::string::npos &&
        std::string_view(line).substr(0, colon).ends_with(key_suffix)) {
      sum += std::atoll(line.c_str() + colon + 1);
    }
  }
  return sum;
}

void add_cost_of(int pid, Cost& cost) {
  clockid_t clock{};
  if (clock_getcpuclockid(pid, &clock) != 0) die("no process " + std::to_string(pid));
  cost.cpu_ns += clock_ns(clock);
  const std::filesystem::path process = "/proc/" + std::to_string(pid);
  cost.disk_bytes +=
      sum_of(process / "io", "write_bytes") - sum_of(process / "io", "cancelled_write_bytes");
  for (const auto& task : std::filesystem::directory_iterator(process / "task")) {
    cost.switches +=
        sum_of(task.path() / "status", "voluntary_ctxt_switches");  // and nonvoluntary_
  }
}

Cost cost_of(const std::vector<int>& pids) {
  Cost cost;
  for (const int pid : pids) add_cost_of(pid, cost);
  return cost;
}

// ---- the load
// ---------------------------------------------------------------------------------------

struct Connection {
  int fd = -1;
  std::string in;   // the beginning of a reply that has not come whole
  std::string out;  // what the socket would not take yet
  std::deque<std::int64_t> sent_ns;
};

struct Phase {
  std::string op;
  std::int64_t total = 0;
  std::int64_t issued = 0;
  std::int64_t done = 0;
  std::vector<std::uint32_t> latencies_ns{};
};

class Load {
 public:
  explicit Load(const Options& options)
      : options_(options),
        protocol_(make_protocol(options)),
        data_(static_cast<std::size_t>(options.size), 'd') {
    connections_.resize(static_cast<std::size_t>(options.connections));
    for (std::size_t i = 0; i < connections_.size(); ++i) connect_one(i);
  }

  ~Load() {
    for (Connection& connection : connections_) {
      fcntl(connection.fd, F_SETFL, 0);
      protocol_->close(connection.fd);
      close(connection.fd);
    }
    close(epoll_);
  }

  // Issues all of the phase's requests and waits for every reply.
  void run(Phase& phase) {
    phase.latencies_ns.reserve(static_cast<std::size_t>(phase.total));
    for (Connection& connection : connections_) issue(phase, connection, options_.depth);
    std::array<epoll_event, 64> events;
    while (phase.done < phase.total) {
      const int ready = epoll_wait(epoll_, events.data(), events.size(), kStallMs);
      if (ready == 0) die("no reply for " + std::to_string(kStallMs / 1000) + " s");
      for (int i = 0; i < ready; ++i) {
        Connection& connection = connections_[events[static_cast<std::size_t>(i)].data.u64];
        if ((events[static_cast<std::size_t>(i)].events & EPOLLOUT) != 0) flush(connection);
        receive(phase, connection);
      }
    }
  }

 private:
  static constexpr int kStallMs = 60'000;

  void connect_one(std::size_t index) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port =
        htons(static_cast<std::uint16_t>(options_.ports[index % options_.ports.size()]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      die("nobody listens");
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    protocol_->open(fd);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    connections_[index].fd = fd;
    epoll_event event{.events = EPOLLIN, .data = {.u64 = index}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  // xorshift64: the same keys in the same order for every server.
  std::int64_t random_key() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return static_cast<std::int64_t>(random_ % static_cast<std::uint64_t>(options_.keys));
  }

  void issue(Phase& phase, Connection& connection, std::int64_t count) {
    count = std::min(count, phase.total - phase.issued);
    const std::int64_t now = clock_ns(CLOCK_MONOTONIC);
    for (std::int64_t i = 0; i < count; ++i, ++phase.issued) {
      add_request(phase, connection.out);
      connection.sent_ns.push_back(now);
    }
    if (count > 0) flush(connection);
  }

  void add_request(const Phase& phase, std::string& out) {
    if (phase.op == "root") return protocol_->request(Op::kParent, options_.prefix, "", out);
    if (phase.op == "parent")
      return protocol_->request(Op::kParent, parent_name(options_, phase.issued), "", out);
    if (phase.op == "create")
      return protocol_->request(Op::kCreate, key_name(options_, phase.issued), data_, out);
    const std::string key = key_name(options_, random_key());
    const bool is_get = phase.op == "get" || (phase.op == "mixed" && phase.issued % 10 != 0);
    protocol_->request(is_get ? Op::kGet : Op::kSet, key, data_, out);
  }

  void flush(Connection& connection) {
    if (connection.out.empty()) return;
    const ssize_t sent =
        send(connection.fd, connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) die("the server closed a connection");
    connection.out.erase(0, sent < 0 ? 0 : static_cast<std::size_t>(sent));
    const auto index = static_cast<std::size_t>(&connection - connections_.data());
    if (!connection.out.empty() || waits_to_write_.contains(index))
      want_writable(index, !connection.out.empty());
  }

  void want_writable(std::size_t index, bool wanted) {
    if (wanted == waits_to_write_.contains(index)) return;
    epoll_event event{.events = EPOLLIN | (wanted ? EPOLLOUT : 0U), .data = {.u64 = index}};
    epoll_ctl(epoll_, EPOLL_CTL_MOD, connections_[index].fd, &event);
    if (wanted)
      waits_to_write_.insert(index);
    else
      waits_to_write_.erase(index);
  }

  void receive(Phase& phase, Connection& connection) {
    const ssize_t got = recv(connection.fd, buffer_.data(), buffer_.size(), 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) die("the server closed a connection");
    std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
    if (!connection.in.empty()) bytes = connection.in.append(bytes);
    const std::int64_t now = clock_ns(CLOCK_MONOTONIC);
    std::int64_t replies = 0;
    while (const std::size_t size = bytes.empty() ? 0 : protocol_->reply(bytes)) {
      bytes.remove_prefix(size);
      if (connection.sent_ns.empty()) die("a reply to no request");
      const std::int64_t latency = now - connection.sent_ns.front();
      phase.latencies_ns.push_back(
          static_cast<std::uint32_t>(std::min<std::int64_t>(latency, UINT32_MAX)));
      connection.sent_ns.pop_front();
      ++replies;
    }
    connection.in = std::string(bytes);
    phase.done += replies;
    issue(phase, connection, replies);
  }

  Options options_;
  std::unique_ptr<Protocol> protocol_;
  std::string data_;
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  std::vector<Connection> connections_;
  std::set<std::size_t> waits_to_write_;
  std::array<char, 256 * 1024> buffer_;
  std::uint64_t random_ = 88172645463325252ULL;
};

double percentile_us(const std::vector<std::uint32_t>& sorted, double part) {
  return sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))] / 1000.0;
}

void prepare(Load& load, const Options& options) {
  Phase root{.op = "root", .total = 1};
  Phase parents{.op = "parent", .total = (options.keys + 999) / 1000};
  Phase nodes{.op = "create", .total = options.keys};
  load.run(root);
  load.run(parents);
  load.run(nodes);
}

void measure(Load& load, const Options& options) {
  Phase warmup{.op = options.op, .total = options.warmup};
  load.run(warmup);
  Phase phase{.op = options.op, .total = options.ops};
  const Cost before = cost_of(options.server_pids);
  const std::int64_t own_before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  const std::int64_t began = clock_ns(CLOCK_MONOTONIC);
  load.run(phase);
  const std::int64_t took = clock_ns(CLOCK_MONOTONIC) - began;
  const std::int64_t own = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own_before;
  const Cost after = cost_of(options.server_pids);

  std::sort(phase.latencies_ns.begin(), phase.latencies_ns.end());
  const auto ops = static_cast<double>(options.ops);
  std::printf(
      "{\"ops_per_s\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": "
      "%.1f, "
      "\"server_cpu_us\": %.3f, \"server_switches\": %.3f, \"server_disk_bytes\": %.1f, "
      "\"load_cpu_us\": %.3f}\n",
      ops * 1e9 / static_cast<double>(took), percentile_us(phase.latencies_ns, 0.5),
      percentile_us(phase.latencies_ns, 0.99), percentile_us(phase.latencies_ns, 0.999),
      percentile_us(phase.latencies_ns, 1.0),
      static_cast<double>(after.cpu_ns - before.cpu_ns) / ops / 1000,
      static_cast<double>(after.switches - before.switches) / ops,
      static_cast<double>(after.disk_bytes - before.disk_bytes) / ops,
      static_cast<double>(own) / ops / 1000);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  if (options.ports.empty()) die("--port is missing; the head of load.cc lists the options");
  if (options.connections < 1 || options.depth < 1 || options.ops < 1 || options.keys < 1)
    die("nothing to do");
  const auto load = std::make_unique<Load>(options);
  if (options.op == "prepare")
    prepare(*load, options);
  else
    measure(*load, options);
}
