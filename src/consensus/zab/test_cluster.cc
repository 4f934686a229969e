#include "consensus/zab/test_cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "jute/codec.h"

namespace synod::consensus::zab {
namespace {

constexpr std::uint16_t kMasterPort = 41400;
constexpr std::uint16_t kNoPort = 0;

cluster::MakeEngine engines_for(const TestOptions& test) {
  return [test](ServerId self, const Membership& membership) {
    Options options{.self = self,
                    .membership = membership,
                    .is_reconfig_enabled = test.spares > 0,
                    .tick_ms = 100,
                    .init_limit = 10,
                    .sync_limit = 4,
                    .commit_log_count = test.memory_entries,
                    .observer_master_port = test.has_observer_masters ? kMasterPort : kNoPort,
                    .observer_delay_ms = 20,
                    .first_counter = test.first_counter};
    options.election.min_notification_ms = 20;
    options.election.max_notification_ms = 500;
    options.election.finalize_wait_ms = 20;
    options.election.connect_timeout_ms = 300;
    options.election.handshake_timeout_ms = 300;
    return std::make_unique<Zab>(options);
  };
}

}  // namespace

TestCluster::TestCluster(TestOptions options) : Cluster(options, engines_for(options)) {
  on_send = [this](const cluster::Sent& sent) {
    if (sent.port == Port::kElection) return check_votes(sent);
    if (!sent.is_tree) watch_packets(sent);
  };
}

void TestCluster::watch_packets(const cluster::Sent& sent) {
  Watched& link = watched_[sent.connection];
  PacketReader& packets = link.packets[sent.is_dialler ? 0 : 1];
  packets.feed(sent.bytes);
  while (true) {
    const auto packet = packets.next();
    if (!packet || !*packet) return;
    const PacketType type = (*packet)->type;
    transcript_.push_back(
        fmt::format("{}->{} {} {:#x}", sent.from, sent.to, name_of(type), (*packet)->zxid.value));
    check_claims(sent.from, link, **packet);
    if (type == PacketType::kCommitAndActivate || type == PacketType::kInformAndActivate)
      check_change(sent.from, **packet);
    if (on_packet) on_packet(sent.from, sent.to, type);
  }
}

// On the disks of a quorum of those before, and of those after.
void TestCluster::check_change(NodeId from, const QuorumPacket& packet) {
  const NodeId designated = jute::Reader(packet.data.value_or("")).i64();
  changes_.try_emplace(packet.zxid, Change{from, designated});
  Servers holders;
  const TestOptions& shape = options();
  const NodeId servers = shape.voters + shape.observers + shape.spares;
  for (NodeId node = 1; node <= servers; ++node)
    if (is_durable(node, packet.zxid)) add_to(holders, ServerId{node});
  const auto change = configurations().find(packet.zxid);
  if (change == configurations().end())
    return violated(fmt::format("{:#x} is announced before it is committed", packet.zxid.value));
  for (const Membership& membership : {std::prev(change)->second, change->second})
    if (!membership.is_quorum(holders))
      violated(fmt::format("server {} commits the change {:#x} without a quorum of both", from,
                           packet.zxid.value));
  if (!change->second.is_voter(ServerId{designated}))
    violated(fmt::format("{:#x} names a leader that does not vote", packet.zxid.value));
}

int TestCluster::handovers() const {
  return static_cast<int>(std::ranges::count_if(changes_, [](const auto& change) {
    return change.second.leader != change.second.designated;
  }));
}

void TestCluster::check_claims(NodeId from, Watched& link, const QuorumPacket& packet) {
  const effect::SaveEpochs disk = epochs_on_disk(from);
  const Zxid zxid = packet.zxid;
  bool is_true = true;
  if (packet.type == PacketType::kLeaderInfo) {
    link.epoch = zxid.epoch();
    is_true = disk.accepted >= link.epoch;
  } else if (packet.type == PacketType::kAckEpoch) {
    is_true = disk.accepted >= link.epoch && zxid <= last_durable(from);
  } else if (packet.type == PacketType::kNewLeader) {
    is_true = disk.current >= link.epoch;
  } else if (packet.type == PacketType::kAck && zxid.counter() == 0) {
    is_true = disk.current >= link.epoch && durable_count(from) >= committed_count(from);
  } else if (packet.type == PacketType::kAck) {
    is_true = last_durable(from) >= zxid;
  }
  if (!is_true)
    violated(fmt::format("server {} sends {} {:#x} before it is on disk", from,
                         name_of(packet.type), zxid.value));
}

void TestCluster::check_votes(const cluster::Sent& sent) {
  Watched& link = watched_[sent.connection];
  Bytes& unread = link.votes[sent.is_dialler ? 0 : 1];
  unread.append(sent.bytes);
  if (sent.is_dialler && !std::exchange(link.is_greeted, true))  // in one piece
    unread.erase(0, find_initial_message(unread)->size);
  while (unread.size() > 4) {
    const auto length =
        static_cast<std::size_t>(jute::load_big_endian<std::int32_t>(unread.data()));
    if (unread.size() < 4 + length) return;
    const auto said = decode_notification(BytesView(unread).substr(4, length));
    unread.erase(0, 4 + length);
    if (!said || said->state != Role::kLooking || said->vote.leader != ServerId{sent.from})
      continue;
    if (said->vote.zxid > std::max(last_durable(sent.from), Zxid{0}))
      violated(fmt::format("server {} votes for {:#x}, which is not on its disk", sent.from,
                           said->vote.zxid.value));
  }
}

int TestCluster::count_sent(const std::string& packet) const {
  return static_cast<int>(std::ranges::count_if(transcript_, [&](const std::string& line) {
    return line.find(" " + packet + " ") != std::string::npos;
  }));
}

std::string TestCluster::describe() const {
  std::string text = Cluster::describe() + "members:\n" + membership().to_text() + "\n";
  for (std::size_t i = transcript_.size() > 30 ? transcript_.size() - 30 : 0;
       i < transcript_.size(); ++i)
    text += transcript_[i] + "\n";
  return text;
}

}  // namespace synod::consensus::zab
