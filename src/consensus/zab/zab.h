// Zab as ZooKeeper speaks it: an engine that may sit in one ensemble with ZooKeeper's own servers.
//
//   looking    Election finds a server worth following
//   leading    Leader, with one LearnerHandler a link
//   following, observing    Learner, which may be an ObserverMaster to others
//
// Between a role and the next election everything on its way to the disk arrives there, so that the
// vote claims no more than a crash would leave.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "consensus/engine.h"
#include "consensus/journal.h"
#include "consensus/outbox.h"
#include "consensus/zab/election.h"
#include "consensus/zab/leader.h"
#include "consensus/zab/learner.h"
#include "consensus/zab/options.h"
#include "consensus/zab/shared.h"

namespace synod::consensus::zab {

class Zab final : public Engine {
 public:
  explicit Zab(Options options);

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

  // Null as well: it never changes.
  [[nodiscard]] const Membership* membership() const override {
    return options_.is_reconfig_enabled ? &shared_.members().newest() : nullptr;
  }
  [[nodiscard]] bool is_reconfiguring() const override { return shared_.members().is_joint(); }
  [[nodiscard]] std::optional<std::string> why_not(const Membership& next) const override;

  [[nodiscard]] const Status& status() const override { return status_; }
  [[nodiscard]] Effects drain() override;

 private:
  // Came to the quorum port while nobody knew who leads: ZooKeeper listens there only while
  // leading, and its learners try again for half a second. They are kept waiting about as long.
  struct Parked {
    Bytes input;
    SteadyTimeMs until;
  };

  [[nodiscard]] Leader* leader() { return std::get_if<Leader>(&role_); }
  [[nodiscard]] Learner* learner() { return std::get_if<Learner>(&role_); }

  void settle();  // after every event
  void look_under_learned_membership();
  void leave_ended_role();
  void leave(std::string reason);
  void look_when_settled();
  void take_decision();
  void begin_under(ServerId leader);
  void lead();
  void follow(ServerId leader);
  [[nodiscard]] bool may_lead_next() const;
  void accepted_observer(LinkId link);
  void close_parked(LinkId link, std::string reason);
  void close_expired_parked();

  Options options_;
  Outbox outbox_;
  Journal journal_;
  Election election_;
  Status status_;
  Shared shared_;

  std::variant<std::monostate, Leader, Learner> role_;
  bool is_looking_ = false;      // the election is on
  bool is_established_ = false;  // and that is what whoever asks is told
  SteadyTimeMs look_at_;         // not before
  bool is_making_memory_ = false;
  std::optional<ServerId> appointed_;  // leads next, without an election
  std::map<LinkId, Parked> parked_;
};

}  // namespace synod::consensus::zab
