// A leader without the rest of the server: requests become transactions, which are applied at once,
// or held back to be outstanding.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "jute/test_requests.h"
#include "primary/primary.h"
#include "state/state.h"
#include "state/watch_table.h"

namespace synod::primary {

class TestLeader {
 public:
  struct Applied {
    bool is_digest_wrong = false;
    state::ApplyResult result;
  };

  explicit TestLeader(Options options = {}, state::OwnerRules rules = {})
      : state_(rules), primary_(state_, std::move(options)) {}

  // Empty transaction: the request left no trace.
  Prepared prepare(SessionId session, const test::TestRequest& request,
                   const state::AuthIds& ids = {{"ip", "127.0.0.1"}}) {
    Request asked{session, ++cxid_, request.type, request.record,
                  std::make_shared<const state::AuthIds>(ids)};
    asked.membership = membership;
    Prepared prepared = primary_.prepare(asked, proposed_.next(), {time_ms});
    if (!prepared.txn.empty()) proposed_ = proposed_.next();
    return prepared;
  }
  // The result's views point into the transaction.
  const state::ApplyResult& apply(BytesView txn) {
    const auto decoded = jute::decode_txn(txn);
    if (!decoded) throw std::runtime_error(decoded.error().text);
    const state::ApplyResult& result = state_.apply(*decoded);
    primary_.applied(decoded->header.zxid);
    return result;
  }
  SessionId open_session(std::int64_t id, std::int32_t timeout_ms = 30000) {
    const Prepared prepared = prepare(
        {id}, {jute::OpCode::kCreateSession, jute::encode(jute::CreateSessionTxn{timeout_ms})});
    apply(prepared.txn);
    return {id};
  }

  [[nodiscard]] state::State& state() { return state_; }
  [[nodiscard]] Primary& primary() { return primary_; }
  [[nodiscard]] Zxid proposed() const { return proposed_; }

  std::int64_t time_ms = 1000;
  decltype(Request::membership) membership;  // what the next reconfigs would lead to

 private:
  state::State state_;
  Primary primary_;
  Zxid proposed_;
  std::int32_t cxid_ = 0;
};

// What transcripts say to a leader, beside the requests themselves (see jute/test_requests.h):
//
//   session <name> [timeout=ms]   opens one, and speaks for it from now on
//   as <name>                     speaks for another
//   auth <scheme> <id> …          the identities of whoever speaks
//   close [name]                  closes a session
//   reap <path>                   the server's own deleteContainer
//   time <ms>                     the wall clock moves on
//   hold · release                transactions stay outstanding; all are applied
//   watch data|child|persistent|recursive <path>
//   config <text> <version>       an ensemble's server starts with this membership
//   plan <text> · refuse <code>   what reconfigs from now on would lead to
//   stat · data · acl · children · ephemerals · sessions · digest
class LeaderTranscript {
 public:
  explicit LeaderTranscript(Options options = {}, state::OwnerRules rules = {})
      : leader_(std::move(options), rules) {}

  std::string run(const test::Command& command) {
    if (const auto found = hands().find(command.name); found != hands().end()) {
      return (this->*found->second)(command);
    }
    return request(session_, test::request_of(command));
  }

 private:
  using Hand = std::string (LeaderTranscript::*)(const test::Command&);
  struct Watching final : state::Watcher {
    explicit Watching(std::string& into) : out(into) {}
    void notify(jute::EventType type, std::string_view path, Zxid zxid,
                state::AclId /*acl*/) override {
      out += "event " + test::name_of(type) + ' ' + std::string(path) +
             " zxid=" + test::hex_of(zxid.value) + '\n';
    }
    std::string& out;
  };

  static const std::map<std::string, Hand>& hands() {
    static const std::map<std::string, Hand> all{
        {"session", &LeaderTranscript::open},      {"as", &LeaderTranscript::speak_for},
        {"auth", &LeaderTranscript::identify},     {"close", &LeaderTranscript::close},
        {"reap", &LeaderTranscript::reap},         {"time", &LeaderTranscript::pass_time},
        {"hold", &LeaderTranscript::hold},         {"release", &LeaderTranscript::release},
        {"watch", &LeaderTranscript::watch},       {"stat", &LeaderTranscript::stat},
        {"data", &LeaderTranscript::data},         {"acl", &LeaderTranscript::acl},
        {"children", &LeaderTranscript::children}, {"ephemerals", &LeaderTranscript::ephemerals},
        {"sessions", &LeaderTranscript::sessions}, {"digest", &LeaderTranscript::digest},
        {"config", &LeaderTranscript::configure},  {"plan", &LeaderTranscript::plan},
        {"refuse", &LeaderTranscript::refuse}};
    return all;
  }

  std::string request(SessionId session, const test::TestRequest& request) {
    const Prepared prepared = leader_.prepare(session, request, ids_);
    if (prepared.txn.empty()) return "error " + test::name_of(prepared.error) + " traceless";
    if (is_holding_) {
      held_.push_back(prepared.txn);
      return "held zxid=" + test::hex_of(leader_.proposed().value) +
             (prepared.error == jute::ErrorCode::kOk ? ""
                                                     : " error " + test::name_of(prepared.error));
    }
    return applied(prepared.txn);
  }
  std::string applied(BytesView txn) {
    const state::ApplyResult& result = leader_.apply(txn);
    const state::ChangeList& changes = leader_.state().changes();
    for (std::size_t i = 0; i < changes.size(); ++i) watches_.fire(changes[i]);
    std::string out = std::exchange(events_, {}) + text_of(result.outcome) +
                      " zxid=" + test::hex_of(leader_.state().applied().value);
    for (const state::Outcome& part : result.parts) out += "\n  " + text_of(part);
    if (result.is_digest_mismatch) out += "\nDIGEST MISMATCH";
    return out + '\n';
  }
  static std::string text_of(const state::Outcome& outcome) {
    if (outcome.error != jute::ErrorCode::kOk) return "error " + test::name_of(outcome.error);
    std::string text = "ok";
    if (!outcome.path.empty())
      text += ' ' + (outcome.path.size() > 100 ? "…" : std::string(outcome.path));
    if (outcome.type == jute::OpCode::kSetData)
      text += " version=" + std::to_string(outcome.stat.version);
    if (outcome.type == jute::OpCode::kSetAcl)
      text += " aversion=" + std::to_string(outcome.stat.aversion);
    if (outcome.type == jute::OpCode::kReconfig)
      text += ' ' + test::quoted(outcome.data) + ' ' + test::text_of(outcome.stat);
    return text;
  }

