#include "sim/models/replication.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace synod::sim::models {

using consensus::Entry;
using consensus::Role;
using consensus::ServiceMessage;
namespace effect = consensus::effect;
namespace native = consensus::native;
using Kind = Message::Kind;

namespace {

constexpr native::EngineTag kModelTag{255};  // that no engine has
// All of it: a model sends no trees, so nobody may come to lack what a leader no longer remembers.
constexpr consensus::Journal::Memory kWholeLog{.entries = SIZE_MAX, .bytes = SIZE_MAX};

native::PeerLinks::Options link_options(const Options& options) {
  return {.self = options.self,
          .engine = kModelTag,
          .redial_ms = std::min<std::int64_t>(options.heartbeat_ms, 100),
          .connect_timeout_ms = 2 * options.election_timeout_ms,
          .silence_ms = 2 * options.election_timeout_ms};
}

}  // namespace

Replication::Replication(Options options)
    : options_(std::move(options)),
      journal_(kWholeLog, outbox_),
      links_(link_options(options_), outbox_) {}

void Replication::start(const consensus::Beginning& beginning) {
  now_ = next_beat_ = next_touches_ = beginning.now;
  random_ = Random(beginning.seed);
  journal_.start(beginning, options_.membership);
  links_.tick(now_);
  auto peers = options_.membership.members;
  peers.erase(options_.self);
  links_.set_peers(std::move(peers));
  outbox_.add(effect::StatusChanged{status_});
  // No model's disk is ever wiped: who is empty is new, and says so on it.
  if (!beginning.has_memory) journal_.save_epochs(0, 0);
  hear();
  settle();
}

// ---- roles ------------------------------------------------------------------------------------

void Replication::settle() {
  for (auto events = links_.take_events(); !events.empty(); events = links_.take_events())
    for (native::PeerEvent& event : events) std::visit([&](auto& e) { on(e); }, event);
  while (when_settled_ && journal_.is_settled()) std::exchange(when_settled_, nullptr)();
}

void Replication::leave() {
  phase_ = Phase::kIdle;
  when_settled_ = when_accepted_ = nullptr;
  promises_.clear();
  followers_.clear();
  source_.reset();
  reads_.clear();
  set_status({});
}

void Replication::warn_of_end(const std::string& reason) {
  if (status_.role == Role::kLeading) outbox_.warn("not leading any more: " + reason);
}

void Replication::step_down(const std::string& reason) {
  warn_of_end(reason);
  leave();
  hear();
}

void Replication::promise(std::uint32_t epoch, std::function<void()> then) {
  warn_of_end(fmt::format("epoch {} begins", epoch));
  leave();
  hear();
  journal_.save_epochs(epoch, journal_.current_epoch());
  when_settled_ = std::move(then);
}

void Replication::send_promise() {
  const ServerId leader = leader_of(epoch());
  if (!links_.is_up(leader)) return;
  phase_ = Phase::kPromised;
  set_status({.role = Role::kFollowing, .leader = leader});
  send(leader, {.kind = Kind::kPromise,
                .epoch = epoch(),
                .accepted = journal_.current_epoch(),
                .position = journal_.last_logged(),
                .committed = journal_.committed()});
}

bool Replication::is_free() const {
  return phase_ == Phase::kIdle && !when_settled_ && journal_.is_settled();
}

void Replication::promise_again() {
  if (is_free()) send_promise();
}

void Replication::set_status(consensus::Status changed) {
  if (changed == status_) return;
  status_ = changed;
  outbox_.add(effect::StatusChanged{changed});
}

// ---- time -------------------------------------------------------------------------------------

void Replication::hear() {
  const std::int64_t tenth = options_.election_timeout_ms / 10;
  const auto drawn =
      static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(2 * tenth + 1)));
  silent_at_ = {now_.value + options_.election_timeout_ms - tenth + drawn};
}

void Replication::tick(SteadyTimeMs now) {
  now_ = now;
  links_.tick(now);
  settle();
  if (phase_ != Phase::kLeading && now >= silent_at_) {
    hear();
    on_silence();
  }
  if (now >= next_beat_) {
    next_beat_ = {now.value + options_.heartbeat_ms};
    if (phase_ == Phase::kLeading)
      beat();
    else
      repeat();
  }
  if (phase_ == Phase::kLeading && now >= next_touches_) ask_for_touches();
  settle();
}

std::optional<SteadyTimeMs> Replication::next_deadline() const {
  SteadyTimeMs next = std::min(next_beat_, phase_ == Phase::kLeading ? next_touches_ : silent_at_);
  return std::min(next, links_.next_deadline().value_or(next));
}

// ---- the log ----------------------------------------------------------------------------------

void Replication::durable(Zxid up_to) {
  journal_.on_durable(up_to);
  if (phase_ == Phase::kLeading) commit_what_a_quorum_has();
  if (phase_ == Phase::kFollowing)
    send(leader_of(epoch()), {.kind = Kind::kAppended, .epoch = epoch(), .position = up_to});
  settle();
}

void Replication::epochs_saved() {
  journal_.on_epochs_saved();
  settle();
}

std::vector<Entry> Replication::entries_after(Zxid position) const {
  return {journal_.history().after(position), journal_.history().end()};
}

void Replication::accept(std::vector<Entry> entries, std::function<void()> then) {
  Zxid common = journal_.committed();
  auto ours = journal_.history().after(common);
  auto theirs = entries.begin();
  for (; ours != journal_.history().end() && theirs != entries.end() && ours->zxid == theirs->zxid;
       ++ours, ++theirs)
    common = ours->zxid;
  entries.erase(entries.begin(), theirs);
  accepting_ = std::move(entries);
  when_accepted_ = std::move(then);
  if (common == journal_.last_logged()) return append_accepted();
  journal_.cut(common);
}

