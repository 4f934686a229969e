#include "consensus/raft/shared.h"

#include <algorithm>

#include "base/assert.h"

namespace synod::consensus::raft {

void Shared::start(const Beginning& beginning) {
  now = beginning.now;
  random = Random(beginning.seed);
  SYNOD_ASSERT(beginning.forms != nullptr);
  forms = beginning.forms;
  journal.start(beginning, options.membership);
  term_ = std::max(beginning.accepted_epoch, beginning.last_logged.epoch());
}

// ---- currentTerm and votedFor -----------------------------------------------------------------

void Shared::enter_term(std::uint32_t term, ServerId voted_for) {
  SYNOD_ASSERT(term >= term_);
  term_ = term;
  // Without memory a term is noted, and no more: a log that grows before the memory is back would
  // be taken for one after a restart, if nothing said otherwise.
  journal.save_epochs(term, journal.has_memory() ? term : journal.current_epoch(), voted_for);
}

void Shared::gain_memory(ServerId voted_for) {
  journal.gain_memory();
  journal.save_epochs(term_, term_, voted_for);
}

// ---- to others --------------------------------------------------------------------------------

void Shared::send(ServerId to, const Message& message) {
  if (journal.are_epochs_durable())
    send_at_once(to, message);
  else
    unsent_.emplace_back(to, encode(message));
}

void Shared::send_at_once(ServerId to, const Message& message) { links.send(to, encode(message)); }

void Shared::epochs_saved() {
  journal.on_epochs_saved();
  if (!journal.are_epochs_durable()) return;
  for (const auto& [to, bytes] : std::exchange(unsent_, {})) links.send(to, bytes);
}

// What was meant for one link does not go on the next.
void Shared::peer_down(ServerId peer) {
  std::erase_if(unsent_, [&](const auto& message) { return message.first == peer; });
}

void Shared::break_link(ServerId peer, std::string reason) {
  if (const auto link = links.link_of(peer)) links.close(*link, std::move(reason));
}

void Shared::set_status(Status changed) {
  if (changed == status) return;
  status = changed;
  outbox.add(effect::StatusChanged{changed});
}

Role Shared::learner_role() const {
  return configuration.is_voter(options.self) ? Role::kFollowing : Role::kObserving;
}

}  // namespace synod::consensus::raft
