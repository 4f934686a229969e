#include "server/passing_observer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>

#include "consensus/membership.h"
#include "server/admin_session.h"

namespace synod::server {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using boost::asio::ip::tcp;
using std::chrono::milliseconds;

constexpr milliseconds kForOneAnswer{5000};
constexpr milliseconds kBetweenLooks{200};
constexpr std::size_t kLogTailBytes = 1500;

struct Ensemble {
  consensus::Membership membership;
  std::string engine;
  Zxid seen;
};

std::unexpected<Error> refuse(std::string text) {
  return fail(ErrorKind::kRefused, std::move(text));
}

Result<Ensemble> ask(const ServerAddress& address) {
  const std::string name = address.host + ":" + address.port;
  auto session = AdminSession::open(address, kForOneAnswer);
  if (!session) return refuse(name + ": " + session.error().text);
  const auto config = session->config();
  if (!config) return refuse(name + ": /zookeeper/config: " + config.error().text);
  auto membership = consensus::Membership::parse(config->text);
  if (!membership)
    return refuse(name +
                  ": runs alone, or says nothing of its ensemble in /zookeeper/config: take the "
                  "backup from its files");
  std::string ignored;
  const Answer answer = ask_server(address, kForOneAnswer, ignored);
  const std::string_view engine = value_of(answer, "consensus");
  if (engine == "omnipaxos")
    return refuse(name +
                  ": Omni-Paxos lets nobody in whom its configuration does not name: take the "
                  "backup from a server's files");
  return Ensemble{*std::move(membership), engine == "-" ? "zab" : std::string(engine),
                  config->seen};
}

// A number that is nobody's, and the highest: the one with the lower waits to be called, and nobody
// could call this one.
Result<ServerId> free_number(const consensus::Membership& membership) {
  for (std::int64_t id = consensus::kMaxServerId; id > 0; --id)
    if (!membership.members.contains(ServerId{id})) return ServerId{id};
  return refuse("all numbers are taken");
}

Result<std::array<int, 3>> free_ports() {
  try {
    boost::asio::io_context io;
    const auto any = [&] {
      return tcp::acceptor(io, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
    };
    const std::array<tcp::acceptor, 3> held{any(), any(), any()};
    return std::array<int, 3>{held[0].local_endpoint().port(), held[1].local_endpoint().port(),
                              held[2].local_endpoint().port()};
  } catch (const boost::system::system_error& error) {
    return fail(ErrorKind::kIo, std::string("no port is free here: ") + error.what());
  }
}

class Observer {
 public:
  explicit Observer(const ObserverWish& wish) : wish_(wish) {}
  ~Observer() { stop(); }
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  Result<storage::DataDirectory> run() {
    const auto ensemble = ask(wish_.ensemble);
    if (!ensemble) return std::unexpected(ensemble.error());
    if (auto written = configure(*ensemble); !written) return std::unexpected(written.error());
    if (auto started = start(); !started) return std::unexpected(started.error());
    if (auto is_there = wait_for(ensemble->seen); !is_there)
      return std::unexpected(is_there.error());
    stop();
    return storage::DataDirectory{data(), data()};
  }

 private:
  [[nodiscard]] std::string data() const { return wish_.folder + "/data"; }
  Result<void> configure(const Ensemble& ensemble);
  Result<void> start();
  Result<void> wait_for(Zxid seen);
  void stop();
  [[nodiscard]] bool has_ended();
  [[nodiscard]] std::string log_tail() const;

  const ObserverWish& wish_;
  int port_ = 0;
  pid_t process_ = 0;  // 0: none runs
};

Result<void> Observer::configure(const Ensemble& ensemble) {
  const auto id = free_number(ensemble.membership);
  if (!id) return std::unexpected(id.error());
  const auto ports = free_ports();
  if (!ports) return std::unexpected(ports.error());
  port_ = (*ports)[2];
  std::error_code ignored;  // what cannot be written shows below
  fs::create_directories(data(), ignored);
  std::ofstream(data() + "/myid") << id->value << "\n";
  std::string members = ensemble.membership.to_text();
  members.resize(members.rfind("version="));
  std::ofstream config(wish_.folder + "/zoo.cfg");
  config << fmt::format(
      "tickTime=2000\ninitLimit=60\nsyncLimit=10\ndataDir={}\nclientPort={}\n"
      "clientPortAddress=127.0.0.1\nconsensus={}\npeerType=observer\n{}"
      "server.{}=127.0.0.1:{}:{}:observer\n",
      data(), port_, ensemble.engine, members, id->value, (*ports)[0], (*ports)[1]);
  config.close();
  if (!config) return fail(ErrorKind::kIo, wish_.folder + " cannot be written to");
  return {};
}

// It ends with the command, however that ends.
Result<void> Observer::start() {
  const std::string config = wish_.folder + "/zoo.cfg";
  const std::string log = wish_.folder + "/log";
  const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (output < 0) return fail(ErrorKind::kIo, fmt::format("{}: {}", log, std::strerror(errno)));
  process_ = ::fork();
  if (process_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
    ::execl(wish_.program.c_str(), wish_.program.c_str(), "serve", config.c_str(), nullptr);
    ::_exit(127);
  }
  const int problem = errno;
  ::close(output);
  if (process_ > 0) return {};
  process_ = 0;
  return fail(ErrorKind::kIo,
              fmt::format("{} cannot be started: {}", wish_.program, std::strerror(problem)));
}

bool Observer::has_ended() {
  if (process_ == 0) return true;
  if (::waitpid(process_, nullptr, WNOHANG) == 0) return false;
  process_ = 0;
  return true;
}

Result<void> Observer::wait_for(Zxid seen) {
  const ServerAddress own{"127.0.0.1", std::to_string(port_)};
  const auto deadline = Clock::now() + wish_.patience;
  while (Clock::now() < deadline) {
    if (has_ended()) return refuse("the observer ended:\n" + log_tail());
    std::string ignored;
    const Answer answer = ask_server(own, kForOneAnswer, ignored);
    const auto zxid = zxid_of(answer);
    if (value_of(answer, "serving") == "true" && zxid && *zxid >= seen) return {};
    if (wish_.say)
      wish_.say(fmt::format("waiting for an observer to be in step, at zxid 0x{:x}", seen.value));
    std::this_thread::sleep_for(kBetweenLooks);
  }
  return refuse(fmt::format(
      "the observer did not come to be in step within {} s. Can this machine reach the quorum and "
      "election ports of every server, and do they do without TLS and SASL between each other? "
      "Its log ends so:\n{}",
      wish_.patience.count(), log_tail()));
}

void Observer::stop() {
  if (process_ == 0) return;
  ::kill(process_, SIGTERM);
  const auto deadline = Clock::now() + std::chrono::seconds(10);
  while (!has_ended() && Clock::now() < deadline) std::this_thread::sleep_for(milliseconds(20));
  if (process_ == 0) return;
  ::kill(process_, SIGKILL);
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) continue;
  process_ = 0;
}

std::string Observer::log_tail() const {
  std::ifstream file(wish_.folder + "/log");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  return text.size() <= kLogTailBytes ? text : text.substr(text.size() - kLogTailBytes);
}

}  // namespace

Result<storage::DataDirectory> observe_once(const ObserverWish& wish) {
  return Observer(wish).run();
}

}  // namespace synod::server