void Replication::was_cut(std::optional<Zxid> last) {
  SYNOD_ASSERT(last.has_value());  // what is committed only is in snapshots
  journal_.on_cut(last);
  if (when_accepted_) append_accepted();
  settle();
}

// First the log, then the epoch under which it was accepted.
void Replication::append_accepted() {
  for (Entry& entry : std::exchange(accepting_, {})) journal_.append(std::move(entry));
  when_settled_ = [this] {
    journal_.save_epochs(epoch(), epoch());
    when_settled_ = std::exchange(when_accepted_, nullptr);
  };
}

// ---- links ------------------------------------------------------------------------------------

void Replication::accepted(consensus::LinkId link, consensus::Port /*port*/) {
  links_.accepted(link);
  settle();
}

void Replication::linked(consensus::LinkId link) {
  links_.linked(link);
  settle();
}

void Replication::unlinked(consensus::LinkId link) {
  links_.unlinked(link);
  settle();
}

void Replication::received(consensus::LinkId link, BytesView bytes) {
  links_.received(link, bytes);
  settle();
}

void Replication::broadcast(const Message& message) {
  for (const auto& [peer, member] : options_.membership.members)
    if (peer != options_.self) send(peer, message);
}

void Replication::on(const native::event::Up& /*up*/) {
  next_beat_ = now_;  // it may have missed something
}

// What was said on its link may not have arrived: it is followed, or follows, anew.
void Replication::on(const native::event::Down& down) {
  promises_.erase(down.peer);
  followers_.erase(down.peer);
  const bool is_followed = phase_ == Phase::kPromised || phase_ == Phase::kFollowing;
  if (is_followed && down.peer == leader_of(epoch())) leave();
  if (source_ != down.peer) return;
  source_.reset();
  phase_ = Phase::kGathering;
  choose_when_promised();
}

void Replication::on(const native::event::Message& received) {
  auto decoded = decode(received.body);
  const auto link = links_.link_of(received.peer);
  if (!decoded) return links_.close(*link, decoded.error());
  const Message& message = *decoded;
  const ServerId from = received.peer;
  switch (message.kind) {
    case Kind::kPrepare:
    case Kind::kStartViewChange:
    case Kind::kRefused:
      return on_election(from, message);
    case Kind::kSync:
    case Kind::kAppend:
    case Kind::kBeat:
      return on_leader(from, message);
    case Kind::kPromise:
      return on_promise(from, message);
    case Kind::kFetch:
      if (message.epoch == epoch())
        send(
            from,
            {.kind = Kind::kFetched, .epoch = epoch(), .entries = entries_after(message.position)});
      return;
    case Kind::kFetched:
      if (message.epoch == epoch() && std::exchange(source_, std::nullopt) == from)
        accept(std::move(decoded->entries), [this] { lead(); });
      return;
    case Kind::kAppended:
      if (message.epoch == epoch()) on_appended(from, message.position);
      return;
    case Kind::kBeatReply:
      if (message.epoch == epoch()) on_beat_reply(from, message.round);
      return;
  }
}

// A tree is never sent.
void Replication::on(const native::event::Snapshot& snapshot) { links_.close(snapshot.link); }

consensus::Effects Replication::drain() {
  if (phase_ == Phase::kLeading) stream();
  return outbox_.take();
}

// ---- following --------------------------------------------------------------------------------

void Replication::on_leader(ServerId from, const Message& message) {
  if (message.epoch < epoch()) return on_stale(from);
  if (message.epoch > epoch()) return promise(message.epoch, [this] { send_promise(); });
  hear();
  if (phase_ == Phase::kIdle) return promise_again();
  if (message.kind == Kind::kSync && phase_ == Phase::kPromised) {
    SYNOD_ASSERT(message.position == journal_.committed());
    inherited_ = message.entries.empty() ? message.position : message.entries.back().zxid;
    return accept(message.entries, [this, committed = message.committed] {
      phase_ = Phase::kFollowing;
      send(leader_of(epoch()),
           {.kind = Kind::kAppended, .epoch = epoch(), .position = journal_.durable()});
      commit_as_told(committed);
    });
  }
  if (phase_ != Phase::kFollowing) return;
  if (message.kind == Kind::kAppend) {
    SYNOD_ASSERT(message.position == journal_.last_logged());
    for (const Entry& entry : message.entries) journal_.append(entry);
  } else {
    send(from, {.kind = Kind::kBeatReply, .epoch = epoch(), .round = message.round});
  }
  commit_as_told(message.committed);
}

void Replication::commit_as_told(Zxid committed) {
  journal_.commit(std::min(committed, journal_.last_logged()));
  if (journal_.committed() >= inherited_)
    set_status({.role = Role::kFollowing,
                .leader = leader_of(epoch()),
                .epoch = epoch(),
                .is_serving = true});
}

// ---- service ----------------------------------------------------------------------------------

void Replication::on(const native::event::Service& received) {
  const bool is_ours = phase_ == Phase::kLeading ? followers_.contains(received.peer)
                                                 : received.peer == status_.leader;
  if (status_.is_serving && is_ours)
    outbox_.add(effect::Deliver{*links_.link_of(received.peer), received.message});
}

void Replication::send_to_leader(const ServiceMessage& message) {
  if (phase_ == Phase::kFollowing) links_.send(leader_of(epoch()), message);
}

void Replication::send_to_learner(consensus::LinkId link, const ServiceMessage& message) {
  if (const auto peer = links_.peer_of(link)) links_.send(*peer, message);
}

}  // namespace synod::sim::models
