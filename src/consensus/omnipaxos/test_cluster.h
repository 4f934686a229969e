// An ensemble of Omni-Paxos, and what only that promises, checked as it runs.
#pragma once

#include <fmt/format.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "consensus/cluster/cluster.h"
#include "consensus/native/frames.h"
#include "consensus/omnipaxos/messages.h"
#include "consensus/omnipaxos/omnipaxos.h"

namespace synod::consensus::omnipaxos {

using cluster::NodeId;

inline constexpr std::int64_t kTimeoutMs = 100;  // an election timeout

struct TestOptions {
  ElectionRule election = ElectionRule::kPaper;
  std::size_t read_quorum = 0;
  std::size_t write_quorum = 0;
  std::size_t window_bytes = std::size_t{8} << 20;
  std::uint32_t segment_entries = 4096;
};

class TestCluster final : public cluster::Cluster {
 public:
  explicit TestCluster(const cluster::Options& options, TestOptions ours = {})
      : Cluster(options, [options, ours](ServerId self, const Membership& membership) {
          return std::make_unique<OmniPaxos>(Options{.self = self,
                                                     .membership = membership,
                                                     .tick_ms = 100,
                                                     .election_timeout_ms = kTimeoutMs,
                                                     .heartbeat_ms = 20,
                                                     .election = ours.election,
                                                     .read_quorum = ours.read_quorum,
                                                     .write_quorum = ours.write_quorum,
                                                     .memory = {.entries = options.memory_entries},
                                                     .window_bytes = ours.window_bytes,
                                                     .segment_entries = ours.segment_entries,
                                                     .first_counter = options.first_counter});
        }) {
    on_send = [this](const cluster::Sent& sent) { watch(sent); };
  }

  // Before a message leaves; may crash anybody.
  std::function<void(NodeId, NodeId, const Message&)> on_message;
  [[nodiscard]] int count_sent(std::size_t kind) const {
    const auto found = counts_.find(kind);
    return found == counts_.end() ? 0 : found->second;
  }
  template <class M>
  [[nodiscard]] int count_sent() const {
    return count_sent(Message(M{}).index());
  }
  [[nodiscard]] int trees_sent() const { return trees_; }
  [[nodiscard]] std::size_t bytes_sent(NodeId node) const {  // in messages
    const auto found = bytes_.find(node);
    return found == bytes_.end() ? 0 : found->second;
  }
  [[nodiscard]] std::vector<Instance> instances(NodeId node) {
    std::vector<Instance> found;
    with_engine(node, [&](Engine& engine) { found = static_cast<OmniPaxos&>(engine).instances(); });
    return found;
  }
  void wipe_directory(NodeId node) {
    has_lost_its_log_.insert(node);
    wipe(node);
  }
  [[nodiscard]] std::vector<Message> sent_by(NodeId node) const {
    std::vector<Message> sent;
    for (const auto& [from, message] : transcript_)
      if (from == node) sent.push_back(message);
    return sent;
  }
  void keep_transcript() { keeps_transcript_ = true; }

 private:
  void watch(const cluster::Sent& sent) {
    if (sent.is_tree) {
      ++trees_;
      return;
    }
    auto& stream = streams_[{sent.connection, sent.from}];
    stream.reader.feed(sent.bytes);
    if (!stream.is_greeted) {
      const auto greeting = stream.reader.greeting();
      if (!greeting || !*greeting) return;
      stream.is_greeted = true;
      stream.is_messages = (**greeting).purpose == native::Purpose::kMessages;
    }
    for (auto body = stream.reader.next(); body && *body; body = stream.reader.next()) {
      if ((**body).empty() || (**body).front() != 0 || !stream.is_messages) continue;
      if (auto said = decode((**body).substr(1))) heard(sent.from, sent.to, *said);
    }
  }

  void heard(NodeId from, NodeId to, const Envelope& said) {
    const Message& message = said.message;
    ++counts_[message.index()];
    bytes_[from] += encode(said.configuration, message).size();
    check_configuration(from, said);
    if (keeps_transcript_) transcript_.emplace_back(from, message);
    check_claims(from, message);
    if (on_message) on_message(from, to, message);
  }

