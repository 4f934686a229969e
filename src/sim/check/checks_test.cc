// Each rule against small histories written down in testdata/: bad ones, and good ones that nearly
// are.
#include "sim/check/checks.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/test_transcript.h"
#include "sim/check/history_file.h"

namespace synod::sim::check {
namespace {

using test::Command;

// The lines of a history; moments and xids count up unless given.
//   <operation> /path ["value"] [ephemeral] [sequential] [watch] [lost] s=<session> x=<xid>
//       at=<from>-<to> z=<zxid> expect=<version> err=<code> to=<name> data= children=a,b
//       v=<version> m=<mzxid> c=<czxid> owner=<session>           (a stat, if one of these is
//       there)
//   event /path type=<number>   opened, connection-lost, reconnected, expired, closed
//   final /path "value" v= m= c= owner=   end z=   log z= x=
class Reader {
 public:
  explicit Reader(const Command& command) {
    for (const Command& line : command.parts) read(line);
  }
  History history;

 private:
  static SessionId session_of(const Command& line) { return {line.number("s", 1)}; }

  static std::optional<jute::Stat> stat_of(const Command& line) {
    if (!line.has("v") && !line.has("m") && !line.has("c") && !line.has("owner")) return {};
    jute::Stat stat;
    stat.mzxid.value = line.number("m", line.number("z", 0));
    stat.czxid.value = line.number("c", line.name == "final" ? stat.mzxid.value : 0);
    stat.version = static_cast<std::int32_t>(line.number("v", 0));
    stat.ephemeral_owner = line.number("owner", 0);
    return stat;
  }

  void read(const Command& line) {
    static const std::map<std::string, SessionEvent::Kind> kEvents{
        {"opened", SessionEvent::Kind::kOpened},
        {"connection-lost", SessionEvent::Kind::kLost},
        {"reconnected", SessionEvent::Kind::kReconnected},
        {"expired", SessionEvent::Kind::kExpired},
        {"closed", SessionEvent::Kind::kClosed}};
    if (const auto event = kEvents.find(line.name); event != kEvents.end()) {
      history.session_events.push_back({0, session_of(line), event->second, ++now_});
    } else if (line.name == "event") {
      history.watch_events.push_back(
          {0, session_of(line), jute::EventType{static_cast<std::int32_t>(line.number("type", 3))},
           line.words.at(0), Zxid{}, ++now_});
    } else if (line.name == "log") {
      history.committed.push_back({Zxid{line.number("z", 0)}, session_of(line),
                                   static_cast<std::int32_t>(line.number("x", 0)),
                                   jute::OpCode::kSetData});
    } else if (line.name == "final" || line.name == "end") {
      read_final(line);
    } else {
      read_operation(line);
    }
  }

  void read_final(const Command& line) {
    if (!history.final_tree) history.final_tree.emplace();
    if (line.name == "end") {
      history.final_tree->zxid.value = line.number("z", 0);
    } else {
      history.final_tree->nodes[line.words.at(0)] = {test::text_of(line.words.at(1)).value(),
                                                     stat_of(line).value()};
    }
  }

  void read_action(const Command& line, Action& action) {
    static const std::map<std::string, Kind> kKinds{
        {"create", Kind::kCreate},   {"delete", Kind::kDelete},
        {"setData", Kind::kSetData}, {"check", Kind::kCheck},
        {"multi", Kind::kMulti},     {"getData", Kind::kGetData},
        {"exists", Kind::kExists},   {"getChildren", Kind::kGetChildren},
        {"sync", Kind::kSync},       {"closeSession", Kind::kCloseSession}};
    action.kind = kKinds.at(line.name);
    for (const std::string& word : line.words) {
      if (word.starts_with('/')) action.path = word;
      if (word.starts_with('"')) action.value = test::text_of(word).value();
      action.is_ephemeral |= word == "ephemeral";
      action.is_sequential |= word == "sequential";
    }
    action.version = static_cast<std::int32_t>(line.number("expect", -1));
    action.created_path = line.option("to");
    action.stat = stat_of(line);
    if (line.has("data")) action.data = test::text_of(line.option("data"));
    if (line.has("children")) {
      action.children.emplace();
      std::istringstream names(line.option("children"));
      for (std::string name; std::getline(names, name, ',');) {
        if (name != "none") action.children->push_back(name);
      }
    }
  }

  void read_operation(const Command& line) {
    Operation operation;
    read_action(line, operation);
    operation.session = session_of(line);
    operation.xid = static_cast<std::int32_t>(line.number("x", ++xids_[operation.session]));
    operation.leaves_watch = std::ranges::find(line.words, "watch") != line.words.end();
    operation.is_linearizable = std::ranges::find(line.words, "linear") != line.words.end();
    for (const Command& part : line.parts) read_action(part, operation.parts.emplace_back());
    operation.failed_part = static_cast<std::size_t>(line.number("failed", 0));
    operation.invoked_at = now_ + 1;
    operation.completed_at = now_ + 2;
    if (line.has("at")) {
      const std::string at = line.option("at");
      operation.invoked_at = std::stoll(at);
      operation.completed_at = std::stoll(at.substr(at.find('-') + 1));
    }
    now_ = std::max(now_ + 2, operation.completed_at);
    operation.zxid.value = line.number("z", 0);
    operation.error = jute::ErrorCode{static_cast<std::int32_t>(line.number("err", 0))};
    operation.outcome = line.has("err") ? Outcome::kError : Outcome::kOk;
    if (std::ranges::find(line.words, "lost") != line.words.end()) {
      operation.outcome = Outcome::kUnknown;
      operation.completed_at = kNever;
    }
    history.operations.push_back(std::move(operation));
  }

  Moment now_ = 0;
  std::map<SessionId, std::int32_t> xids_;
};

std::string judge(const Command& command) {
  const History history = Reader(command).history;
  const Report report = check(history, {.sync_is_barrier = !command.has("weak_sync")});
  if (report.passed()) return "passed";
  std::string text;
  for (const Violation& violation : report.violations) {
    text += std::string(to_string(violation.rule)) + ": " + violation.text + '\n';
  }
  for (const std::string& line : report.undecided) text += "undecided: " + line + '\n';
  return text;
}

class Transcript : public testing::TestWithParam<std::string> {};

TEST_P(Transcript, IsJudgedAsWritten) {
  EXPECT_EQ(test::run_transcript("src/sim/check/testdata/" + GetParam() + ".txt", judge), "");
}

INSTANTIATE_TEST_SUITE_P(Checks, Transcript,
                         testing::ValuesIn(test::transcripts_in("src/sim/check/testdata")),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace synod::sim::check
