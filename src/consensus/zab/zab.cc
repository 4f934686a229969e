#include "consensus/zab/zab.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace synod::consensus::zab {
namespace {

constexpr std::int64_t kParkedMs = 1000;
constexpr std::size_t kMaxParked = 256;
constexpr std::size_t kMaxParkedBytes = 4096;  // FOLLOWERINFO takes 40

Options with_self(Options options) {
  options.election.self = options.self;
  const auto self = options.membership.members.find(options.self);
  if (self != options.membership.members.end()) options.election.addresses = self->second.election;
  return options;
}

// A view of what has its place, though nothing in it yet.
JointMembership members_of(const Options& options, const Journal& journal) {
  if (!options.is_reconfig_enabled) return options.membership;
  return JointMembership(journal.configurations());
}

}  // namespace

Zab::Zab(Options options)
    : options_(with_self(std::move(options))),
      journal_({options_.commit_log_count, options_.commit_log_bytes}, outbox_),
      election_(options_.election, members_of(options_, journal_), outbox_),
      shared_{options_, outbox_, journal_, status_, {}} {
  SYNOD_ASSERT(options_.is_reconfig_enabled || options_.membership.members.contains(options_.self));
}

void Zab::start(const Beginning& beginning) {
  shared_.now = look_at_ = beginning.now;
  shared_.random = Random(beginning.seed);
  journal_.start(beginning, options_.membership);
  election_.tick(beginning.now);
  if (!beginning.has_memory)
    outbox_.warn(
        "this server's data directory is empty: it votes once it has been synchronised by a "
        "leader, or when every other voter turns out to be new as well");
  outbox_.add(effect::StatusChanged{status_});
  settle();
}

// ---- from role to role ------------------------------------------------------------------------

void Zab::settle() {
  look_under_learned_membership();
  leave_ended_role();
  look_when_settled();
  take_decision();
  leave_ended_role();
  if (!is_looking_ && status_.is_serving && !std::exchange(is_established_, true))
    election_.establish(status_.epoch);
}

void Zab::look_under_learned_membership() {
  auto learned = election_.take_learned();
  if (!learned || !is_looking_) return;
  journal_.adopt(*std::move(learned));
  election_.look(journal_.last_logged(), journal_.current_epoch(), journal_.has_memory());
}

void Zab::leave_ended_role() {
  if (leader() != nullptr && leader()->ended())
    leave(*leader()->ended());
  else if (learner() != nullptr && learner()->ended())
    leave(*learner()->ended());
}

void Zab::leave(std::string reason) {
  if (status_.is_serving || leader() != nullptr)
    outbox_.warn(
        fmt::format("not {} any more: {}", leader() != nullptr ? "leading" : "following", reason));
  if (auto* role = leader()) {
    appointed_ = role->successor();
    role->close_links();
  }
  if (auto* role = learner()) {
    appointed_ = role->successor();
    role->close_links();
  }
  const bool was_observing = status_.role == Role::kObserving;
  role_ = std::monostate{};
  is_looking_ = false;
  // Observers that lost their leader do not all come at once.
  look_at_ = shared_.now;
  if (was_observing && !appointed_)
    look_at_.value += static_cast<std::int64_t>(
        shared_.random.below(static_cast<std::uint64_t>(options_.observer_delay_ms) + 1));
  shared_.set_status({});
}

// The vote claims what is logged and the epoch: both are on disk before it leaves.
void Zab::look_when_settled() {
  if (role_.index() != 0 || is_looking_ || !journal_.is_settled() || shared_.now < look_at_) return;
  if (std::exchange(is_making_memory_, false)) journal_.gain_memory();
  if (const auto leader = std::exchange(appointed_, std::nullopt)) {
    election_.appoint(*leader, journal_.last_logged());
    return begin_under(*leader);
  }
  is_looking_ = true;
  election_.look(journal_.last_logged(), journal_.current_epoch(), journal_.has_memory());
}

void Zab::take_decision() {
  if (!is_looking_) return;
  if (election_.take_all_are_new()) {
    // Nobody remembers anything, so there was nothing to forget: the ensemble begins.
    is_looking_ = false;
    is_making_memory_ = true;
    journal_.save_epochs(journal_.accepted_epoch(), journal_.current_epoch());
    return;
  }
  const auto decision = election_.take_decision();
  if (!decision) return;
  begin_under(decision->leader);
}

void Zab::begin_under(ServerId leader) {
  is_looking_ = is_established_ = false;
  if (leader == options_.self)
    lead();
  else
    follow(leader);
}

void Zab::lead() {
  shared_.set_status({.role = Role::kLeading, .leader = options_.self});
  Leader& leader = role_.emplace<Leader>(shared_);
  leader.start();
  for (auto& [link, parked] : std::exchange(parked_, {})) {
    leader.accepted(link);
    leader.received(link, parked.input);
  }
}

void Zab::follow(ServerId leader) {
  while (!parked_.empty()) close_parked(parked_.begin()->first, "this server does not lead");
  const bool is_observer = shared_.members().is_observer(options_.self);
  shared_.set_status({.role = is_observer ? Role::kObserving : Role::kFollowing, .leader = leader});
  role_.emplace<Learner>(shared_, leader).start();
}

// ---- time -------------------------------------------------------------------------------------

void Zab::tick(SteadyTimeMs now) {
  shared_.now = now;
  election_.tick(now);
  if (auto* role = leader()) role->tick();
  if (auto* role = learner()) role->tick();
  close_expired_parked();
  settle();
}

