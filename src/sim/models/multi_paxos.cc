#include "sim/models/multi_paxos.h"

#include <fmt/format.h>

#include "consensus/omnipaxos/ballot.h"

namespace synod::sim::models {

using consensus::omnipaxos::Ballot;
using Kind = Message::Kind;

ServerId MultiPaxos::leader_of(std::uint32_t epoch) const { return Ballot{epoch}.server(); }

// Who is preparing goes on with it, however long that takes, until it hears of a higher ballot.
void MultiPaxos::on_silence() {
  if (phase() >= Phase::kGathering) return;
  const Ballot above{std::max(epoch(), highest_seen_)};
  promise(above.next_of(options().self).epoch, [this] {
    gather();
    repeat();
  });
}

void MultiPaxos::repeat() {
  if (phase() >= Phase::kGathering) broadcast({.kind = Kind::kPrepare, .epoch = epoch()});
}

void MultiPaxos::on_election(ServerId from, const Message& message) {
  if (message.kind == Kind::kRefused) {
    // Preempted: whoever owns the higher ballot may lead, and is waited for.
    if (message.epoch <= epoch()) return;
    highest_seen_ = std::max(highest_seen_, message.epoch);
    if (phase() >= Phase::kGathering) step_down(fmt::format("ballot {} is higher", message.epoch));
    return;
  }
  if (message.kind != Kind::kPrepare) return;
  if (message.epoch < epoch()) return on_stale(from);
  if (message.epoch > epoch()) return promise(message.epoch, [this] { send_promise(); });
  hear();
  promise_again();
}

void MultiPaxos::on_stale(ServerId from) { send(from, {.kind = Kind::kRefused, .epoch = epoch()}); }

}  // namespace synod::sim::models
