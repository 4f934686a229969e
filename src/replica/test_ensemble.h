// An ensemble without sockets, threads or clock: replicas with real engines, on disks in memory,
// over links that are queues of bytes. Everything that happens is in one order, so that what
// clients read can be told as text.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "consensus/zab/zab.h"
#include "replica/replica.h"
#include "replica/test_clients.h"
#include "replica/test_server.h"
#include "storage/memory_files.h"

namespace synod::replica {

using consensus::LinkId;
using ServerNumber = std::int64_t;

struct EnsembleOptions {
  int voters = 3;
  int observers = 0;
  std::int64_t tick_ms = 2000;
  Options replica = test_options();
  ServingRules rules;
};

class TestEnsemble {
 public:
  explicit TestEnsemble(EnsembleOptions options) : options_(std::move(options)) {
    for (int id = 1; id <= options_.voters + options_.observers; ++id) {
      consensus::Member member;
      member.is_observer = id > options_.voters;
      const std::string host = "server" + std::to_string(id);
      member.quorum.push_back({host, 2888});
      member.election.push_back({host, 3888});
      membership_.members[{id}] = member;
      servers_.emplace(id, std::make_unique<Server>(*this, id));
    }
  }

  struct Server final : public Links {
    Server(TestEnsemble& in, ServerNumber number) : ensemble(in), id(number) {}
    void dial(LinkId link, ServerId server, consensus::Port port,
              std::vector<consensus::Endpoint> endpoints) override {
      ensemble.dial(*this, link, server, port, endpoints);
    }
    void send(LinkId link, Bytes bytes) override { ensemble.send(*this, link, std::move(bytes)); }
    void close(LinkId link) override { ensemble.close(*this, link); }
    [[nodiscard]] std::size_t unsent(LinkId link) const override {
      return ensemble.unsent(id, link);
    }

    TestEnsemble& ensemble;
    ServerNumber id;
    storage::MemoryFiles files;
    TestHost host;
    std::unique_ptr<Replica> replica;
    Lane* lane = nullptr;
    std::vector<std::weak_ptr<ClientConnection>> connections;
    bool holds_disk = false;
    std::set<std::string> warnings;
  };

  // Empty, or why the directory was refused.
  std::string start(ServerNumber id) {
    Server& server = *servers_.at(id);
    Options options = options_.replica;
    options.server_id = static_cast<std::uint8_t>(id);
    options.tick_ms = options_.tick_ms;
    options.max_pause_ms = 5 * options_.tick_ms;
    options.seed = static_cast<std::uint64_t>(id);
    options.recovery.is_member = true;
    options.config_text = membership_.to_text();
    auto opened = Replica::open(server.files, server, server.host,
                                std::make_unique<consensus::zab::Zab>(consensus::zab::Options{
                                    .self = {id},
                                    .membership = membership_,
                                    .is_reconfig_enabled = options.primary.allows_reconfig,
                                    .tick_ms = options_.tick_ms}),
                                options, time);
    if (!opened) return opened.error().text;
    server.replica = std::move(*opened);
    server.lane = &server.replica->add_lane();
    return {};
  }
  void crash(ServerNumber id) {
    Server& server = *servers_.at(id);
    server.connections.clear();
    for (const LinkId link : links_of(id)) break_link(id, link);
    server.replica.reset();
    server.files.kill();
  }
  void cut(ServerNumber a, ServerNumber b) {
    cut_.insert({std::min(a, b), std::max(a, b)});
    for (const LinkId link : links_of(a)) {
      if (ends_.at({a, link}).peer == b) break_link(a, link);
    }
  }
  void heal() { cut_.clear(); }

  std::shared_ptr<ClientConnection> connect(ServerNumber id, const std::string& address) {
    Server& server = *servers_.at(id);
    auto connection =
        std::make_shared<ClientConnection>(*server.lane, options_.rules, address, time.steady);
    server.connections.push_back(connection);
    return connection;
  }

