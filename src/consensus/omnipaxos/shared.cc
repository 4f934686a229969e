#include "consensus/omnipaxos/shared.h"

#include <algorithm>
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

// ---- marks ------------------------------------------------------------------------------------

// A server's number, or the zxid of a stop-sign, which is greater than those.
ServerId Shared::covered_by() const {
  return mark() <= kMaxServerId ? ServerId{mark()} : ServerId{};
}

Zxid Shared::entered() const {
  const std::int64_t last = journal.voted_for().value;
  return last > kMaxServerId ? Zxid{last} : Zxid{};
}

Ballot Shared::accepted_round() const {
  return mark() > kMaxServerId ? Ballot{} : Ballot{journal.current_epoch()};
}

// Where nothing is logged in this configuration the mark stays: nothing was accepted that counts.
void Shared::promise(Ballot ballot) {
  SYNOD_ASSERT(ballot > promised());
  const bool is_log_empty = configuration != Zxid{} && journal.last_logged() == configuration;
  const std::int64_t kept = is_log_empty ? configuration.value : mark();
  journal.save_epochs(ballot.epoch, journal.current_epoch(), ServerId{kept});
}

void Shared::accept_round(Ballot ballot) {
  SYNOD_ASSERT(ballot == promised());
  journal.save_epochs(ballot.epoch, ballot.epoch, journal.voted_for());
}

void Shared::enter(Zxid next) {
  const std::uint32_t round = std::max(promised(), Ballot{next.epoch()}).round() + 1;
  SYNOD_ASSERT(round <= Ballot::kLastRound);
  journal.save_epochs(round << 8, journal.current_epoch(), ServerId{next.value});
}

// ---- the rest ---------------------------------------------------------------------------------

void Shared::commit(Zxid up_to) {
  const bool waits = std::ranges::any_of(
      journal.configurations().undecided(), [&](const Configurations::Logged& logged) {
        return logged.zxid <= up_to && logged.zxid > journal.durable();
      });
  journal.commit(waits ? std::min(up_to, journal.durable()) : up_to);
}

// What is lost of the log may have been accepted, where nothing says otherwise yet.
void Shared::install(ServerId from, LinkId link, const SnapshotHead& head, Bytes first_bytes) {
  SYNOD_ASSERT(!installing);
  const bool needs_mark = mark() == 0 && accepted_round() < promised();
  if (head.zxid < journal.last_logged() && needs_mark)
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