  std::string open(const test::Command& command) {
    const auto id = static_cast<std::int64_t>(sessions_.size()) + 1;
    session_ = sessions_[command.words.at(0)] = {id};
    const auto timeout_ms = static_cast<std::int32_t>(command.number("timeout", 30000));
    return request(
        session_, {jute::OpCode::kCreateSession, jute::encode(jute::CreateSessionTxn{timeout_ms})});
  }
  std::string speak_for(const test::Command& command) {
    session_ =
        sessions_.contains(command.words.at(0)) ? sessions_[command.words[0]] : SessionId{999};
    return {};
  }
  std::string identify(const test::Command& command) {
    ids_.clear();
    for (std::size_t i = 0; i + 1 < command.words.size(); i += 2) {
      ids_.push_back({command.words[i], *test::text_of(command.words[i + 1])});
    }
    return {};
  }
  std::string close(const test::Command& command) {
    const SessionId session = command.words.empty() ? session_ : sessions_.at(command.words[0]);
    return request(session, {jute::OpCode::kCloseSession, {}});
  }
  std::string reap(const test::Command& command) {
    return request({}, {jute::OpCode::kDeleteContainer, *test::text_of(command.words.at(0))});
  }
  std::string pass_time(const test::Command& command) {
    leader_.time_ms += std::stoll(command.words.at(0));
    return {};
  }
  std::string hold(const test::Command& /*command*/) {
    is_holding_ = true;
    return {};
  }
  std::string release(const test::Command& /*command*/) {
    is_holding_ = false;
    std::string out;
    for (const Bytes& txn : std::exchange(held_, {})) out += applied(txn);
    return out;
  }
  std::string watch(const test::Command& command) {
    static const std::map<std::string, state::WatchMode> modes{
        {"data", state::WatchMode::kData},
        {"child", state::WatchMode::kChildren},
        {"persistent", state::WatchMode::kPersistent},
        {"recursive", state::WatchMode::kRecursive}};
    watches_.add(command.words.at(1), watching_, modes.at(command.words[0]));
    return {};
  }
  std::string configure(const test::Command& command) {
    const Bytes text = *test::text_of(command.words.at(0));
    leader_.state().set_config(text, {std::stoll(command.words.at(1), nullptr, 16)},
                               {leader_.time_ms});
    return {};
  }
  std::string plan(const test::Command& command) {
    leader_.membership = *test::text_of(command.words.at(0));
    return {};
  }
  std::string refuse(const test::Command& command) {
    leader_.membership = std::unexpected(jute::ErrorCode{std::stoi(command.words.at(0))});
    return {};
  }
  std::string of_node(const test::Command& command, const auto& text) {
    const state::Node* node = leader_.state().tree().find(*test::text_of(command.words.at(0)));
    return node == nullptr ? "error NoNode" : text(*node);
  }
  std::string stat(const test::Command& command) {
    return of_node(command, [&](const state::Node& node) {
      return test::text_of(leader_.state().tree().client_stat(node));
    });
  }
  std::string data(const test::Command& command) {
    return of_node(command,
                   [&](const state::Node& node) { return test::quoted(node.data.view()); });
  }
  std::string acl(const test::Command& command) {
    return of_node(command, [&](const state::Node& node) {
      std::string text;
      for (const jute::Acl& entry : leader_.state().tree().acls().list(node.acl)) {
        text += test::text_of(jute::AclView{entry.perms, entry.scheme, entry.id}) + '\n';
      }
      return text;
    });
  }
  std::string children(const test::Command& command) {
    return of_node(command, [&](const state::Node& node) {
      std::vector<std::string> paths;
      if (node.children) {
        for (const state::Node* child : *node.children) paths.emplace_back(child->path());
      }
      std::ranges::sort(paths);
      std::string text;
      for (const std::string& path : paths) text += path + '\n';
      return text;
    });
  }
  std::string ephemerals(const test::Command& command) {
    std::string text;
    for (const auto& path : leader_.state().tree().ephemerals_of(sessions_.at(command.words.at(0))))
      text += path + '\n';
    return text;
  }
  std::string sessions(const test::Command& /*command*/) {
    std::string text;
    for (const auto& [id, timeout_ms] : leader_.state().sessions()) {
      text += test::hex_of(id.value) + " timeout=" + std::to_string(timeout_ms) + '\n';
    }
    return text;
  }
  std::string digest(const test::Command& /*command*/) {
    return std::to_string(leader_.state().tree().digest());
  }

  TestLeader leader_;
  std::string events_;
  Watching watching_{events_};
  state::WatchTable watches_;
  std::map<std::string, SessionId> sessions_;
  SessionId session_;
  state::AuthIds ids_{{"ip", "127.0.0.1"}};
  bool is_holding_ = false;
  std::deque<Bytes> held_;
};

}  // namespace synod::primary
