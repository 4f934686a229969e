// Captured connections between ZooKeeper's own servers, replayed: our learner gets what Java's
// leader sent, and must answer with the bytes with which Java's learner answered.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "consensus/zab/learner.h"
#include "consensus/zab/test_wire.h"
#include "jute/codec.h"

namespace synod::consensus::zab {
namespace {

struct Captured {
  std::string direction;
  std::string type;
  Bytes bytes;
};

std::vector<Captured> read_session(const std::string& name) {
  const Bytes from_leader = test::wire_file(name + ".s2l.stream");
  const Bytes from_learner = test::wire_file(name + ".l2s.stream");
  std::vector<Captured> session;
  const auto timeline = test::wire_json(name + ".timeline.json");
  for (const auto& entry : timeline.as_array()) {
    const auto& packet = entry.as_object();
    const std::string direction = test::text(packet, "direction");
    const Bytes& stream = direction == "leader->learner" ? from_leader : from_learner;
    const auto offset = static_cast<std::size_t>(packet.at("offset").as_int64());
    const auto length = static_cast<std::size_t>(packet.at("length").as_int64());
    session.push_back({direction, test::text(packet, "type"), stream.substr(offset, length)});
  }
  return session;
}

// What is the replica's, not the engine's, to send.
bool is_of_service(const std::string& type) { return type == "REQUEST" || type == "REVALIDATE"; }

// Knows ZooKeeper's transaction for a reconfig: a header with the type at 28, then path and text.
class ReconfigForms final : public EntryForms {
 public:
  SharedBytes write(EntryKind /*kind*/, Zxid /*zxid*/, BytesView /*payload*/) const override {
    throw std::runtime_error("a learner makes no entries");
  }
  Form read(BytesView entry) const override {
    constexpr std::size_t kHeaderBytes = 32;
    if (entry.size() < kHeaderBytes || entry.substr(28, 4) != BytesView("\0\0\0\x10", 4)) return {};
    jute::Reader in(entry.substr(kHeaderBytes));
    (void)in.view();
    return {EntryKind::kReconfiguration, in.view().value_or("")};
  }
};

// A learner with a disk that is done at once. With forms its membership may change.
class Replay {
 public:
  explicit Replay(const std::vector<Captured>& session, const EntryForms* forms = nullptr,
                  ServerId leader = {100})
      : session_(session) {
    PacketReader reader;
    QuorumPacket info;
    Bytes info_bytes = first("INFO");
    reader.feed(info_bytes);
    info = **reader.next();
    const LearnerInfo identity = *decode_learner_info(*info.data);
    is_observer_ = info.type == PacketType::kObserverInfo;
    const std::uint32_t accepted = info.zxid.epoch();
    const Bytes ack_epoch = first("ACKEPOCH");
    reader.feed(ack_epoch);
    const QuorumPacket promise = **reader.next();
    const std::int32_t current = jute::load_big_endian<std::int32_t>(promise.data->data());

    options_.self = identity.server;
    options_.is_reconfig_enabled = forms != nullptr;
    options_.membership.version = identity.config_version;
    options_.membership.members[identity.server] = {};
    options_.membership.members[leader] = {.quorum = {{"leader", 2888}}};
    journal_.emplace(
        Journal::Memory{.entries = options_.commit_log_count, .bytes = options_.commit_log_bytes},
        outbox_);
    shared_.emplace(Shared{options_, outbox_, *journal_, status_, {1000}, -1});
    journal_->start({.last_logged = promise.zxid,
                     .accepted_epoch = accepted,
                     .current_epoch = current < 0 ? accepted : static_cast<std::uint32_t>(current),
                     .forms = forms},
                    options_.membership);
    status_.role = is_observer_ ? Role::kObserving : Role::kFollowing;
    learner_.emplace(*shared_, leader);
  }