  // Everybody's turn, disks and links included, until nothing happens any more.
  void settle() {
    for (bool is_progress = true; is_progress;) {
      is_progress = false;
      for (auto& [id, server] : servers_) {
        if (!server->replica) continue;
        server->replica->advance(time);
        while (!server->holds_disk && io(*server)) is_progress = true;
        for (const auto& connection : std::exchange(server->lane->stirred, {}))
          connection->settle();
        for (std::string& warning : server->replica->take_warnings())
          server->warnings.insert(std::move(warning));
      }
      while (!events_.empty()) {
        is_progress = true;
        const Event event = std::move(events_.front());
        events_.pop_front();
        deliver(event);
      }
    }
  }
  void live(std::int64_t ms) {
    constexpr std::int64_t kStepMs = 50;
    for (std::int64_t rest = ms; rest > 0; rest -= kStepMs) {
      time.steady.value += std::min(rest, kStepMs);
      time.wall.value += std::min(rest, kStepMs);
      for (auto& [id, server] : servers_) {
        if (server->replica) server->replica->tick(time);
      }
      settle();
    }
  }

  [[nodiscard]] Server& server(ServerNumber id) { return *servers_.at(id); }
  [[nodiscard]] const std::map<ServerNumber, std::unique_ptr<Server>>& servers() const {
    return servers_;
  }
  [[nodiscard]] bool is_of(ServerNumber id, const std::shared_ptr<ClientConnection>& connection) {
    return std::ranges::any_of(servers_.at(id)->connections,
                               [&](const auto& own) { return own.lock() == connection; });
  }

  Time time{{1'000'000}, {1'700'000'000'000}};
  std::size_t link_window = SIZE_MAX;  // bytes a link takes at once; the rest stays unsent

 private:
  struct End {
    ServerNumber peer = 0;
    LinkId peer_link;
    std::size_t unsent = 0;
  };
  struct Event {
    enum class Kind { kAccepted, kLinked, kUnlinked, kBytes } kind{};
    ServerNumber to = 0;
    LinkId link;
    consensus::Port port{};
    Bytes bytes;
  };

  void dial(Server& from, LinkId link, ServerId to, consensus::Port port,
            const std::vector<consensus::Endpoint>& endpoints) {
    ServerNumber id = to.value;
    for (const auto& [number, member] : membership_.members) {
      if (!endpoints.empty() && member.quorum[0].host == endpoints[0].host) id = number.value;
    }
    const auto target = servers_.find(id);
    const bool is_cut = cut_.contains({std::min(from.id, id), std::max(from.id, id)});
    if (target == servers_.end() || !target->second->replica || is_cut) {
      events_.push_back({Event::Kind::kUnlinked, from.id, link, port, {}});
      return;
    }
    const LinkId other{last_accepted_ += 2};
    ends_[{from.id, link}] = {id, other};
    ends_[{id, other}] = {from.id, link};
    events_.push_back({Event::Kind::kAccepted, id, other, port, {}});
    events_.push_back({Event::Kind::kLinked, from.id, link, port, {}});
  }
  void send(Server& from, LinkId link, Bytes bytes) {
    const auto end = ends_.find({from.id, link});
    if (end == ends_.end()) return;
    end->second.unsent += bytes.size();
    events_.push_back(
        {Event::Kind::kBytes, end->second.peer, end->second.peer_link, {}, std::move(bytes)});
  }
  void close(Server& from, LinkId link) {
    const auto end = ends_.find({from.id, link});
    if (end == ends_.end()) return;
    const auto [peer, peer_link, unsent] = end->second;
    ends_.erase(end);
    ends_.erase({peer, peer_link});
    closing_.insert({peer, peer_link});
    events_.push_back({Event::Kind::kUnlinked, peer, peer_link, {}, {}});
  }
  // Both ends hear of it, and what was on its way is lost.
  void break_link(ServerNumber id, LinkId link) {
    const End end = ends_.at({id, link});
    ends_.erase({id, link});
    ends_.erase({end.peer, end.peer_link});
    std::erase_if(events_, [&](const Event& event) {
      return (event.to == id && event.link == link) ||
             (event.to == end.peer && event.link == end.peer_link);
    });
    events_.push_back({Event::Kind::kUnlinked, id, link, {}, {}});
    events_.push_back({Event::Kind::kUnlinked, end.peer, end.peer_link, {}, {}});
  }
  [[nodiscard]] std::vector<LinkId> links_of(ServerNumber id) const {
    std::vector<LinkId> links;
    for (const auto& [end, other] : ends_) {
      if (end.first == id) links.push_back(end.second);
    }
    return links;
  }
  [[nodiscard]] std::size_t unsent(ServerNumber id, LinkId link) const {
    const auto end = ends_.find({id, link});
    return end == ends_.end() ? 0 : end->second.unsent;
  }

