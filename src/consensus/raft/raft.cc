#include "consensus/raft/raft.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"

namespace synod::consensus::raft {
namespace {

native::PeerLinks::Options link_options(const Options& options) {
  const auto& members = options.membership.members;
  const auto own = members.find(options.self);
  return {.self = options.self,
          .engine = native::EngineTag::kRaft,
          .redial_ms = std::min<std::int64_t>(options.heartbeat_ms, 100),
          .connect_timeout_ms = 2 * options.election_timeout_ms,
          .silence_ms = 3 * options.election_timeout_ms,
          .own = own == members.end() ? std::vector<Endpoint>() : own->second.quorum};
}

}  // namespace

Raft::Raft(Options options)
    : options_(std::move(options)),
      journal_(options_.memory, outbox_),
      links_(link_options(options_), outbox_),
      configuration_(journal_.configurations(), options_.single_steps),
      shared_(options_, outbox_, journal_, links_, configuration_),
      election_(shared_) {
  SYNOD_ASSERT(!options_.lease_drift_percent || options_.check_quorum);
}

void Raft::start(const Beginning& beginning) {
  shared_.start(beginning);
  links_.tick(beginning.now);
  links_.set_new(!journal_.has_memory());
  reconfigured();
  if (!beginning.has_memory)
    outbox_.warn(
        "this server's data directory is empty: it votes once it has been synchronised by a "
        "leader, or when every other voter turns out to be new as well");
  outbox_.add(effect::StatusChanged{shared_.status});
  election_.start();
  begin_if_all_are_new();
  // Nobody else could be waited for.
  if (configuration_.is_quorum({options_.self})) election_.time_out();
  settle();
}

// ---- from role to role ------------------------------------------------------------------------

void Raft::settle() {
  take_link_events();
  while (journal_.configurations().revision() != configurations_seen_) {
    reconfigured();
    take_link_events();
  }
  if (leader() != nullptr && leader()->ended()) {
    const bool goes_on = leader()->is_to_campaign_again();
    leave(*leader()->ended());
    if (goes_on) election_.campaign(true);
  }
  if (election_.is_won()) lead();
  // A server that promised nothing and holds nothing has nothing to forget.
  links_.set_new(!journal_.has_memory() ||
                 (shared_.term() == 0 && journal_.last_logged() == Zxid{}));
}

// The log holds another configuration, or one of it is committed, or was cut off: it counts at once
// wherever it is asked (Configuration); this is what else follows.
void Raft::reconfigured() {
  configurations_seen_ = journal_.configurations().revision();
  links_.set_peers(configuration_.peers_of(options_.self));
  if (auto* role = leader()) role->reconfigured();
  if (auto* role = follower()) role->reconfigured();
}

void Raft::lead() {
  election_.stop();
  shared_.set_status({.role = Role::kLeading, .leader = options_.self, .epoch = shared_.term()});
  role_.emplace<Leader>(shared_).start();
}

void Raft::follow(ServerId leader) {
  election_.stop();
  role_.emplace<Follower>(shared_, leader);
}

void Raft::leave(const std::string& reason) {
  if (shared_.status.is_serving || leader() != nullptr)
    outbox_.warn(
        fmt::format("not {} any more: {}", leader() != nullptr ? "leading" : "following", reason));
  if (auto* role = leader()) role->close_links();
  role_ = std::monostate{};
  shared_.set_status({});
}

// Appended or voted for: whatever the role was, it is over (5.1).
void Raft::enter_newer_term(std::uint32_t term, ServerId voted_for) {
  if (role_.index() != 0) leave(fmt::format("there is a newer term, {}", term));
  election_.stop();
  held_.clear();
  shared_.enter_term(term, voted_for);
}

// ---- time -------------------------------------------------------------------------------------

void Raft::tick(SteadyTimeMs now) {
  shared_.now = now;
  links_.tick(now);
  take_link_events();
  if (auto* role = leader()) {
    role->tick();
  } else if (election_.is_due()) {
    time_out();
  }
  settle();
}

void Raft::time_out() {
  if (const auto* role = follower()) {
    // What was said on this link, and who has acknowledged what, is over: in the same term nothing
    // else would tell it from what is said from now on.
    const ServerId leader = role->leader();
    leave("nothing is heard of the leader");
    shared_.break_link(leader, "nothing is heard of the leader");
  }
  election_.time_out();
}

std::optional<SteadyTimeMs> Raft::next_deadline() const {
  const auto* role = std::get_if<Leader>(&role_);
  const SteadyTimeMs own = role != nullptr ? role->next_deadline() : election_.deadline();
  const auto links = links_.next_deadline();
  return links ? std::min(own, *links) : own;
}

// ---- the log ----------------------------------------------------------------------------------

void Raft::durable(Zxid up_to) {
  journal_.on_durable(up_to);
  if (auto* role = leader()) role->durable();
  if (auto* role = follower()) role->durable();
  settle();
}

void Raft::was_cut(std::optional<Zxid> last) {
  journal_.on_cut(last);
  shared_.is_log_changing = false;
  if (!last)
    outbox_.warn(
        "the log could not be cut where the leader asked for it: its whole tree is asked for");
  take_held();
  settle();
}

void Raft::epochs_saved() {
  shared_.epochs_saved();
  settle();
}

void Raft::log_read(LinkId link, std::optional<std::vector<Entry>>&& entries, bool is_end) {
  if (auto* role = leader()) role->log_read(link, std::move(entries), is_end);
  settle();
}

// Of a leader whose term is over the tree is as good as its log was when it began to send; but the
// next one's log may differ, and it asks for itself.
void Raft::snapshot_installed(LinkId link, Zxid zxid, BytesView /*rest*/,
                              std::string_view configuration) {
  journal_.on_snapshot(zxid, configuration);
  shared_.is_log_changing = false;
  const auto installed = std::exchange(installing_, std::nullopt);
  SYNOD_ASSERT(installed && installed->link == link);
  links_.close(link);
  if (auto* role = follower();
      role != nullptr && role->leader() == installed->from && shared_.term() == installed->term)
    role->tree_installed(zxid);
  take_held();
  settle();
}

// ---- links ------------------------------------------------------------------------------------

void Raft::accepted(LinkId link, Port /*port*/) {
  links_.accepted(link);
  settle();
}

void Raft::linked(LinkId link) {
  links_.linked(link);
  settle();
}

void Raft::unlinked(LinkId link) {
  links_.unlinked(link);
  settle();
}

void Raft::received(LinkId link, BytesView bytes) {
  links_.received(link, bytes);
  settle();
}

// ---- serving ----------------------------------------------------------------------------------

// What is proposed in the turn in which the lead was lost is lost with it: nobody was told of it.
void Raft::propose(Entry entry) {
  if (auto* role = leader(); role != nullptr && shared_.status.is_serving)
    role->propose(std::move(entry));
  settle();
}

Zxid Raft::next_zxid() const {
  const auto* role = std::get_if<Leader>(&role_);
  return role != nullptr ? role->next_zxid() : journal_.last_logged().next();
}

void Raft::read_index(std::uint64_t token) {
  if (auto* role = leader(); role != nullptr && shared_.status.is_serving) role->read_index(token);
}

void Raft::send_to_leader(const ServiceMessage& message) {
  if (auto* role = follower()) role->send_to_leader(message);
}

void Raft::send_to_learner(LinkId link, const ServiceMessage& message) {
  if (auto* role = leader(); role != nullptr && shared_.status.is_serving)
    role->send_to_learner(link, message);
}

bool Raft::transfer_leadership(ServerId target) {
  auto* role = leader();
  return role != nullptr && shared_.status.is_serving && role->transfer(target);
}

std::optional<std::string> Raft::why_not(const Membership& next) const {
  const auto* role = std::get_if<Leader>(&role_);
  return role != nullptr ? role->why_not(next) : "this server does not lead";
}

Effects Raft::drain() {
  if (auto* role = leader()) role->flush();
  return outbox_.take();
}

}  // namespace synod::consensus::raft
