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
#include "replica/client_connection.h"
#include "replica/replica.h"
#include "replica/test_clients.h"
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

// What transcripts say to a server, beside what they say to clients:
//
//   open [server_option=…]           starts the server (again)
//   kill · power_cut · stop          ends it
//   hold_disk · release_disk · io · fail_flush · fail_write · capacity <bytes>
//   live <ms> · stall <ms>           time with and without ticks
//   state                            zxid, nodes, sessions, digest
//   files                            names in the data directory
class ServerTranscript final : public ClientTranscript {
 public:
  explicit ServerTranscript(Options options = test_options(), ServingRules rules = {})
      : server_(std::move(options), std::move(rules)) {}

  [[nodiscard]] TestServer& server() { return server_; }

 private:
  using Hand = std::string (ServerTranscript::*)(const test::Command&);

  std::shared_ptr<ClientConnection> new_connection(const test::Command& command) override {
    return server_.connect(command.option("from", "127.0.0.1"));
  }
  void settle_servers() override { server_.settle(); }
  [[nodiscard]] SteadyTimeMs now() const override { return server_.time.steady; }
  std::string complaints() override {
    std::string text;
    if (server_.replica->failure())
      text += "server failed: " + server_.replica->failure()->text + '\n';
    for (const std::string& warning : server_.replica->take_warnings())
      text += "warning: " + warning + '\n';
    return text;
  }
  std::string run_server(const test::Command& command) override {
    const auto found = hands().find(command.name);
    if (found == hands().end()) throw std::runtime_error("no such command: " + command.name);
    return (this->*found->second)(command);
  }

  static const std::map<std::string, Hand>& hands() {
    using T = ServerTranscript;
    static const std::map<std::string, Hand> all{
        {"open", &T::open},
        {"kill", &T::kill},
        {"power_cut", &T::power_cut},
        {"stop", &T::stop},
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
    };
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
    forget_clients();
    server_.kill();
    return {};
  }
  std::string power_cut(const test::Command& /*command*/) {
    forget_clients();
    server_.kill();
    server_.files.power_cut([](std::uint64_t) { return 0; });
    return {};
  }
  std::string stop(const test::Command& /*command*/) {
    const auto stopped = server_.replica->stop();
    std::string text = stopped ? "stopped" : stopped.error().text;
    forget_clients();
    server_.kill();
    return text;
  }

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

  TestServer server_;
};

}  // namespace synod::replica
