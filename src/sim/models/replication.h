// What Multi-Paxos and Viewstamped Replication have in common, once an election has said who may
// try: a quorum promises, the best of its logs is taken over, made everybody's, and then grows.
// "Best" is who accepted in the latest epoch, and of those the longest (consensus.md 6). A model:
// for the simulator's comparison, with no more than that needs.
//
// Epochs are ballots or views. An election derives from this and says what silence means.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "consensus/engine.h"
#include "consensus/journal.h"
#include "consensus/membership.h"
#include "consensus/native/peer_links.h"
#include "consensus/outbox.h"
#include "sim/models/messages.h"

namespace synod::sim::models {

struct Options {
  ServerId self;
  consensus::Membership membership;  // voters only
  std::int64_t tick_ms = 2000;
  std::int64_t election_timeout_ms = 1000;  // a tenth more or less, drawn for every wait
  std::int64_t heartbeat_ms = 200;
  std::uint32_t first_counter = 1;
};

class Replication : public consensus::Engine {
 public:
  explicit Replication(Options options);

  void start(const consensus::Beginning& beginning) override;
  void tick(SteadyTimeMs now) override;
  [[nodiscard]] std::optional<SteadyTimeMs> next_deadline() const override;

  void durable(Zxid up_to) override;
  void was_cut(std::optional<Zxid> last) override;
  void epochs_saved() override;

  void accepted(consensus::LinkId link, consensus::Port port) override;
  void linked(consensus::LinkId link) override;
  void unlinked(consensus::LinkId link) override;
  void received(consensus::LinkId link, BytesView bytes) override;

  void propose(consensus::Entry entry) override;
  [[nodiscard]] Zxid next_zxid() const override;
  void read_index(std::uint64_t token) override;
  void send_to_leader(const consensus::ServiceMessage& message) override;
  void send_to_learner(consensus::LinkId link, const consensus::ServiceMessage& message) override;

  [[nodiscard]] const consensus::Status& status() const override { return status_; }
  [[nodiscard]] consensus::Effects drain() override;

 protected:
  enum class Phase : std::uint8_t {
    kIdle,       // `epoch()` is promised, and its leader not heard
    kPromised,   // its leader knows
    kFollowing,  // the log is a part of the leader's
    kGathering,  // promises, as who would lead
    kFetching,   // the best of their logs
    kLeading,
  };

  // ---- an election says
  [[nodiscard]] virtual ServerId leader_of(std::uint32_t epoch) const = 0;
  virtual void on_silence() = 0;  // nobody who might lead was heard for a timeout
  virtual void repeat() = 0;  // what may have got lost; with every heartbeat of who does not lead
  virtual void on_election(ServerId from, const Message& message) = 0;
  virtual void on_stale(ServerId from) = 0;  // a leader of an epoch that is over

  // ---- and does
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] std::uint32_t epoch() const { return journal_.accepted_epoch(); }
  [[nodiscard]] bool is_quorum(const consensus::Servers& servers) const {
    return options_.membership.is_quorum(servers);
  }
  // It is nothing in this epoch yet, and its disk has caught up with what it promised and logged.
  [[nodiscard]] bool is_free() const;
  // Whatever this server was in an earlier epoch, it is no more. `then` comes when that is on disk,
  // and everything logged before.
  void promise(std::uint32_t epoch, std::function<void()> then);
  void send_promise();   // to the epoch's leader, if it is in touch
  void promise_again();  // what it may not have got, once that is on disk
  void gather();         // promises of others, to lead the epoch
  void step_down(const std::string& reason);
  void hear();  // somebody who might lead
  void send(ServerId to, const Message& message) { links_.send(to, encode(message)); }
  void broadcast(const Message& message);

 private:
  struct Follower {
    Zxid sent;
    std::optional<Zxid> appended;  // nothing: its log is not known to be a part of ours
    Zxid told;                     // to be committed
    std::uint64_t round = 0;
  };
  struct PendingRead {
    std::uint64_t token = 0;
    Zxid committed;
    std::uint64_t round = 0;  // 0: none has begun since it came
  };

  void settle();  // after every event
  void leave();
  void set_status(consensus::Status changed);
  void warn_of_end(const std::string& reason);

  void on(const consensus::native::event::Up& up);
  void on(const consensus::native::event::Down& down);
  void on(const consensus::native::event::Message& received);
  void on(const consensus::native::event::Service& received);
  void on(const consensus::native::event::Snapshot& snapshot);
  void on(const consensus::native::event::SnapshotLinked&) {}
  void on(const consensus::native::event::SnapshotLost&) {}

  // ---- leading
  void on_promise(ServerId from, const Message& promise);
  void choose_when_promised();
  void lead();
  void synchronise(ServerId follower);
  void on_appended(ServerId from, Zxid up_to);
  void commit_what_a_quorum_has();
  void beat();
  void on_beat_reply(ServerId from, std::uint64_t round);
  void ask_for_touches();
  void stream();

  // ---- following
  void on_leader(ServerId from, const Message& message);
  void commit_as_told(Zxid committed);

  // ---- both
  [[nodiscard]] std::vector<consensus::Entry> entries_after(Zxid position) const;
  // The committed part of the log and these: that is the log, under this epoch; then `then`.
  void accept(std::vector<consensus::Entry> entries, std::function<void()> then);
  void append_accepted();

  Options options_;
  consensus::Outbox outbox_;
  consensus::Journal journal_;
  consensus::native::PeerLinks links_;
  Random random_{0};
  SteadyTimeMs now_;
  consensus::Status status_;
  Phase phase_ = Phase::kIdle;
  std::function<void()> when_settled_;  // the disk has caught up
  SteadyTimeMs silent_at_;
  SteadyTimeMs next_beat_;
  SteadyTimeMs next_touches_;

  std::map<ServerId, Message> promises_;
  std::optional<ServerId> source_;
  std::map<ServerId, Follower> followers_;
  Zxid inherited_;  // ends here; a follower's: what it was synchronised to
  std::uint64_t round_ = 0;
  std::vector<PendingRead> reads_;
  std::vector<consensus::Entry> accepting_;  // behind a cut
  std::function<void()> when_accepted_;
};

}  // namespace synod::sim::models
