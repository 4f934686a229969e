#include "sim/native_claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "storage/epoch_files.h"

namespace synod::sim {

namespace effect = consensus::effect;
namespace native = consensus::native;
namespace omnipaxos = consensus::omnipaxos;
namespace raft = consensus::raft;

// ---- links ------------------------------------------------------------------------------------

void NativeClaims::started(std::size_t server) {
  std::erase_if(links_, [&](const auto& link) { return link.first.first == server; });
}

void NativeClaims::accepted(std::size_t server, consensus::LinkId link, consensus::Port /*port*/) {
  links_[{server, link}] = {};
}

void NativeClaims::effect(std::size_t server, const consensus::Effect& effect) {
  if (const auto* dial = std::get_if<effect::Dial>(&effect)) {
    links_[{server, dial->link}] = {};
  } else if (const auto* close = std::get_if<effect::Close>(&effect)) {
    links_.erase({server, close->link});
  } else if (const auto* send = std::get_if<effect::Send>(&effect)) {
    const auto found = links_.find({server, send->link});
    if (found != links_.end()) sent(server, found->second, send->bytes);
  }
}

void NativeClaims::sent(std::size_t server, Link& link, BytesView bytes) {
  link.frames.feed(bytes);
  if (!link.is_greeted) {
    const auto greeting = link.frames.greeting();
    if (!greeting || !*greeting) return complain(server, "a link that begins with no greeting");
    link.is_greeted = true;
    link.is_messages = (**greeting).purpose == native::Purpose::kMessages;
    link.to = (**greeting).to;
  }
  if (!link.is_messages) return;
  // A body begins with its kind; 0 is the engine's own.
  for (auto body = link.frames.next(); body && *body; body = link.frames.next())
    if (!(**body).empty() && (**body).front() == 0) check(server, link.to, (**body).substr(1));
}

// ---- what is on disk --------------------------------------------------------------------------

std::int64_t NativeClaims::durable_round(std::size_t server) const {
  return std::max<std::int64_t>(durable_epoch(server, storage::kCurrentEpochName),
                                ghost().last_durable(server).epoch());
}

std::int64_t NativeClaims::durable_promise(std::size_t server) const {
  return std::max({durable_epoch(server, storage::kAcceptedEpochName),
                   durable_epoch(server, storage::kVotedForName), durable_round(server)});
}

void NativeClaims::require_entry(std::size_t server, Zxid zxid, const char* message) const {
  if (zxid != Zxid{} && !ghost().has_durable(server, zxid))
    complain(server, fmt::format("{} of 0x{:x}, which is not on disk", message, zxid.value));
}

// ---- Raft -------------------------------------------------------------------------------------

void RaftClaims::check_term(std::size_t server, std::uint32_t term, const char* message) const {
  if (durable_promise(server) < term)
    complain(server, fmt::format("{} before its term {} is on disk", message, term));
}

void RaftClaims::check_vote(std::size_t server, std::uint32_t term, ServerId candidate,
                            const char* message) const {
  check_term(server, term, message);
  const std::string vote = fmt::format("{} {}", term, candidate.value);
  if (durable_promise(server) == term && durable_text(server, storage::kVotedForName) != vote)
    complain(server, fmt::format("{} of term {} before the vote for server {} is on disk", message,
                                 term, candidate.value));
}

void RaftClaims::check(std::size_t server, ServerId to, BytesView body) {
  const auto message = raft::decode(body);
  if (!message) return complain(server, "sends no message: " + message.error());
  if (const auto* ask = std::get_if<raft::message::RequestVote>(&*message)) {
    const ServerId self{static_cast<std::int64_t>(server) + 1};
    if (!ask->is_pre) check_vote(server, ask->term, self, "RequestVote");
  } else if (const auto* vote = std::get_if<raft::message::Vote>(&*message)) {
    if (vote->is_pre) return;
    if (vote->is_granted)
      check_vote(server, vote->term, to, "Vote");
    else
      check_term(server, vote->term, "Vote");
  } else if (const auto* appended = std::get_if<raft::message::Appended>(&*message)) {
    if (appended->has_memory) check_term(server, appended->term, "Appended");
    require_entry(server, appended->match, "Appended");
  }
}

// ---- Omni-Paxos -------------------------------------------------------------------------------

void OmniPaxosClaims::check_promise(std::size_t server, omnipaxos::Ballot ballot,
                                    const char* message) const {
  if (durable_promise(server) < ballot.epoch)
    complain(server, fmt::format("{} before the promise {} is on disk", message, ballot.epoch));
}

void OmniPaxosClaims::check_round(std::size_t server, omnipaxos::Ballot ballot,
                                  const char* message) const {
  if (durable_round(server) < ballot.epoch)
    complain(server, fmt::format("{} before its round {} is on disk", message, ballot.epoch));
}

void OmniPaxosClaims::check(std::size_t server, ServerId /*to*/, BytesView body) {
  const auto envelope = omnipaxos::decode(body);
  if (!envelope) return complain(server, "sends no message");
  const omnipaxos::Message* message = &envelope->message;
  if (const auto* prepare = std::get_if<omnipaxos::Prepare>(message)) {
    check_promise(server, prepare->ballot, "Prepare");
  } else if (const auto* promise = std::get_if<omnipaxos::Promise>(message)) {
    check_promise(server, promise->ballot, "Promise");
    require_entry(server, promise->ends.front(), "Promise");
  } else if (const auto* sync = std::get_if<omnipaxos::AcceptSync>(message)) {
    check_round(server, sync->ballot, "AcceptSync");
  } else if (const auto* accepted = std::get_if<omnipaxos::Accepted>(message)) {
    check_round(server, accepted->ballot, "Accepted");
    require_entry(server, accepted->up_to, "Accepted");
  }
}

}  // namespace synod::sim
