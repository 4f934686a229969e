// Omni-Paxos: ballot leader election, by connectivity, beside Sequence Paxos, which replicates the
// log whoever leads (consensus.md 4). A leader may lack entries: it fetches them.
//
//   BallotElection   tells this server when to lead, and nobody else anything
//   Leader           of one round
//   Follower         of the round promised last; also while nobody leads
//   Migration        fetches what a server lacks of the configurations before its own
//   LogSource        gives others what they lack
//
// Of one configuration at a time, from the stop-sign of the one before to its own. All of them
// share one log; reconfiguration.cc leads from one to the next.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "consensus/engine.h"
#include "consensus/journal.h"
#include "consensus/native/peer_links.h"
#include "consensus/omnipaxos/ballot_election.h"
#include "consensus/omnipaxos/follower.h"
#include "consensus/omnipaxos/leader.h"
#include "consensus/omnipaxos/log_source.h"
#include "consensus/omnipaxos/migration.h"
#include "consensus/omnipaxos/options.h"
#include "consensus/omnipaxos/quorums.h"
#include "consensus/omnipaxos/shared.h"
#include "consensus/outbox.h"

namespace synod::consensus::omnipaxos {

class OmniPaxos final : public Engine {
 public:
  explicit OmniPaxos(Options options);

  void start(const Beginning& beginning) override;
  void tick(SteadyTimeMs now) override;
  [[nodiscard]] std::optional<SteadyTimeMs> next_deadline() const override;

  void durable(Zxid up_to) override;
  void was_cut(std::optional<Zxid> last) override;
  void epochs_saved() override;
  void log_read(LinkId link, std::optional<std::vector<Entry>>&& entries, bool is_end) override;
  void snapshot_installed(LinkId link, Zxid zxid, BytesView rest,
                          std::string_view configuration) override;

  void accepted(LinkId link, Port port) override;
  void linked(LinkId link) override;
  void unlinked(LinkId link) override;
  void received(LinkId link, BytesView bytes) override;

  void propose(Entry entry) override;
  [[nodiscard]] Zxid next_zxid() const override;
  void read_index(std::uint64_t token) override;
  void send_to_leader(const ServiceMessage& message) override;
  void send_to_learner(LinkId link, const ServiceMessage& message) override;

  [[nodiscard]] const Membership* membership() const override;
  [[nodiscard]] bool is_reconfiguring() const override;
  [[nodiscard]] std::optional<std::string> why_not(const Membership& next) const override;

  [[nodiscard]] const Status& status() const override { return status_; }
  // Oldest first; of the stopped ones, the last few.
  [[nodiscard]] std::vector<Instance> instances() const override;
  [[nodiscard]] Effects drain() override;

 private:
  [[nodiscard]] Leader* leader() { return std::get_if<Leader>(&role_); }
  [[nodiscard]] Follower* follower() { return std::get_if<Follower>(&role_); }

  void settle();  // after every event
  void take_link_events();
  void lead(Ballot ballot);
  Follower& follow();
  void advance();
  [[nodiscard]] BallotElection::View view() const;
  void end_round();
  void ask_in_this_round(ServerId peer);
  [[nodiscard]] bool is_blank() const;
  void make_memory();
  void make_memory_when_all_are_new();

  // ---- from configuration to configuration (reconfiguration.cc)
  enum class Stage : std::uint8_t {
    kRunning,
    kEntering,    // the mark of it is on its way to the disk
    kMigrating,   // into one that was decided elsewhere
    kStandingBy,  // no member
  };
  struct Told {
    std::int64_t version;
    bool has_memory;
    bool names_us;
  };
  void start_configuration(const Beginning& beginning);
  [[nodiscard]] bool commit_stop_signs_of_log();
  void go_with_configuration();
  void learn_that_told_is_decided();
  [[nodiscard]] bool is_told_logged() const;
  void stop_and_enter();
  [[nodiscard]] ServerId choose_first_leader() const;
  void entered();
  void take_stage(Stage stage);
  void update_peers();
  void tell(ServerId peer);
  void tell_all();
  void make_memory_when_no_member_knows_us();
  void on(ServerId from, const Settled& settled);
  [[nodiscard]] const Membership& decided() const { return journal_.configurations().decided(); }
  [[nodiscard]] bool is_running() const { return stage_ == Stage::kRunning; }
  // Why this voter of another membership could not start with it now.
  [[nodiscard]] std::optional<std::string> why_not_ready(ServerId voter) const;

  // ---- what happens on links
  void on(const native::event::Up& up);
  void on(const native::event::Down& down);
  void on(const native::event::Message& message);
  void on(const native::event::Service& service);
  void on(native::event::Snapshot& snapshot);
  void on(const native::event::SnapshotLinked& linked);
  void on(const native::event::SnapshotLost& lost);

  // ---- what servers say
  void hear(ServerId from, Message& message);
  void hear_of_log(ServerId from, Message& message);
  void on(ServerId from, const HeartbeatRequest& request);
  void on(ServerId from, const HeartbeatReply& reply);
  void on(ServerId from, const PrepareReq& request);
  void on(ServerId from, const Prepare& prepare);
  void on(ServerId from, const NotAccepted& refusal);
  void on(ServerId from, const Confirm& confirm);
  template <class M>
  void on_from_leader(ServerId from, M& message);
  template <class M>
  void on_from_follower(ServerId from, M& message);
  // A round's leader speaks: whether that is the round we promised.
  [[nodiscard]] bool is_of_our_round(ServerId from, Ballot ballot);
  void bad_peer(ServerId peer, std::string why);

  Options options_;
  Quorums quorums_;
  Outbox outbox_;
  Journal journal_;
  native::PeerLinks links_;
  BallotElection election_;
  Status status_;
  Shared shared_;
  std::variant<Follower, Leader> role_;
  LogSource source_;
  Migration migration_;

  Stage stage_ = Stage::kRunning;
  ServerId first_leader_{};             // of the configuration to come
  std::optional<Membership> told_;      // newer than what is decided here, or than our own files
  std::map<ServerId, Told> told_by_;    // on connections that are up
  std::optional<Membership> previous_;  // until all members have started the one decided now
  std::vector<Instance> stopped_;
  bool had_memory_ = false;  // when the others were told
  Servers new_voters_;       // who said in this life that it was blank
  bool is_making_memory_ = false;
};

}  // namespace synod::consensus::omnipaxos
