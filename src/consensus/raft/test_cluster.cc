#include "consensus/raft/test_cluster.h"

#include <fmt/format.h>

#include <iterator>
#include <memory>
#include <utility>

namespace synod::consensus::raft {
namespace {

cluster::MakeEngine engines_for(const TestOptions& test, const TestCluster::Adjust& adjust) {
  return [test, adjust](ServerId self, const Membership& membership) {
    Options options{.self = self,
                    .membership = membership,
                    .tick_ms = 100,
                    .election_timeout_ms = TestCluster::kElectionTimeoutMs,
                    .heartbeat_ms = 40,
                    .memory = {.entries = test.memory_entries},
                    .first_counter = test.first_counter};
    if (adjust) adjust(options);
    return std::make_unique<Raft>(options);
  };
}

}  // namespace

TestCluster::TestCluster(TestOptions options, const Adjust& adjust)
    : Cluster(options, engines_for(options, adjust)) {
  on_send = [this](const cluster::Sent& sent) {
    if (!sent.is_tree) watch(sent);
  };
}

void TestCluster::watch(const cluster::Sent& sent) {
  Watched& watched = watched_[{sent.connection, sent.is_dialler}];
  watched.frames.feed(sent.bytes);
  if (!std::exchange(watched.is_greeted, true)) {
    const auto greeting = watched.frames.greeting();
    if (!greeting || !*greeting) violated("a link that does not begin with a greeting");
  }
  while (true) {
    const auto body = watched.frames.next();
    if (!body || !*body) return;
    // A sign of life, service, or an address.
    if ((*body)->size() < 2 || (*body)->front() == 1 || (*body)->front() == 3) continue;
    const auto message = decode((*body)->substr(1));
    if (!message) return violated(fmt::format("server {} sends {}", sent.from, message.error()));
    const std::string name = name_of(*message);
    ++counts_[name];
    if (!name.starts_with("Heartbeat"))
      transcript_.push_back(fmt::format("{}->{} {}", sent.from, sent.to, name));
    check_claims(sent.from, sent.to, *message);
    check_changes();
    if (on_message) on_message(sent.from, sent.to, *message);
  }
}

// Before the first word of a commit leaves: C_old,new is on the disks of a majority of both sides.
// A single step's is on those of the new one, which is a majority for the old as good as.
void TestCluster::check_changes() {
  const auto& all = configurations();
  for (; changes_checked_ + 1 < all.size(); ++changes_checked_) {
    const auto before = std::next(all.begin(), static_cast<std::ptrdiff_t>(changes_checked_));
    const auto& [zxid, next] = *std::next(before);
    Servers holders;
    for (const ServerId voter : next.voters()) add_to(holders, voter);
    for (const ServerId voter : before->second.voters()) add_to(holders, voter);
    const std::size_t of_either = holders.size();
    std::erase_if(holders, [&](ServerId server) { return !is_durable(server.value, zxid); });
    const std::size_t changed = 2 * of_either - next.voter_count() - before->second.voter_count();
    if (!next.is_quorum(holders) || (changed > 1 && !before->second.is_quorum(holders)))
      violated(fmt::format("the change {:#x} is committed by one side alone", zxid.value));
  }
}

void TestCluster::check_claims(NodeId from, NodeId to, const Message& message) {
  const effect::SaveEpochs disk = epochs_on_disk(from);
  bool is_true = true;
  if (const auto* ask = std::get_if<message::RequestVote>(&message)) {
    is_true = ask->is_pre || (disk.accepted >= ask->term &&
                              (disk.accepted > ask->term || disk.voted_for == ServerId{from}));
  } else if (const auto* vote = std::get_if<message::Vote>(&message)) {
    if (vote->is_pre) return;
    is_true = disk.accepted >= vote->term;
    if (vote->is_granted) {
      is_true &= disk.accepted > vote->term || disk.voted_for == ServerId{to};
      const auto [voted, is_first] = votes_.emplace(std::pair(vote->term, from), to);
      if (!is_first && voted->second != to)
        violated(fmt::format("server {} votes twice in term {}", from, vote->term));
    }
  } else if (const auto* appended = std::get_if<message::Appended>(&message)) {
    is_true = last_durable(from) >= appended->match &&
              (!appended->has_memory || disk.accepted >= appended->term);
  }
  if (!is_true)
    violated(fmt::format("server {} sends {} before it is on disk", from, name_of(message)));
}

int TestCluster::count_sent(const std::string& message) const {
  const auto found = counts_.find(message);
  return found == counts_.end() ? 0 : found->second;
}

void TestCluster::clear_transcript() {
  transcript_.clear();
  counts_.clear();
}

std::string TestCluster::describe() const {
  std::string text = Cluster::describe();
  for (std::size_t i = transcript_.size() > 40 ? transcript_.size() - 40 : 0;
       i < transcript_.size(); ++i)
    text += transcript_[i] + "\n";
  return text;
}

}  // namespace synod::consensus::raft