  void deliver(const Event& event) {
    Server& server = *servers_.at(event.to);
    const bool is_open = ends_.contains({event.to, event.link});
    if (event.kind == Event::Kind::kBytes) drain(event);
    if (!server.replica) return;
    switch (event.kind) {
      case Event::Kind::kAccepted:
        if (is_open) server.replica->accepted(event.link, event.port, time);
        return;
      case Event::Kind::kLinked:
        if (is_open) server.replica->linked(event.link, time);
        return;
      case Event::Kind::kUnlinked:
        closing_.erase({event.to, event.link});
        return server.replica->unlinked(event.link, time);
      case Event::Kind::kBytes:
        if (is_open || closing_.contains({event.to, event.link}))
          server.replica->received(event.link, event.bytes, time);
    }
  }
  // What arrives has left the sender's buffer.
  void drain(const Event& event) {
    const auto to = ends_.find({event.to, event.link});
    if (to == ends_.end()) return;
    const auto from = ends_.find({to->second.peer, to->second.peer_link});
    if (from == ends_.end()) return;
    const std::size_t before = from->second.unsent;
    from->second.unsent -= event.bytes.size();
    if (before < Links::kManyBytes / 2 || from->second.unsent >= Links::kManyBytes / 2) return;
    const auto& sender = servers_.at(to->second.peer);
    if (sender->replica) sender->replica->drained(to->second.peer_link, time);
  }

  bool io(Server& server) {
    auto done = server.files.run(storage::IoLane::kLog);
    if (!done) done = server.files.run(storage::IoLane::kBackground);
    if (!done) return false;
    server.replica->io_done(done->token, done->result, time);
    if (server.replica->is_holding()) server.replica->hold_over(time);
    return true;
  }

  EnsembleOptions options_;
  consensus::Membership membership_;
  std::map<ServerNumber, std::unique_ptr<Server>> servers_;
  std::map<std::pair<ServerNumber, LinkId>, End> ends_;
  std::set<std::pair<ServerNumber, LinkId>> closing_;  // closed by the peer, behind its last bytes
  std::set<std::pair<ServerNumber, ServerNumber>> cut_;
  std::deque<Event> events_;
  std::uint64_t last_accepted_ = 0;
};

// What transcripts say to an ensemble, beside what they say to clients (`connect … at=<server>`):
//
//   start <server>… · crash <server>… · wipe <server>… · stop <server>
//   cut <server> <server> · isolate <server> · heal
//   hold_disk <server> · release_disk <server>
//   live <ms>
//   roles                            who leads, follows, observes, serves
//   trees                            zxid, nodes, sessions and digest of everybody; equal ones once
//   files <server>
//   warnings                         since the last time
class EnsembleTranscript final : public ClientTranscript {
 public:
  explicit EnsembleTranscript(EnsembleOptions options = {}) : ensemble_(std::move(options)) {}

  [[nodiscard]] TestEnsemble& ensemble() { return ensemble_; }

 private:
  using Hand = std::string (EnsembleTranscript::*)(const test::Command&);

  std::shared_ptr<ClientConnection> new_connection(const test::Command& command) override {
    return ensemble_.connect(command.number("at", 1), command.option("from", "127.0.0.1"));
  }
  void settle_servers() override { ensemble_.settle(); }
  [[nodiscard]] SteadyTimeMs now() const override { return ensemble_.time.steady; }
  std::string complaints() override {
    std::string text;
    for (const auto& [id, server] : ensemble_.servers()) {
      if (server->replica && server->replica->failure())
        text += fmt::format("server {} failed: {}\n", id, server->replica->failure()->text);
      for (const std::string& warning : server->warnings) {
        if (warning.find("digest") != std::string::npos)
          text += fmt::format("server {}: {}\n", id, warning);
      }
    }
    return text;
  }
  std::string run_server(const test::Command& command) override {
    const auto found = hands().find(command.name);
    if (found == hands().end()) throw std::runtime_error("no such command: " + command.name);
    return (this->*found->second)(command);
  }
  static const std::map<std::string, Hand>& hands() {
    using T = EnsembleTranscript;
    static const std::map<std::string, Hand> all{
        {"start", &T::start},         {"crash", &T::crash},
        {"wipe", &T::wipe},           {"cut", &T::cut},
        {"isolate", &T::isolate},     {"heal", &T::heal},
        {"hold_disk", &T::hold_disk}, {"release_disk", &T::release_disk},
        {"live", &T::live},           {"roles", &T::roles},
        {"trees", &T::trees},         {"files", &T::files},
        {"warnings", &T::warnings},   {"stop", &T::stop},
    };
    return all;
  }

