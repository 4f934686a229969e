#include "consensus/journal.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/mutation.h"

namespace synod::consensus {

void Journal::start(const Beginning& beginning, Membership membership) {
  history_.start(beginning.last_logged, beginning.recent, beginning.epoch_ends);
  durable_ = applied_ = beginning.last_logged;
  accepted_epoch_ = beginning.accepted_epoch;
  current_epoch_ = beginning.current_epoch;
  voted_for_ = beginning.voted_for;
  has_memory_ = beginning.has_memory || is_mutated(Mutation::kWipedVotes);
  configurations_.start(std::move(membership), beginning);
}

void Journal::append(Entry entry, bool is_remembered) {
  if (is_remembered)
    history_.append(entry);
  else
    history_.skip(entry.zxid);
  configurations_.append(entry);
  outbox_.add(effect::Append{std::move(entry)});
}

void Journal::save_epochs(std::uint32_t accepted, std::uint32_t current, ServerId voted_for) {
  SYNOD_ASSERT(accepted >= accepted_epoch_ && current >= current_epoch_);
  accepted_epoch_ = accepted;
  current_epoch_ = current;
  voted_for_ = voted_for;
  ++saves_under_way_;
  outbox_.add(effect::SaveEpochs{accepted, current, voted_for});
}

void Journal::cut(Zxid after) {
  SYNOD_ASSERT(after >= committed_ && !cut_under_way_);
  cut_under_way_ = after;
  outbox_.add(effect::Cut{after});
}

void Journal::on_cut(std::optional<Zxid> last) {
  SYNOD_ASSERT(cut_under_way_.has_value());
  const Zxid asked = *std::exchange(cut_under_way_, std::nullopt);
  needs_tree_ = !last;
  if (!last) return;
  // Cut further back than asked: what was acknowledged once may be gone.
  if (*last < asked) has_memory_ = false;
  history_.cut(*last);
  configurations_.cut(*last);
  durable_ = *last;
  applied_ = std::min(applied_, *last);
}

void Journal::on_snapshot(Zxid zxid, std::string_view configuration) {
  needs_tree_ = false;
  history_.start(zxid, {});
  configurations_.installed(configuration);
  durable_ = applied_ = zxid;
}

void Journal::commit(Zxid up_to) {
  if (up_to <= committed_) return;
  SYNOD_ASSERT(up_to <= last_logged());
  committed_ = up_to;
  applied_ = std::max(applied_, up_to);
  outbox_.add(effect::Commit{up_to});
  if (configurations_.commit(up_to))
    outbox_.add(effect::Configured{configurations_.decided().to_text()});
  trim(up_to);
}

void Journal::adopt(Membership decided) {
  if (configurations_.adopt(std::move(decided)))
    outbox_.add(effect::Configured{configurations_.decided().to_text()});
}

bool Journal::is_settled() const {
  if (is_mutated(Mutation::kVoteBeforeFlush)) return true;
  return durable_ == last_logged() && saves_under_way_ == 0 && !cut_under_way_;
}

}  // namespace synod::consensus
