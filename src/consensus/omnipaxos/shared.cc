#include "consensus/omnipaxos/shared.h"

#include <utility>

#include "base/assert.h"

namespace synod::consensus::omnipaxos {

std::uint64_t LogReads::ask(LinkId link, Zxid after, Zxid up_to) {
  auto& asked = asked_[link];
  asked.push_back({++last_, {link, after, up_to}});
  if (asked.size() == 1) outbox_.add(asked.front().range);
  return last_;
}

std::optional<std::uint64_t> LogReads::answered(LinkId link, bool is_last) {
  const auto found = asked_.find(link);
  if (found == asked_.end() || found->second.empty()) return std::nullopt;
  auto& asked = found->second;
  const std::uint64_t number = asked.front().number;
  if (!is_last) return number;
  asked.pop_front();
  if (!asked.empty()) outbox_.add(asked.front().range);
  return number;
}

void Shared::promise(Ballot ballot) {
  SYNOD_ASSERT(ballot > promised());
  journal.save_epochs(ballot.epoch, journal.current_epoch(), covered_by());
}

void Shared::accept_round(Ballot ballot) {
  SYNOD_ASSERT(ballot == promised());
  journal.save_epochs(ballot.epoch, ballot.epoch, journal.voted_for());
}

void Shared::install(ServerId from, LinkId link, const SnapshotHead& head, Bytes first_bytes) {
  SYNOD_ASSERT(!installing);
  const bool is_complete = covered_by() == ServerId{};
  if (head.zxid < journal.last_logged() && is_complete && accepted_round() < promised())
    journal.save_epochs(journal.accepted_epoch(), journal.current_epoch(), from);
  installing = link;
  outbox.add(effect::ReceiveSnapshot{link, head.zxid, std::move(first_bytes)});
}

void Shared::set_status(Status changed) {
  if (changed == status) return;
  status = changed;
  outbox.add(effect::StatusChanged{changed});
}

}  // namespace synod::consensus::omnipaxos