  std::string start(const test::Command& command) {
    std::string text;
    for (const std::string& word : command.words) {
      const std::string refusal = ensemble_.start(std::stoll(word));
      if (!refusal.empty()) {
        text += "refused: " + refusal + '\n';
        continue;
      }
      const storage::RecoveryReport& found = ensemble_.server(std::stoll(word)).replica->recovery();
      for (const std::string& warning : found.warnings) text += "warning: " + warning + '\n';
      if (!found.has_memory) text += word + " has no memory\n";
    }
    return text + after();
  }
  std::string crash(const test::Command& command) {
    for (const std::string& word : command.words) {
      const ServerNumber id = std::stoll(word);
      forget_clients([&](const auto& connection) { return ensemble_.is_of(id, connection); });
      ensemble_.crash(id);
    }
    return after();
  }
  // As an operator stops it: what others have not committed is not waited for.
  std::string stop(const test::Command& command) {
    const ServerNumber id = std::stoll(command.words.at(0));
    replica::Replica& replica = *ensemble_.server(id).replica;
    if (!replica.is_log_idle()) return "waits for its disk";
    const auto stopped = replica.stop();
    return (stopped ? "stopped\n" : stopped.error().text + "\n") + crash(command);
  }
  std::string wipe(const test::Command& command) {
    for (const std::string& word : command.words) ensemble_.server(std::stoll(word)).files.wipe();
    return {};
  }
  std::string cut(const test::Command& command) {
    ensemble_.cut(std::stoll(command.words.at(0)), std::stoll(command.words.at(1)));
    return after();
  }
  std::string isolate(const test::Command& command) {
    const ServerNumber id = std::stoll(command.words.at(0));
    for (const auto& [other, server] : ensemble_.servers()) {
      if (other != id) ensemble_.cut(id, other);
    }
    return after();
  }
  std::string heal(const test::Command& /*command*/) {
    ensemble_.heal();
    return {};
  }
  std::string hold_disk(const test::Command& command) {
    ensemble_.server(std::stoll(command.words.at(0))).holds_disk = true;
    return {};
  }
  std::string release_disk(const test::Command& command) {
    ensemble_.server(std::stoll(command.words.at(0))).holds_disk = false;
    return after();
  }
  std::string live(const test::Command& command) {
    ensemble_.live(std::stoll(command.words.at(0)));
    return after();
  }
  std::string roles(const test::Command& /*command*/) {
    static constexpr std::array<const char*, 4> kNames{"looking", "following", "observing",
                                                       "leading"};
    std::string text;
    for (const auto& [id, server] : ensemble_.servers()) {
      if (!server->replica) {
        text += fmt::format("{} down\n", id);
        continue;
      }
      const consensus::Status& status = server->replica->status();
      text += fmt::format("{} {} leader={} epoch={}{}\n", id,
                          kNames.at(static_cast<std::size_t>(status.role)), status.leader.value,
                          status.epoch, status.is_serving ? " serving" : "");
    }
    return text;
  }
  std::string trees(const test::Command& /*command*/) {
    std::map<std::string, std::string> servers_with;
    for (const auto& [id, server] : ensemble_.servers()) {
      if (!server->replica) continue;
      const state::State& state = server->replica->state();
      const std::string tree = fmt::format(
          "zxid=0x{:x} nodes={} sessions={} ephemerals={} digest={}", state.applied().value,
          state.tree().node_count(), state.sessions().size(), state.tree().ephemeral_count(),
          digests_.emplace(state.tree().digest(), digests_.size()).first->second);
      servers_with[tree] += (servers_with[tree].empty() ? "" : ",") + std::to_string(id);
    }
    std::string text;
    for (const auto& [tree, servers] : servers_with) text += servers + ": " + tree + '\n';
    return text;
  }
  std::string files(const test::Command& command) {
    std::string text;
    const auto entries =
        ensemble_.server(std::stoll(command.words.at(0))).files.list("/data/version-2");
    for (const auto& entry : *entries) text += entry.name + '\n';
    return text;
  }
  std::string warnings(const test::Command& /*command*/) {
    std::string text;
    for (const auto& [id, server] : ensemble_.servers()) {
      for (const std::string& warning : std::exchange(server->warnings, {}))
        text += fmt::format("{}: {}\n", id, warning);
    }
    return text;
  }

  TestEnsemble ensemble_;
  std::map<std::uint64_t, std::size_t> digests_;  // told by number: they hold the time
};

}  // namespace synod::replica
