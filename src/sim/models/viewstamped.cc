#include "sim/models/viewstamped.h"

#include <utility>

namespace synod::sim::models {

using Kind = Message::Kind;

Viewstamped::Viewstamped(Options options)
    : Replication(std::move(options)), voters_(this->options().membership.voters()) {}

ServerId Viewstamped::leader_of(std::uint32_t epoch) const {
  return voters_[epoch % voters_.size()];
}

void Viewstamped::on_silence() { change_view(epoch() + 1); }

void Viewstamped::change_view(std::uint32_t view) {
  promise(view, [this] {
    changing_to_ = epoch();
    repeat();
    do_view_change_when_due();
  });
  asked_for_it_ = {options().self};
}

void Viewstamped::repeat() {
  if (changing_to_ == epoch() && phase() != Phase::kFollowing)
    broadcast({.kind = Kind::kStartViewChange, .epoch = epoch()});
}

// A DoViewChange of a later view comes here too, and says as much.
void Viewstamped::on_election(ServerId from, const Message& message) {
  if (message.epoch < epoch() || message.epoch == 0) return;
  if (message.epoch > epoch()) change_view(message.epoch);
  if (message.kind == Kind::kStartViewChange) consensus::add_to(asked_for_it_, from);
  do_view_change_when_due();
}

void Viewstamped::do_view_change_when_due() {
  if (changing_to_ != epoch() || !is_free() || !is_quorum(asked_for_it_)) return;
  if (leader_of(epoch()) == options().self)
    gather();
  else
    send_promise();
}

}  // namespace synod::sim::models
