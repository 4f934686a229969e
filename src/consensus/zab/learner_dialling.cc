// How a learner finds its leader, or an observer one of its masters, and how long it waits for them
// (reference, quorum protocol 4.7, 5.8).
#include <fmt/format.h>

#include <utility>

#include "consensus/zab/learner.h"

namespace synod::consensus::zab {
namespace {

constexpr std::size_t kMaxDials = 5;  // of each

}  // namespace

void Learner::start() {
  const Options& options = shared_->options;
  give_up_dialling_at_ =
      shared_->after_ticks(options.connect_limit > 0 ? options.connect_limit : options.init_limit);
  choose_teachers();
  dial();
}

// Any voter but the leader may be a master; which of them follow, nobody says. In an order of each
// observer's own, so that they spread. Where nobody else votes, it is the leader after all.
void Learner::choose_teachers() {
  if (is_observing() && shared_->options.observer_master_port != 0)
    teachers_ = shared_->members().voters();
  std::erase(teachers_, leader_);
  for (std::size_t left = teachers_.size(); left > 1; --left)
    std::swap(teachers_[left - 1], teachers_[shared_->random.below(left)]);
  if (teachers_.empty()) teachers_ = {leader_};
}

bool Learner::has_masters() const { return teachers_.front() != leader_; }

void Learner::dial() {
  redial_at_.reset();
  const ServerId teacher = teachers_[dials_++ % teachers_.size()];
  const JointMembership members = shared_->members();
  const Member* member = members.find(teacher);
  if (member == nullptr) return end(fmt::format("server {} is not a member", teacher.value));
  std::vector<Endpoint> endpoints = member->quorum;
  if (has_masters())
    for (Endpoint& endpoint : endpoints) endpoint.port = shared_->options.observer_master_port;
  link_ = shared_->outbox.dial(teacher, has_masters() ? Port::kObserverMaster : Port::kQuorum,
                               std::move(endpoints));
}

// Without a pause, until all have been tried.
void Learner::dial_next() {
  close_link();
  reader_ = PacketReader();
  stage_ = Stage::kDialling;
  if (dials_ >= kMaxDials * teachers_.size()) return end("the leader cannot be reached");
  if (dials_ % teachers_.size() != 0) return dial();
  redial_at_ = SteadyTimeMs{shared_->now.value + shared_->options.redial_ms};
}

void Learner::linked(LinkId link) {
  if (link != link_ || stage_ != Stage::kDialling) return;
  stage_ = Stage::kRegistering;
  heard_at_ = shared_->now;
  const Journal& journal = shared_->journal;
  const Bytes info = encode_learner_info(
      {.server = shared_->options.self, .config_version = shared_->members().decided().version});
  // Without memory nothing is known of earlier promises: epoch -1.
  const Zxid promised =
      journal.has_memory() ? Zxid::of(journal.accepted_epoch(), 0) : Zxid::of(0xffffffff, 0);
  send({.type = is_observing() ? PacketType::kObserverInfo : PacketType::kFollowerInfo,
        .zxid = promised,
        .data = info});
}

void Learner::unlinked(LinkId link) {
  if (observers_) observers_->unlinked(link);
  if (link != link_) return;
  link_.reset();
  // The leader is elected, but perhaps not aware of it yet; a voter that is no master, or has no
  // leader, takes the link and closes it.
  const bool is_unavailable =
      stage_ == Stage::kDialling || (stage_ == Stage::kRegistering && has_masters());
  if (!is_unavailable) return end("the link to the leader broke");
  dial_next();
}

void Learner::close_link() {
  if (link_) shared_->outbox.close(*link_);
  link_.reset();
}

void Learner::close_links() {
  if (observers_) observers_->close_links();
  close_link();
}

void Learner::tick() {
  if (observers_) observers_->tick();
  if (redial_at_ && shared_->now >= *redial_at_) return dial();
  const auto deadline = overdue_at();
  if (!deadline || shared_->now < *deadline || redial_at_) return;
  end(stage_ == Stage::kDialling ? "the leader cannot be reached in time"
                                 : "nothing is heard of the leader");
}

std::optional<SteadyTimeMs> Learner::next_deadline() const {
  std::optional<SteadyTimeMs> next = overdue_at();
  const auto of_observers = observers_ ? observers_->next_deadline() : std::nullopt;
  if (of_observers && (!next || *of_observers < *next)) next = of_observers;
  return next;
}

std::optional<SteadyTimeMs> Learner::overdue_at() const {
  const Options& options = shared_->options;
  switch (stage_) {
    case Stage::kDialling:
      return redial_at_ ? *redial_at_ : give_up_dialling_at_;
    case Stage::kCutting:
    case Stage::kInstalling:
      return std::nullopt;  // it is our turn, or the link's
    case Stage::kRegistering:
    case Stage::kPromising:
    case Stage::kPromised:
    case Stage::kCatchingUp:
      return SteadyTimeMs{heard_at_.value + options.init_limit * options.tick_ms};
    case Stage::kAccepting:
    case Stage::kAccepted:
    case Stage::kUpToDate:
      return SteadyTimeMs{heard_at_.value + options.sync_limit * options.tick_ms};
  }
  return std::nullopt;
}

}  // namespace synod::consensus::zab