  void run() {
    learner_->start();
    carry_out();
    for (const Captured& packet : session_) {
      if (packet.direction != "leader->learner") {
        if (packet.type == "PING") touches_.push_back(data_of(packet.bytes));
        continue;
      }
      if (is_tree(packet)) {
        take_tree(packet.bytes);
      } else {
        learner_->received(link_, packet.bytes);
      }
      carry_out();
      if (learner_->ended()) return;
    }
  }

  [[nodiscard]] std::string ended() const { return learner_->ended().value_or(""); }
  [[nodiscard]] std::optional<ServerId> successor() const { return learner_->successor(); }
  [[nodiscard]] const Membership& membership() const { return shared_->members().decided(); }
  [[nodiscard]] const Bytes& sent() const { return sent_; }
  [[nodiscard]] const std::vector<Zxid>& commits() const { return commits_; }
  [[nodiscard]] int pings() const { return pings_; }

 private:
  Bytes first(const std::string& type_ending) {
    for (const Captured& packet : session_)
      if (packet.direction != "leader->learner" && packet.type.ends_with(type_ending))
        return packet.bytes;
    throw std::runtime_error("no " + type_ending);
  }

  static Bytes data_of(BytesView bytes) {
    PacketReader reader;
    reader.feed(bytes);
    return Bytes((**reader.next()).data.value_or(""));
  }

  [[nodiscard]] bool is_tree(const Captured& packet) const {
    return installing_.has_value() && !packet.bytes.empty();
  }

  void take_tree(BytesView bytes) {
    static constexpr BytesView kEnd = "BenWasHere";
    const std::size_t end = bytes.find(kEnd);
    ASSERT_NE(end, BytesView::npos);
    const Zxid zxid = *std::exchange(installing_, {});
    journal_->on_snapshot(zxid, {});
    learner_->snapshot_installed(link_, zxid, bytes.substr(end + kEnd.size()));
  }

  void carry_out() {
    for (Effects effects = outbox_.take(); !effects.empty(); effects = outbox_.take())
      for (Effect& effect : effects) carry_out(effect);
  }

  void carry_out(Effect& effect) {
    if (auto* dial = std::get_if<effect::Dial>(&effect)) {
      if (dial->port != Port::kQuorum) return;
      link_ = dial->link;
      learner_->linked(link_);
    } else if (auto* send = std::get_if<effect::Send>(&effect)) {
      sent_ += send->bytes;
    } else if (auto* append = std::get_if<effect::Append>(&effect)) {
      journal_->on_durable(append->entry.zxid);
      learner_->durable();
    } else if (std::holds_alternative<effect::SaveEpochs>(effect)) {
      journal_->on_epochs_saved();
      learner_->epochs_saved();
    } else if (auto* cut = std::get_if<effect::Cut>(&effect)) {
      journal_->on_cut(cut->after);
      learner_->was_cut();
    } else if (auto* receive = std::get_if<effect::ReceiveSnapshot>(&effect)) {
      installing_ = receive->zxid;
      if (!receive->first_bytes.empty()) take_tree(receive->first_bytes);
    } else if (auto* commit = std::get_if<effect::Commit>(&effect)) {
      commits_.push_back(commit->up_to);
    } else if (auto* deliver = std::get_if<effect::Deliver>(&effect)) {
      if (deliver->message.kind != ServiceMessage::Kind::kTouchesWanted) return;
      ++pings_;
      learner_->send_to_leader({.kind = ServiceMessage::Kind::kTouches});
    }
  }