  // Nothing follows a stop-sign in its configuration, whose own quorum alone decides it; and the
  // next takes part with all of that on disk (4.11, 9.4).
  void check_configuration(NodeId from, const Envelope& said) {
    const bool is_of_instance = said.message.index() < Message(Settled{}).index();
    const auto known = memberships_.find(said.configuration);
    if (is_of_instance && known != memberships_.end() && !has_lost_its_log_.contains(from) &&
        last_durable(from) < said.configuration)
      violated(fmt::format("server {} starts configuration {:x} (message {}) without all before it",
                           from, said.configuration.value, said.message.index()));
    if (const auto* accept = std::get_if<AcceptDecide>(&said.message)) {
      for (const Entry& entry : accept->entries) note_entry(said.configuration, entry);
      check_decided(said.configuration, accept->decided);
    } else if (const auto* decide = std::get_if<Decide>(&said.message)) {
      check_decided(said.configuration, decide->decided);
    }
  }
  void note_entry(Zxid configuration, const Entry& entry) {
    const auto stop_sign = stop_signs_.find(configuration);
    if (stop_sign != stop_signs_.end() && entry.zxid.epoch() == stop_sign->second.epoch() &&
        entry.zxid > stop_sign->second)
      violated("an entry follows a stop-sign in its configuration");
    const auto form = cluster::TestForms().read(*entry.bytes);
    if (form.kind != EntryKind::kReconfiguration) return;
    if (entry.zxid > configuration) stop_signs_[configuration] = entry.zxid;
    memberships_[entry.zxid] = *Membership::parse(form.payload);
  }
  void check_decided(Zxid configuration, Zxid decided) {
    const auto known = memberships_.find(configuration);
    if (known == memberships_.end() || decided <= checked_ || decided <= configuration) return;
    checked_ = decided;
    Servers holders;
    for (NodeId id = 1; id <= 9; ++id)
      if (known->second.members.contains(ServerId{id}) && is_durable(id, decided))
        add_to(holders, ServerId{id});
    if (!known->second.is_quorum(holders))
      violated("something is decided without a quorum of its configuration");
  }

  // A message leaves only when what it claims is durable (4.12).
  void check_claims(NodeId from, const Message& message) {
    const auto disk = epochs_on_disk(from);
    if (const auto* promise = std::get_if<Promise>(&message)) {
      if (disk.accepted < promise->ballot.epoch) violated("a promise leaves before it is on disk");
      if (last_durable(from) < promise->ends.front())
        violated("a promise claims what is not on disk");
    } else if (const auto* accepted = std::get_if<Accepted>(&message)) {
      if (disk.current < accepted->ballot.epoch)
        violated("Accepted leaves before its round is on disk");
      if (last_durable(from) < accepted->up_to) violated("Accepted claims what is not on disk");
    } else if (std::holds_alternative<AcceptSync>(message)) {
      if (disk.current < std::get<AcceptSync>(message).ballot.epoch)
        violated("AcceptSync leaves before the leader has accepted its own round");
    } else if (const auto* prepare = std::get_if<Prepare>(&message)) {
      const auto [leader, is_first] = prepared_.emplace(prepare->ballot.epoch, from);
      if (!is_first && leader->second != from) violated("two servers lead with one ballot");
      if (disk.accepted < prepare->ballot.epoch)
        violated("Prepare leaves before the leader's own promise is on disk");
    }
  }

  struct Stream {
    native::FrameReader reader;
    bool is_greeted = false;
    bool is_messages = false;
  };
  std::map<std::pair<std::uint64_t, NodeId>, Stream> streams_;
  std::map<std::size_t, int> counts_;
  std::map<NodeId, std::size_t> bytes_;
  std::map<Zxid, Membership> memberships_;  // by their stop-signs
  std::map<Zxid, Zxid> stop_signs_;         // that ended them
  std::set<NodeId> has_lost_its_log_;
  Zxid checked_;
  std::map<std::uint32_t, NodeId> prepared_;
  int trees_ = 0;
  bool keeps_transcript_ = false;
  std::vector<std::pair<NodeId, Message>> transcript_;
};

}  // namespace synod::consensus::omnipaxos