std::optional<SteadyTimeMs> Zab::next_deadline() const {
  std::optional<SteadyTimeMs> next = election_.next_deadline();
  const auto consider = [&next](std::optional<SteadyTimeMs> deadline) {
    if (deadline && (!next || *deadline < *next)) next = deadline;
  };
  if (const auto* role = std::get_if<Leader>(&role_)) consider(role->next_deadline());
  if (const auto* role = std::get_if<Learner>(&role_)) consider(role->next_deadline());
  if (role_.index() == 0 && !is_looking_ && journal_.is_settled()) consider(look_at_);
  for (const auto& [link, parked] : parked_) consider(parked.until);
  return next;
}

// ---- the log ----------------------------------------------------------------------------------

void Zab::durable(Zxid up_to) {
  journal_.on_durable(up_to);
  if (auto* role = leader()) role->durable();
  if (auto* role = learner()) role->durable();
  settle();
}

void Zab::was_cut(std::optional<Zxid> last) {
  journal_.on_cut(last);
  if (!last)
    outbox_.warn(
        "the log could not be cut where the leader asked for it: its whole tree is asked for");
  if (auto* role = learner()) role->was_cut();
  settle();
}

void Zab::epochs_saved() {
  journal_.on_epochs_saved();
  if (auto* role = leader()) role->epochs_saved();
  if (auto* role = learner()) role->epochs_saved();
  settle();
}

void Zab::log_read(LinkId link, std::optional<std::vector<Entry>>&& entries, bool is_end) {
  if (auto* role = leader())
    role->log_read(link, std::move(entries), is_end);
  else if (auto* follower = learner())
    follower->log_read(link, std::move(entries), is_end);
  settle();
}

void Zab::snapshot_installed(LinkId link, Zxid zxid, BytesView rest,
                             std::string_view configuration) {
  journal_.on_snapshot(zxid, configuration);
  if (auto* role = learner()) role->snapshot_installed(link, zxid, rest);
  settle();
}

// ---- links ------------------------------------------------------------------------------------

void Zab::accepted(LinkId link, Port port) {
  if (port == Port::kElection)
    election_.accepted(link);
  else if (port == Port::kObserverMaster)
    accepted_observer(link);
  else if (auto* role = leader())
    role->accepted(link);
  else if ((role_.index() != 0 && !may_lead_next()) || parked_.size() >= kMaxParked)
    outbox_.close(link, "this server does not lead");
  else
    parked_.emplace(link, Parked{{}, {shared_.now.value + kParkedMs}});
  settle();
}

// A leader does not listen there (reference, quorum protocol 5.8): observers try the next.
void Zab::accepted_observer(LinkId link) {
  if (auto* role = learner())
    role->accepted(link);
  else
    outbox_.close(link);
}

void Zab::linked(LinkId link) {
  if (election_.owns(link))
    election_.linked(link);
  else if (auto* role = learner())
    role->linked(link);
  settle();
}

void Zab::unlinked(LinkId link) {
  if (election_.owns(link)) {
    election_.unlinked(link);
  } else {
    parked_.erase(link);
    if (auto* role = leader()) role->unlinked(link);
    if (auto* role = learner()) role->unlinked(link);
  }
  settle();
}

void Zab::received(LinkId link, BytesView bytes) {
  if (election_.owns(link)) {
    election_.received(link, bytes);
  } else if (const auto parked = parked_.find(link); parked != parked_.end()) {
    parked->second.input.append(bytes);
    if (parked->second.input.size() > kMaxParkedBytes)
      close_parked(link, "it does not wait for an answer");
  } else if (auto* role = leader()) {
    role->received(link, bytes);
  } else if (auto* follower = learner()) {
    follower->received(link, bytes);
  }
  settle();
}

// A follower may be named in a change under way, and hear of it behind those that are to follow it.
bool Zab::may_lead_next() const {
  return std::holds_alternative<Learner>(role_) && shared_.members().is_joint() &&
         shared_.members().newest().is_voter(options_.self);
}

void Zab::close_parked(LinkId link, std::string reason) {
  parked_.erase(link);
  outbox_.close(link, std::move(reason));
}

void Zab::close_expired_parked() {
  std::vector<LinkId> expired;
  for (const auto& [link, parked] : parked_)
    if (shared_.now >= parked.until) expired.push_back(link);
  for (const LinkId link : expired) close_parked(link, "this server does not lead yet");
}

// ---- serving ----------------------------------------------------------------------------------

// What is proposed in the turn in which the lead was lost is lost with it: nobody was told of it.
void Zab::propose(Entry entry) {
  if (auto* role = leader(); role != nullptr && status_.is_serving) role->propose(std::move(entry));
  settle();
}

Zxid Zab::next_zxid() const {
  const auto* role = std::get_if<Leader>(&role_);
  return role != nullptr ? role->next_zxid() : journal_.last_logged().next();
}

void Zab::read_index(std::uint64_t token) {
  if (auto* role = leader(); role != nullptr && status_.is_serving) role->read_index(token);
}

void Zab::send_to_leader(const ServiceMessage& message) {
  if (auto* role = learner()) role->send_to_leader(message);
}

void Zab::send_to_learner(LinkId link, const ServiceMessage& message) {
  if (auto* role = leader()) role->send_to_learner(link, message);
}

std::optional<std::string> Zab::why_not(const Membership& next) const {
  const auto* role = std::get_if<Leader>(&role_);
  return role != nullptr ? role->why_not(next) : "this server does not lead";
}

Effects Zab::drain() {
  if (auto* role = leader()) role->flush();
  if (auto* role = learner()) role->flush();
  return outbox_.take();
}

}  // namespace synod::consensus::zab
