// From one configuration to the next (consensus.md 4.11).
//
//   c's stop-sign is decided and durable | the mark of c + 1 is | c + 1 runs, all are told
//
// or, where another server says that c + 1 is decided: what is lacking comes by migration, and the
// same follows. Each server goes on when it can; nothing is agreed upon but by the stop-sign. One
// that all know leads first, without an election.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/mutation.h"
#include "consensus/omnipaxos/omnipaxos.h"

namespace synod::consensus::omnipaxos {
namespace {

constexpr std::size_t kStoppedKept = 4;

Servers members_of(const Membership& membership) {
  Servers members;
  for (const auto& [server, member] : membership.members) members.push_back(server);
  return members;
}

}  // namespace

// ---- at the start -----------------------------------------------------------------------------

void OmniPaxos::start_configuration(const Beginning& beginning) {
  const auto has_stop_sign = [&](std::int64_t version) {
    return std::ranges::any_of(beginning.configurations, [&](const Configuration& configuration) {
      return configuration.zxid.value == version;
    });
  };
  if (!commit_stop_signs_of_log() && has_stop_sign(decided().version))
    journal_.commit(std::min(Zxid{decided().version}, journal_.last_logged()));
  quorums_.configure(decided());
  shared_.configuration = Zxid{decided().version};
  update_peers();
  if (shared_.entered() > shared_.configuration) {
    // It was on its way to one that it has not heard of in this life.
    take_stage(Stage::kMigrating);
  } else if (decided().version > 0 && shared_.entered() != shared_.configuration &&
             journal_.last_logged() == shared_.configuration) {
    // What round it accepted last says nothing here.
    take_stage(Stage::kEntering);
    shared_.enter(shared_.configuration);
  } else {
    take_stage(quorums_.is_member(options_.self) ? Stage::kRunning : Stage::kStandingBy);
  }
}

// Whatever a log has behind a stop-sign says that it was decided, and so does a mark. True: one
// was.
bool OmniPaxos::commit_stop_signs_of_log() {
  Zxid known;
  for (const Configurations::Logged& logged : journal_.configurations().undecided())
    if (logged.zxid < journal_.last_logged() || logged.zxid == shared_.entered())
      known = logged.zxid;
  journal_.commit(known);
  return known > Zxid{};
}

// ---- from one to the next ---------------------------------------------------------------------

void OmniPaxos::go_with_configuration() {
  learn_that_told_is_decided();
  if (shared_.is_stopped()) stop_and_enter();
  if (stage_ == Stage::kEntering && shared_.is_settled()) entered();
  if (had_memory_ != journal_.has_memory()) {
    had_memory_ = journal_.has_memory();
    tell_all();
  }
}

void OmniPaxos::learn_that_told_is_decided() {
  const auto& undecided = journal_.configurations().undecided();
  const bool is_early = !undecided.empty() && undecided.front().zxid <= journal_.durable() &&
                        is_mutated(Mutation::kUndecidedStopSign);
  if (is_early) shared_.commit(undecided.front().zxid);
  if (!told_) return;
  const Zxid told{told_->version};
  if (is_told_logged()) shared_.commit(told);
  // In a tree that had the next stop-sign in its place.
  if (migration_.is_under_way() && migration_.target() == told && journal_.committed() >= told)
    journal_.adopt(*told_);
  const bool is_outsider = decided().version == told_->version &&
                           decided().members.contains(options_.self) &&
                           !told_->members.contains(options_.self);
  if (decided().version >= told_->version && !is_outsider) told_.reset();
}

bool OmniPaxos::is_told_logged() const {
  return std::ranges::any_of(journal_.configurations().undecided(),
                             [&](const Configurations::Logged& logged) {
                               return told_ && logged.zxid.value == told_->version;
                             });
}

void OmniPaxos::stop_and_enter() {
  first_leader_ = choose_first_leader();
  if (stage_ == Stage::kRunning) {
    stopped_.push_back(
        {shared_.configuration, Instance::State::kStopped, members_of(quorums_.membership())});
    if (stopped_.size() > kStoppedKept) stopped_.erase(stopped_.begin());
    previous_ = quorums_.membership();
  }
  follow();
  quorums_.configure(decided());
  shared_.configuration = Zxid{decided().version};
  if (told_ || shared_.entered() > shared_.configuration) return;  // it is not the last
  migration_.end();
  update_peers();
  if (shared_.entered() < shared_.configuration) shared_.enter(shared_.configuration);
  take_stage(Stage::kEntering);
}

// Any may lead it, and an election would tell; but with everybody at the same mind nobody has to
// wait for its rounds. Who led before leads on where it still votes, otherwise the first that comes
// along, and in a wholly new set the first.
ServerId OmniPaxos::choose_first_leader() const {
  const Membership& before = quorums_.membership();
  const ServerId led = shared_.promised().server();
  if (is_running() && decided().is_voter(led)) return led;
  const std::vector<ServerId> voters = decided().voters();
  const auto comes_along = [&](ServerId voter) {
    return before.is_voter(voter) && (is_running() || voter != options_.self);
  };
  const auto first = std::ranges::find_if(voters, comes_along);
  return first != voters.end() ? *first : voters.front();
}

void OmniPaxos::entered() {
  take_stage(quorums_.is_member(options_.self) ? Stage::kRunning : Stage::kStandingBy);
  outbox_.warn(fmt::format(
      "the membership of version {:x} is decided: {}", decided().version,
      is_running() ? "this server has started with it" : "this server is no member any more"));
  tell_all();
  if (!is_running()) return;
  election_.enter(shared_.promised(), shared_.now);
  for (const ServerId peer : shared_.connected) ask_in_this_round(peer);
  // Whoever leads it already has asked for a promise in vain, perhaps.
  for (const ServerId peer : shared_.connected)
    if (quorums_.is_member(peer)) shared_.send(peer, PrepareReq{shared_.promised()});
  const bool is_first = std::exchange(first_leader_, {}) == options_.self;
  if (is_first && journal_.has_memory() && quorums_.is_voter(options_.self))
    lead(election_.take_over());
}

void OmniPaxos::take_stage(Stage stage) {
  if (stage_ == Stage::kRunning && stage != Stage::kRunning) follow();
  stage_ = stage;
}

// Whom to be connected with: those of the configuration before may lack, or have, what is needed to
// go on, until all have started. Who does not vote knows voters only.
void OmniPaxos::update_peers() {
  std::map<ServerId, Member> known;
  bool is_voter = false;
  const auto add = [&](const Membership& membership) {
    is_voter = is_voter || membership.is_voter(options_.self);
    for (const auto& [server, member] : membership.members) known[server] = member;
  };
  if (!quorums_.is_member(options_.self)) add(options_.membership);
  if (previous_) add(*previous_);
  add(decided());
  for (const Configurations::Logged& logged : journal_.configurations().undecided())
    add(logged.membership);
  if (told_) add(*told_);
  std::erase_if(known, [&](const auto& peer) {
    return peer.first == options_.self || (!is_voter && peer.second.is_observer);
  });
  shared_.peers.clear();
  for (const auto& [server, member] : known) shared_.peers.push_back(server);
  links_.set_peers(std::move(known));
}

// ---- who is told what -------------------------------------------------------------------------

void OmniPaxos::tell(ServerId peer) {
  if (stage_ == Stage::kEntering) return;  // all are told when that is durable
  const Membership& newest = journal_.configurations().newest();
  shared_.send(peer, Settled{.text = decided().to_text(),
                             .has_memory = journal_.has_memory(),
                             .names_you = newest.members.contains(peer)});
}

void OmniPaxos::tell_all() {
  for (const ServerId peer : shared_.connected) tell(peer);
}

// A server that has begun with a membership of its own, as one does that asks to join, is no member
// for that.
void OmniPaxos::on(ServerId from, const Settled& settled) {
  auto membership = Membership::parse(settled.text);
  if (!membership) return bad_peer(from, "a membership that does not parse");
  told_by_[from] = {membership->version, settled.has_memory, settled.names_you};
  if (membership->version == decided().version) ask_in_this_round(from);  // it may just have come
  const bool has_us = membership->members.contains(options_.self);
  const bool is_news =
      membership->version > std::max(decided().version, told_ ? told_->version : 0);
  const bool is_outsider = membership->version == decided().version && !has_us && is_running() &&
                           journal_.last_logged() <= shared_.configuration && !told_ &&
                           membership->members.contains(from);
  if (is_news || is_outsider) {
    told_ = *std::move(membership);
    learn_that_told_is_decided();
    update_peers();
    if (told_ && !shared_.is_stopped() && !is_told_logged()) {
      if (!has_us) quorums_.configure(*told_);
      take_stage(has_us ? Stage::kMigrating : Stage::kStandingBy);
      if (has_us) migration_.begin(Zxid{told_->version});
    }
  }
  make_memory_when_no_member_knows_us();
  if (!previous_ || !is_running()) return;
  const auto has_started = [&](const auto& member) {
    const auto told = told_by_.find(member.first);
    return member.first == options_.self ||
           (told != told_by_.end() && told->second.version >= decided().version);
  };
  if (!std::ranges::all_of(decided().members, has_started)) return;
  previous_.reset();
  update_peers();
}

// Had this server ever been a member of what came after, a stop-sign would have said so, and one of
// every read quorum would know of it: so there is nothing that it might have forgotten.
void OmniPaxos::make_memory_when_no_member_knows_us() {
  if (stage_ != Stage::kStandingBy || journal_.has_memory() || is_making_memory_) return;
  Servers agreed;
  for (const auto& [server, told] : told_by_)
    if (told.version == quorums_.membership().version && told.has_memory && !told.names_us)
      add_to(agreed, server);
  if (quorums_.is_read_quorum(agreed)) make_memory();
}

// ---- what others ask --------------------------------------------------------------------------

const Membership* OmniPaxos::membership() const {
  const Configurations& configurations = journal_.configurations();
  if (told_ && told_->version >= configurations.newest().version) return &*told_;
  return &configurations.newest();
}

bool OmniPaxos::is_reconfiguring() const {
  return !journal_.configurations().undecided().empty() || told_ || !is_running() ||
         !status_.is_serving;
}

std::optional<std::string> OmniPaxos::why_not_ready(ServerId voter) const {
  if (voter == options_.self) return std::nullopt;
  const auto told = told_by_.find(voter);
  if (told == told_by_.end()) return fmt::format("server.{} is not connected", voter.value);
  if (!told->second.has_memory)
    return fmt::format("server.{} has started with an empty directory and not heard of all yet",
                       voter.value);
  return std::nullopt;
}

// Its voters need not be in step: what they lack they fetch from all of us, once the stop-sign is
// decided. But they must be there to do so.
std::optional<std::string> OmniPaxos::why_not(const Membership& next) const {
  Servers ready;
  std::string reasons;
  const std::vector<ServerId> voters = next.voters();
  for (const ServerId voter : voters) {
    const auto reason = why_not_ready(voter);
    if (!reason)
      add_to(ready, voter);
    else
      reasons += (reasons.empty() ? "" : ", ") + *reason;
  }
  const Quorums quorums(options_, next);
  if (quorums.is_read_quorum(ready) && quorums.is_write_quorum(ready)) return std::nullopt;
  return fmt::format(
      "of the {} participants only {} are connected and ready to start, which is no quorum (they "
      "need not be in step): {}",
      voters.size(), ready.size(), reasons);
}

std::vector<Instance> OmniPaxos::instances() const {
  using State = Instance::State;
  std::vector<Instance> all = stopped_;
  const Servers members = members_of(decided());
  if (stage_ == Stage::kRunning)
    all.push_back({shared_.configuration, State::kRunning, members});
  else if (stage_ == Stage::kEntering)
    all.push_back({shared_.configuration, State::kNotStarted, members});
  else if (stage_ == Stage::kStandingBy && !told_)
    all.push_back({shared_.configuration, State::kStandingBy, members});
  if (told_)
    all.push_back({Zxid{told_->version},
                   stage_ == Stage::kStandingBy ? State::kStandingBy : State::kNotStarted,
                   members_of(*told_)});
  return all;
}

}  // namespace synod::consensus::omnipaxos