  std::vector<Captured> session_;
  bool is_observer_ = false;
  Options options_;
  Outbox outbox_;
  std::optional<Journal> journal_;
  Status status_;
  std::optional<Shared> shared_;
  std::optional<Learner> learner_;
  LinkId link_;
  std::optional<Zxid> installing_;
  std::deque<Bytes> touches_;
  Bytes sent_;
  std::vector<Zxid> commits_;
  int pings_ = 0;
};

// "ACK 0x…" and so on, with their bytes; PINGs as such: whose sessions they name is the replica's.
std::vector<std::string> lines_of(BytesView stream) {
  PacketReader reader;
  reader.feed(stream);
  std::vector<std::string> lines;
  while (true) {
    const auto packet = reader.next();
    if (!packet || !*packet) return lines;
    std::string line = fmt::format("{} {:#x}", name_of((*packet)->type), (*packet)->zxid.value);
    if ((*packet)->type != PacketType::kPing)
      for (const char byte : (*packet)->data.value_or(""))
        line += fmt::format(" {:02x}", static_cast<unsigned char>(byte));
    lines.push_back(line);
  }
}

// 3.8 acknowledges what came by DIFF once more, each on its own, after UPTODATE (reference 4.6).
std::vector<std::string> expected_lines(const std::vector<Captured>& session) {
  std::vector<std::string> history;
  bool is_history = true;
  std::vector<std::string> lines;
  for (const Captured& packet : session) {
    if (packet.direction == "leader->learner") {
      if (packet.type == "NEWLEADER") is_history = false;
      if (is_history && packet.type == "COMMIT")
        history.push_back("ACK" + lines_of(packet.bytes).front().substr(6));
      continue;
    }
    if (is_of_service(packet.type)) continue;
    const std::string line = lines_of(packet.bytes).front();
    if (std::ranges::find(history, line) == history.end()) lines.push_back(line);
  }
  return lines;
}

// A capture ends where it ends: what one side had still to send, or to answer, is missing in it.
void expect_same_beginning(const std::vector<std::string>& ours,
                           const std::vector<std::string>& javas) {
  const std::size_t length = std::min(ours.size(), javas.size());
  EXPECT_GE(length + 2, javas.size());
  EXPECT_THAT(std::vector(ours.begin(), ours.begin() + static_cast<std::ptrdiff_t>(length)),
              testing::ElementsAreArray(javas.begin(),
                                        javas.begin() + static_cast<std::ptrdiff_t>(length)));
}

// ACKs follow the flush, so PINGs may fall between them differently: each kind by itself.
std::vector<std::string> only(const std::vector<std::string>& lines, bool are_pings) {
  std::vector<std::string> kept;
  for (const std::string& line : lines)
    if (line.starts_with("PING") == are_pings) kept.push_back(line);
  return kept;
}

class LearnerSession : public testing::TestWithParam<const char*> {};

TEST_P(LearnerSession, AnswersAsJavasLearnerDid) {
  const auto session = read_session(GetParam());
  Replay replay(session);
  replay.run();
  EXPECT_EQ(replay.ended(), "");
  const auto ours = lines_of(replay.sent());
  const auto javas = expected_lines(session);
  expect_same_beginning(only(ours, false), only(javas, false));
  expect_same_beginning(only(ours, true), only(javas, true));
  EXPECT_FALSE(replay.commits().empty());
}

// The leader is removed: Java's followers leave it at that packet, and follow server 1.
TEST(LearnerOfAChange, LeavesForTheDesignatedLeader) {
  const auto session = read_session("sess-reconfig-leader-removed-38");
  const ReconfigForms forms;
  Replay replay(session, &forms, {3});
  replay.run();
  EXPECT_EQ(replay.ended(), "the membership has changed, and server 1 leads");
  EXPECT_EQ(replay.successor(), ServerId{1});
  EXPECT_EQ(replay.membership().version, replay.commits().back().value);
  EXPECT_FALSE(replay.membership().members.contains({3}));
}

INSTANTIATE_TEST_SUITE_P(Captured, LearnerSession,
                         testing::Values("sess-diff-rejoin-38", "sess-diff-rejoin-39",
                                         "sess-diff-newepoch-38", "sess-snap-38",
                                         "sess-snap-divergent-39", "sess-trunc-38", "sess-trunc-39",
                                         "sess-observer-38", "sess-observer-diff-38",
                                         "sess-observer-diff-39", "sess-observermaster-38",
                                         "sess-reconfig-leader-removed-38"));

}  // namespace
}  // namespace synod::consensus::zab
