#include "consensus/omnipaxos/leader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/mutation.h"
#include "consensus/omnipaxos/positions.h"

namespace synod::consensus::omnipaxos {
namespace {

// Counters end here. From the soft limit on a moment without outstanding proposals is waited for;
// what is proposed in one turn cannot bridge the distance.
constexpr std::uint32_t kLastCounter = 0xfffffffe;
constexpr std::uint32_t kRollOverSoon = kLastCounter - 0x20000;
constexpr std::uint32_t kRollOverNow = kLastCounter - 0x10000;

// The accepted round first, then the length: by length alone, entries that nobody chose would win.
bool is_behind(Ballot round, Zxid last, const Promise& promise) {
  if (is_mutated(Mutation::kCompareLengthOnly)) return last < promise.ends.front();
  if (round != promise.accepted_round) return round < promise.accepted_round;
  return last < promise.ends.front();
}

}  // namespace

Leader::Leader(Shared& shared, Ballot ballot)
    : shared_(&shared),
      ballot_(ballot),
      trees_(shared, ballot),
      next_beat_(shared.now),
      next_touches_(shared.now) {}

// ---- promises ---------------------------------------------------------------------------------

void Leader::start() {
  shared_->set_status({.role = Role::kLeading, .leader = shared_->options.self});
  shared_->promise(ballot_);
  for (const ServerId peer : shared_->connected)
    if (shared_->quorums.is_member(peer))
      followers_.emplace(peer, FollowerLink(*shared_, ballot_, peer));
  advance();
}

void Leader::up(ServerId peer) {
  if (!shared_->quorums.is_member(peer)) return;
  const auto known = followers_.try_emplace(peer, FollowerLink(*shared_, ballot_, peer)).first;
  trees_.end(peer);
  if (phase_ != Phase::kSavingPromise) known->second.prepare();
}

// What it promised is asked for anew when it comes again.
void Leader::down(ServerId peer) {
  trees_.end(peer);
  if (!is_mutated(Mutation::kAcceptOverGap)) followers_.erase(peer);
  lose_source(peer);
}

void Leader::lose_source(ServerId peer) {
  if (source_ != peer) return;
  source_.reset();
  if (phase_ == Phase::kFetching) phase_ = Phase::kPrepare;
  choose_when_promised();
}

void Leader::on(ServerId from, Promise& promise) {
  const auto follower = followers_.find(from);
  if (follower == followers_.end()) return;
  trees_.end(from);
  follower->second.promised(std::move(promise));
  if (!follower->second.promise()->has_memory && shared_->quorums.is_voter(from)) {
    follower->second.await_vouchers(++last_round_);
    return ask_to_confirm();
  }
  if (phase_ == Phase::kAccept) return synchronise(from);
  choose_when_promised();
}

void Leader::on_refusal(ServerId from) {
  const auto follower = followers_.find(from);
  if (follower == followers_.end()) return;
  trees_.end(from);
  follower->second.refused();
  lose_source(from);
}

// ---- taking over ------------------------------------------------------------------------------

void Leader::choose_when_promised() {
  if (phase_ != Phase::kPrepare || !shared_->is_settled()) return;
  Servers promised;
  if (is_covered(shared_->covered_by())) add_to(promised, shared_->options.self);
  for (const auto& [server, follower] : followers_)
    if (follower.counts() && is_covered(follower.promise()->covered_by)) add_to(promised, server);
  if (!shared_->quorums.is_read_quorum(promised)) return;
  const auto best = maximal();
  if (!best) return taken_over();
  take_over_from(*best);
}

// Who lost a part of what it accepted counts beside the server that has what was chosen of it.
bool Leader::is_covered(ServerId by) const {
  if (by == ServerId{}) return true;
  if (by == shared_->options.self) return shared_->covered_by() == ServerId{};
  const auto follower = followers_.find(by);
  return follower != followers_.end() && follower->second.is_complete();
}

// Whatever was chosen is in the longest log of those accepted in the latest round.
std::optional<ServerId> Leader::maximal() const {
  if (is_mutated(Mutation::kAnyPromise)) return std::nullopt;
  std::optional<ServerId> best;
  Ballot round = shared_->accepted_round();
  Zxid last = shared_->journal.last_logged();
  for (const auto& [server, follower] : followers_) {
    if (!follower.is_complete() || !is_behind(round, last, *follower.promise())) continue;
    best = server;
    round = follower.promise()->accepted_round;
    last = follower.promise()->ends.front();
  }
  return best;
}

// What we have beyond the common part was not chosen.
void Leader::take_over_from(ServerId server) {
  Journal& journal = shared_->journal;
  source_ = server;
  const auto common = find_common(journal.history(), followers_.at(server).promise()->ends);
  const bool is_cut_possible = common && common->is_certain && common->at >= journal.committed();
  if (!is_cut_possible || journal.needs_tree()) {
    return fetch_tree();
  }
  if (common->at == journal.last_logged()) return fetch();
  phase_ = Phase::kCutting;
  journal.cut(common->at);
}

void Leader::was_cut() {
  if (phase_ != Phase::kCutting) return advance();
  phase_ = Phase::kPrepare;
  if (source_ && !shared_->journal.needs_tree()) return fetch();
  if (!source_) return choose_when_promised();
  fetch_tree();
}

void Leader::fetch() {
  phase_ = Phase::kFetching;
  shared_->send(*source_, Fetch{.ballot = ballot_,
                                .number = ++shared_->last_number,
                                .after = shared_->journal.last_logged()});
}

void Leader::fetch_tree() {
  phase_ = Phase::kFetching;
  shared_->send(*source_,
                Fetch{.ballot = ballot_, .number = ++shared_->last_number, .wants_tree = true});
}

void Leader::on(ServerId from, Fetched& fetched) {
  if (phase_ != Phase::kFetching || fetched.fetch != shared_->last_number) return;
  Journal& journal = shared_->journal;
  if (fetched.previous != journal.last_logged())
    return end(fmt::format("server {} sends what follows on {:#x}, our log ends at {:#x}",
                           from.value, fetched.previous.value, journal.last_logged().value));
  for (Entry& entry : fetched.entries)
    if (entry.zxid > journal.last_logged()) journal.append(std::move(entry));
  if (fetched.is_end) taken_over();
}

void Leader::snapshot(ServerId peer, LinkId link, const SnapshotHead& head, Bytes first_bytes) {
  const bool is_wanted = phase_ == Phase::kFetching && peer == source_ && head.ballot == ballot_ &&
                         head.number == shared_->last_number && shared_->is_settled() &&
                         head.zxid >= shared_->journal.committed();
  if (!is_wanted) return shared_->links.close(link, "no tree is wanted here now");
  phase_ = Phase::kInstalling;
  shared_->install(peer, link, head, std::move(first_bytes));
}

void Leader::taken_over() {
  phase_ = Phase::kSavingLog;
  source_.reset();
  inherited_ = shared_->journal.last_logged();
  advance();
}

void Leader::advance() {
  const Journal& journal = shared_->journal;
  if (phase_ == Phase::kSavingPromise && shared_->is_settled()) {
    phase_ = Phase::kPrepare;
    for (auto& [server, follower] : followers_) follower.prepare();
  }
  if (phase_ == Phase::kInstalling && !shared_->installing) {
    // In place or lost on the way: our log says where we are.
    phase_ = Phase::kPrepare;
    source_.reset();
  }
  choose_when_promised();
  if (phase_ == Phase::kSavingLog && shared_->is_settled()) {
    phase_ = Phase::kSavingRound;
    shared_->accept_round(ballot_);
  }
  if (phase_ == Phase::kSavingRound && journal.are_epochs_durable()) accept();
  if (phase_ == Phase::kAccept) decide_what_a_quorum_has();
}

void Leader::accept() {
  phase_ = Phase::kAccept;
  for (auto& [server, follower] : followers_)
    if (follower.promise() && !follower.awaits_vouchers_of()) synchronise(server);
}

void Leader::synchronise(ServerId server) {
  FollowerLink& follower = followers_.at(server);
  if (follower.synchronise(inherited_)) return;
  follower.await_tree();
  trees_.begin(server, follower.promise()->number);
}

void Leader::log_read(std::uint64_t number, std::optional<std::vector<Entry>>&& entries,
                      bool is_last) {
  for (auto& [server, follower] : followers_) {
    if (!follower.is_reading(number)) continue;
    if (follower.log_read(std::move(entries), is_last)) return;
    follower.await_tree();
    return trees_.begin(server, follower.promise()->number);
  }
}

// ---- accepting --------------------------------------------------------------------------------

Zxid Leader::next_zxid() const {
  const Zxid last = shared_->journal.last_logged();
  const Zxid next = last.epoch() == ballot_.epoch
                        ? last.next()
                        : Zxid::of(ballot_.epoch, shared_->options.first_counter);
  return {next.value + dropped_};
}

void Leader::propose(Entry entry) {
  SYNOD_ASSERT(phase_ == Phase::kAccept && entry.zxid == next_zxid());
  SYNOD_ASSERT(entry.zxid.counter() <= kLastCounter);
  const bool has_stop_sign = !shared_->journal.configurations().undecided().empty();
  if (has_stop_sign && !is_mutated(Mutation::kBeyondStopSign)) {
    ++dropped_;
    return;
  }
  shared_->journal.append(std::move(entry));
}

void Leader::on(ServerId from, const Accepted& accepted) {
  const auto follower = followers_.find(from);
  if (follower == followers_.end() || phase_ != Phase::kAccept) return;
  if (!follower->second.accepted(accepted.up_to)) {
    const auto link = shared_->links.link_of(from);
    if (link) shared_->links.close(*link, "it accepts what it was never sent");
    return;
  }
  decide_what_a_quorum_has();
}

// All of it counts, whoever proposed it: with AcceptSync the inheritance was accepted in this
// round.
void Leader::decide_what_a_quorum_has() {
  const auto decided = accepted_by_quorum();
  if (!decided) return;
  shared_->commit(*decided);
  if (shared_->status.is_serving || shared_->is_stopped()) return;
  if (shared_->journal.committed() < inherited_) return;
  shared_->set_status({.role = Role::kLeading,
                       .leader = shared_->options.self,
                       .epoch = ballot_.epoch,
                       .is_serving = true});
  take_back_vouched();
}

// The last position that a quorum has: from the furthest down, until those passed are a quorum.
std::optional<Zxid> Leader::accepted_by_quorum() const {
  std::vector<std::pair<Zxid, ServerId>> accepted{
      {shared_->journal.durable(), shared_->options.self}};
  for (const auto& [server, follower] : followers_)
    if (follower.accepted_up_to() && follower.counts())
      accepted.emplace_back(*follower.accepted_up_to(), server);
  std::ranges::sort(accepted, std::greater{});
  Servers counted;
  for (const auto& [zxid, server] : accepted) {
    add_to(counted, server);
    if (shared_->quorums.is_write_quorum(counted)) return zxid;
  }
  return std::nullopt;
}

void Leader::flush() {
  for (auto& [server, follower] : followers_) follower.stream();
}

void Leader::roll_over_when_due() {
  const Zxid last = shared_->journal.last_logged();
  if (phase_ != Phase::kAccept || last.epoch() != ballot_.epoch) return;
  const bool is_idle = last == shared_->journal.committed();
  if (last.counter() < (is_idle ? kRollOverSoon : kRollOverNow)) return;
  has_no_counters_left_ = true;
  end(fmt::format("epoch {:#x} has no zxids left: a new one is opened", ballot_.epoch));
}

// ---- signs of life ----------------------------------------------------------------------------

void Leader::tick() {
  roll_over_when_due();
  if (ended_) return;
  if (shared_->now >= next_beat_) {
    next_beat_ = {shared_->now.value + shared_->options.heartbeat_ms};
    trees_.tick();
    ask_to_confirm();  // what was asked or answered on a link that broke is asked again
  }
  if (shared_->now < next_touches_) return;
  next_touches_ = {shared_->now.value + std::max<std::int64_t>(shared_->options.tick_ms / 2, 1)};
  if (!shared_->status.is_serving) return;
  for (const auto& [server, follower] : followers_)
    if (follower.is_in_step())
      shared_->links.send(server, ServiceMessage{.kind = ServiceMessage::Kind::kTouchesWanted});
}

// Who was heard and has not turned to somebody else follows, or is about to.
void Leader::check_quorum(const Servers& heard) {
  Servers with_us;
  for (const ServerId server : heard) {
    const auto follower = followers_.find(server);
    if (server == shared_->options.self ||
        (follower != followers_.end() && !follower->second.is_refusing()))
      add_to(with_us, server);
  }
  const bool is_enough = phase_ == Phase::kAccept ? shared_->quorums.is_write_quorum(with_us)
                                                  : shared_->quorums.is_read_quorum(with_us);
  if (!is_enough)
    end(fmt::format("only {} of {} voters are in touch", with_us.size(),
                    shared_->quorums.voters().size()));
}

void Leader::end(std::string reason) {
  if (!ended_) ended_ = std::move(reason);
}

// Behind a stop-sign nobody needs to be told: who follows stops with it as well, and answers first
// whoever asked for it.
void Leader::resign() {
  trees_.end_all();
  flush();
  if (!shared_->is_stopped())
    for (const auto& [server, follower] : followers_) shared_->send(server, Resigned{ballot_});
  shared_->set_status({});
}

// ---- reads ------------------------------------------------------------------------------------

// Nobody else has decided anything while a write quorum has promised nothing higher, for that meets
// every read quorum: asked after the question came, they say so. One round serves all that wait;
// who comes during it waits for the next.
void Leader::read_index(std::uint64_t token) {
  waiting_.push_back({token, shared_->journal.committed()});
  if (reading_.empty()) start_round();
}

void Leader::start_round() {
  reading_ = std::exchange(waiting_, {});
  read_round_ = ++last_round_;
  ask_to_confirm();
  check_round();
}

// Also who came up, or back, since.
void Leader::ask_to_confirm() {
  for (const auto& [server, follower] : followers_)
    if (follower.counts() && follower.confirmed_round() < last_round_)
      shared_->send(server, Confirm{ballot_, last_round_});
}

bool Leader::is_confirmed(std::uint64_t round, ServerId by_others_than) const {
  Servers confirmed{shared_->options.self};
  for (const auto& [server, follower] : followers_)
    if (server != by_others_than && follower.counts() && follower.confirmed_round() >= round)
      add_to(confirmed, server);
  return shared_->quorums.is_write_quorum(confirmed);
}

void Leader::on(ServerId from, const Confirmed& confirmed) {
  const auto follower = followers_.find(from);
  if (follower == followers_.end() || confirmed.number > last_round_) return;
  follower->second.confirmed(confirmed.number);
  take_back_vouched();
  check_round();
}

void Leader::check_round() {
  if (reading_.empty() || !is_confirmed(read_round_, {})) return;
  for (const PendingRead& read : std::exchange(reading_, {}))
    shared_->outbox.add(effect::ReadIndex{read.token, read.committed});
  if (!waiting_.empty()) start_round();
}

void Leader::take_back_vouched() {
  if (!shared_->status.is_serving) return;
  for (auto& [server, follower] : followers_) {
    const auto round = follower.awaits_vouchers_of();
    if (!round || !is_confirmed(*round, server)) continue;
    follower.vouched();
    synchronise(server);
  }
}

// ---- service ----------------------------------------------------------------------------------

// What comes ahead of its Accepted was said to an earlier round, perhaps of this same server: whose
// request it was may have been told that it failed, and have gone on elsewhere.
void Leader::deliver(ServerId from, const ServiceMessage& message) {
  const auto link = shared_->links.link_of(from);
  const auto follower = followers_.find(from);
  if (!shared_->status.is_serving || !link || follower == followers_.end()) return;
  if (follower->second.accepted_up_to()) shared_->outbox.add(effect::Deliver{*link, message});
}

void Leader::send_to_learner(LinkId link, const ServiceMessage& message) {
  const auto peer = shared_->links.peer_of(link);
  const auto follower = peer ? followers_.find(*peer) : followers_.end();
  if (follower != followers_.end()) follower->second.send(message);
}

}  // namespace synod::consensus::omnipaxos
