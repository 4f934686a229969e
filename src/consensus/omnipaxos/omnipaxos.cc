#include "consensus/omnipaxos/omnipaxos.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <utility>

namespace synod::consensus::omnipaxos {
namespace {

native::PeerLinks::Options link_options(const Options& options) {
  native::PeerLinks::Options links{.self = options.self, .engine = native::EngineTag::kOmniPaxos};
  // Every round brings something on a link that lives. Links come up again within one.
  links.silence_ms = 2 * options.election_timeout_ms;
  links.redial_ms = std::min(links.redial_ms, options.election_timeout_ms / 4 + 1);
  links.connect_timeout_ms = std::min(links.connect_timeout_ms, 2 * options.election_timeout_ms);
  return links;
}

}  // namespace

OmniPaxos::OmniPaxos(Options options)
    : options_(std::move(options)),
      quorums_(options_, options_.membership),
      journal_(options_.memory, outbox_),
      links_(link_options(options_), outbox_),
      election_(options_, quorums_),
      shared_{options_, quorums_, outbox_, journal_, links_, status_, LogReads(outbox_)},
      role_(std::in_place_type<Follower>, shared_),
      source_(shared_),
      migration_(shared_) {}

void OmniPaxos::start(const Beginning& beginning) {
  shared_.now = beginning.now;
  journal_.start(beginning, options_.membership);
  follow();
  links_.tick(beginning.now);
  had_memory_ = beginning.has_memory;
  election_.start(shared_.promised(), beginning.has_memory, beginning.now);
  start_configuration(beginning);
  if (!beginning.has_memory)
    outbox_.warn(
        "this server's data directory is empty: it counts once it has been synchronised by a "
        "leader, or when every other voter turns out to be new as well");
  outbox_.add(effect::StatusChanged{status_});
  make_memory_when_all_are_new();
  settle();
}

// ---- from role to role ------------------------------------------------------------------------

void OmniPaxos::settle() {
  take_link_events();
  links_.set_new(is_blank());
  go_with_configuration();
  take_link_events();
  if (leader() == nullptr || !leader()->ended()) return;
  outbox_.warn(fmt::format("not leading any more: {}", *leader()->ended()));
  const bool opens_next = leader()->has_no_counters_left();
  follow();
  if (opens_next) lead(election_.take_over());
}

void OmniPaxos::take_link_events() {
  for (auto events = links_.take_events(); !events.empty(); events = links_.take_events())
    for (native::PeerEvent& event : events) std::visit([&](auto& e) { on(e); }, event);
}

void OmniPaxos::lead(Ballot ballot) {
  follow();
  role_.emplace<Leader>(shared_, ballot).start();
}

Follower& OmniPaxos::follow() {
  if (leader() != nullptr)
    leader()->resign();
  else
    follower()->end();
  return role_.emplace<Follower>(shared_);
}

// Without memory, or with nothing in it: it may have begun to remember, and the others not yet.
bool OmniPaxos::is_blank() const {
  return !journal_.has_memory() ||
         (shared_.promised() == Ballot{} && journal_.last_logged() == Zxid{});
}

// Nobody remembers anything, so there was nothing to forget: the ensemble begins.
void OmniPaxos::make_memory_when_all_are_new() {
  if (journal_.has_memory() || is_making_memory_) return;
  const std::vector<ServerId> voters = quorums_.voters();
  const auto is_new = [&](ServerId voter) {
    return voter == options_.self || std::ranges::binary_search(new_voters_, voter);
  };
  if (quorums_.is_voter(options_.self) && std::ranges::all_of(voters, is_new)) make_memory();
}

// Of what was before the configuration that it heard of it has forgotten all, and takes part in
// none of that.
void OmniPaxos::make_memory() {
  is_making_memory_ = true;
  const Zxid heard_of{quorums_.membership().version};
  if (heard_of > shared_.entered())
    shared_.enter(heard_of);
  else
    journal_.save_epochs(journal_.accepted_epoch(), journal_.current_epoch(), journal_.voted_for());
}

// ---- time -------------------------------------------------------------------------------------

void OmniPaxos::tick(SteadyTimeMs now) {
  shared_.now = now;
  links_.tick(now);
  settle();
  if (now >= election_.round_end()) end_round();
  if (auto* role = leader()) role->tick();
  if (auto* role = follower()) role->tick();
  migration_.tick();
  settle();
}

BallotElection::View OmniPaxos::view() const {
  const auto* role = std::get_if<Leader>(&role_);
  return {.promised = shared_.promised(),
          .leading = role != nullptr ? role->ballot() : Ballot{},
          .is_accepting = role != nullptr && role->is_accepting(),
          .has_memory = journal_.has_memory()};
}

void OmniPaxos::end_round() {
  const auto elected = election_.end_round(view(), shared_.now);
  if (!is_running()) return;
  if (elected && *elected > shared_.promised()) lead(*elected);
  if (auto* role = leader()) role->check_quorum(election_.heard());
  for (const ServerId peer : shared_.connected) ask_in_this_round(peer);
}

std::optional<SteadyTimeMs> OmniPaxos::next_deadline() const {
  SteadyTimeMs next = election_.round_end();
  if (const auto links = links_.next_deadline()) next = std::min(next, *links);
  if (const auto* role = std::get_if<Leader>(&role_)) next = std::min(next, role->next_deadline());
  if (const auto* role = std::get_if<Follower>(&role_))
    next = std::min(next, role->next_deadline().value_or(next));
  return std::min(next, migration_.next_deadline().value_or(next));
}

// ---- the log ----------------------------------------------------------------------------------

void OmniPaxos::advance() {
  if (auto* role = leader()) role->advance();
  if (auto* role = follower()) role->advance();
  migration_.advance();
  settle();
}

void OmniPaxos::durable(Zxid up_to) {
  journal_.on_durable(up_to);
  advance();
}

void OmniPaxos::was_cut(std::optional<Zxid> last) {
  journal_.on_cut(last);
  if (!last)
    outbox_.warn(
        "the log could not be cut where it parts from the leader's: a whole tree is asked for");
  if (auto* role = leader()) role->was_cut();
  if (auto* role = follower()) role->was_cut();
  migration_.advance();
  settle();
}

void OmniPaxos::epochs_saved() {
  journal_.on_epochs_saved();
  if (is_making_memory_ && journal_.are_epochs_durable()) {
    is_making_memory_ = false;
    journal_.gain_memory();
    if (shared_.promised() == Ballot{} && is_running()) election_.begin();
  }
  advance();
}

void OmniPaxos::log_read(LinkId link, std::optional<std::vector<Entry>>&& entries, bool is_end) {
  const bool is_last = is_end || !entries;
  const auto number = shared_.reads.answered(link, is_last);
  if (!number || source_.log_read(*number, std::move(entries), is_last)) return settle();
  if (auto* role = leader())
    role->log_read(*number, std::move(entries), is_last);
  else if (auto* learner = follower())
    learner->log_read(*number, std::move(entries), is_last);
  settle();
}

void OmniPaxos::snapshot_installed(LinkId link, Zxid zxid, BytesView /*rest*/,
                                   std::string_view configuration) {
  journal_.on_snapshot(zxid, configuration);
  shared_.installing.reset();
  links_.close(link);
  advance();
}

// ---- links ------------------------------------------------------------------------------------

void OmniPaxos::accepted(LinkId link, Port port) {
  if (port == Port::kQuorum)
    links_.accepted(link);
  else
    outbox_.close(link, "this engine has no election port");
  settle();
}

void OmniPaxos::linked(LinkId link) {
  links_.linked(link);
  settle();
}

void OmniPaxos::unlinked(LinkId link) {
  shared_.reads.unlinked(link);
  links_.unlinked(link);
  settle();
}

void OmniPaxos::received(LinkId link, BytesView bytes) {
  links_.received(link, bytes);
  settle();
}

void OmniPaxos::on(const native::event::Up& up) {
  add_to(shared_.connected, up.peer);
  if (up.is_new && quorums_.is_voter(up.peer)) add_to(new_voters_, up.peer);
  make_memory_when_all_are_new();
  tell(up.peer);
  ask_in_this_round(up.peer);
  if (auto* role = leader()) role->up(up.peer);
  migration_.up(up.peer);
}

void OmniPaxos::ask_in_this_round(ServerId peer) {
  if (is_running() && quorums_.is_voter(options_.self) && quorums_.is_voter(peer))
    shared_.send(peer, election_.request(view()));
}

void OmniPaxos::on(const native::event::Down& down) {
  std::erase(shared_.connected, down.peer);
  told_by_.erase(down.peer);
  const bool is_leader_lost = election_.lost(down.peer, view());
  if (auto* role = leader()) role->down(down.peer);
  if (auto* role = follower()) role->down(down.peer);
  migration_.down(down.peer);
  source_.down(down.peer);
  if (is_leader_lost)
    for (const ServerId peer : shared_.connected) ask_in_this_round(peer);
}

void OmniPaxos::on(native::event::Snapshot& snapshot) {
  const auto head = decode_snapshot_head(snapshot.head);
  const auto take = [&](auto& taker) {
    taker.snapshot(snapshot.peer, snapshot.link, *head, std::move(snapshot.first_bytes));
  };
  if (!head || shared_.installing) return links_.close(snapshot.link, "no tree is wanted here now");
  if (migration_.is_under_way()) return take(migration_);
  if (auto* role = leader()) return take(*role);
  take(*follower());
}

void OmniPaxos::on(const native::event::SnapshotLinked& linked) {
  if (auto* role = leader()) role->snapshot_linked(linked.peer, linked.link);
  if (auto* role = follower()) role->snapshot_linked(linked.peer, linked.link);
  source_.snapshot_linked(linked.peer, linked.link);
}

void OmniPaxos::on(const native::event::SnapshotLost& lost) {
  if (auto* role = leader()) role->snapshot_lost(lost.peer, lost.link);
  if (auto* role = follower()) role->snapshot_lost(lost.peer, lost.link);
  source_.snapshot_lost(lost.peer, lost.link);
  if (shared_.installing != lost.link) return;
  shared_.installing.reset();
  if (auto* role = leader()) role->advance();
  if (auto* role = follower()) role->advance();
  migration_.advance();
}

void OmniPaxos::on(const native::event::Service& service) {
  if (auto* role = leader()) role->deliver(service.peer, service.message);
  if (auto* role = follower()) role->deliver(service.peer, service.message);
}

// ---- what servers say -------------------------------------------------------------------------

void OmniPaxos::on(const native::event::Message& event) {
  auto said = decode(event.body);
  if (!said) return bad_peer(event.peer, "a message that makes no sense");
  if (said->message.index() >= Message(Settled{}).index())
    return hear_of_log(event.peer, said->message);
  // Instances never mix. Who is behind was told so, or is when it is up again.
  if (is_running() && said->configuration == shared_.configuration) hear(event.peer, said->message);
}

void OmniPaxos::hear(ServerId from, Message& message) {
  std::visit(
      [&](auto& m) {
        using T = std::decay_t<decltype(m)>;
        if constexpr (std::is_same_v<T, Promise> || std::is_same_v<T, Fetched> ||
                      std::is_same_v<T, Accepted> || std::is_same_v<T, Confirmed>)
          on_from_follower(from, m);
        else if constexpr (std::is_same_v<T, Fetch> || std::is_same_v<T, AcceptSync> ||
                           std::is_same_v<T, AcceptDecide> || std::is_same_v<T, Decide> ||
                           std::is_same_v<T, Resigned>)
          on_from_leader(from, m);
        else if constexpr (requires { on(from, m); })
          on(from, m);
      },
      message);
}

// Decided for all, whatever configuration anybody is in.
void OmniPaxos::hear_of_log(ServerId from, Message& message) {
  if (const auto* settled = std::get_if<Settled>(&message)) on(from, *settled);
  if (const auto* survey = std::get_if<Survey>(&message)) source_.on(from, *survey);
  if (const auto* want = std::get_if<Want>(&message)) source_.on(from, *want);
  if (const auto* want = std::get_if<WantTree>(&message)) source_.on(from, *want);
  if (const auto* surveyed = std::get_if<Surveyed>(&message)) migration_.on(from, *surveyed);
  if (auto* segment = std::get_if<Segment>(&message)) migration_.on(from, *segment);
}

void OmniPaxos::bad_peer(ServerId peer, std::string why) {
  outbox_.warn(fmt::format("server {}: {}", peer.value, why));
  if (const auto link = links_.link_of(peer)) links_.close(*link, std::move(why));
}

void OmniPaxos::on(ServerId from, const HeartbeatRequest& request) {
  election_.heard(request, from);
  shared_.send(from, election_.answer(request, view()));
  if (election_.is_over(view(), shared_.connected)) end_round();
}

void OmniPaxos::on(ServerId from, const HeartbeatReply& reply) {
  election_.heard(reply, from);
  if (election_.is_over(view(), shared_.connected)) end_round();
}

void OmniPaxos::on(ServerId from, const PrepareReq& /*request*/) {
  if (auto* role = leader()) role->up(from);
}

// The same ballot again: a session begins anew.
void OmniPaxos::on(ServerId from, const Prepare& prepare) {
  if (prepare.ballot.server() != from || !quorums_.is_voter(from))
    return bad_peer(from, "it would lead with a ballot that is not its own");
  if (prepare.ballot < shared_.promised())
    return shared_.send(from, NotAccepted{shared_.promised()});
  if (leader() != nullptr)
    outbox_.warn(fmt::format("not leading any more: server {} takes over", from.value));
  follow().prepare(prepare.ballot);
}

void OmniPaxos::on(ServerId from, const NotAccepted& refusal) {
  auto* role = leader();
  if (role != nullptr && refusal.promised > role->ballot()) role->on_refusal(from);
}

bool OmniPaxos::is_of_our_round(ServerId from, Ballot ballot) {
  if (ballot == shared_.promised()) return ballot.server() == from;
  if (ballot < shared_.promised())
    shared_.send(from, NotAccepted{shared_.promised()});
  else
    shared_.send(from, PrepareReq{shared_.promised()});
  return false;
}

void OmniPaxos::on(ServerId from, const Confirm& confirm) {
  if (is_of_our_round(from, confirm.ballot) && journal_.has_memory())
    shared_.send(from, Confirmed{confirm.ballot, confirm.number});
}

template <class M>
void OmniPaxos::on_from_leader(ServerId from, M& message) {
  if constexpr (std::is_same_v<M, Resigned>) {
    if (message.ballot == shared_.promised() && follower() != nullptr) follower()->on_resigned();
  } else if (is_of_our_round(from, message.ballot) && follower() != nullptr) {
    follower()->on(message);
  }
}

template <class M>
void OmniPaxos::on_from_follower(ServerId from, M& message) {
  auto* role = leader();
  if (role != nullptr && role->ballot() == message.ballot) role->on(from, message);
}

// ---- serving ----------------------------------------------------------------------------------

// What is proposed in the turn in which the lead was lost is lost with it: nobody was told of it.
void OmniPaxos::propose(Entry entry) {
  if (auto* role = leader(); role != nullptr && status_.is_serving) role->propose(std::move(entry));
  settle();
}

Zxid OmniPaxos::next_zxid() const {
  const auto* role = std::get_if<Leader>(&role_);
  return role != nullptr ? role->next_zxid() : journal_.last_logged().next();
}

void OmniPaxos::read_index(std::uint64_t token) {
  if (auto* role = leader(); role != nullptr && status_.is_serving) role->read_index(token);
}

void OmniPaxos::send_to_leader(const ServiceMessage& message) {
  if (auto* role = follower()) role->send_to_leader(message);
}

void OmniPaxos::send_to_learner(LinkId link, const ServiceMessage& message) {
  if (auto* role = leader()) role->send_to_learner(link, message);
}

Effects OmniPaxos::drain() {
  if (auto* role = leader()) role->flush();
  return outbox_.take();
}

}  // namespace synod::consensus::omnipaxos
