#include "consensus/omnipaxos/log_source.h"

#include <algorithm>
#include <utility>

#include "consensus/omnipaxos/batch.h"
#include "consensus/omnipaxos/positions.h"

namespace synod::consensus::omnipaxos {

void LogSource::down(ServerId peer) {
  trees_.end(peer);
  std::erase_if(readings_, [&](const Reading& reading) { return reading.peer == peer; });
}

void LogSource::refuse(ServerId peer, std::uint64_t number) {
  shared_->send(peer, Segment{.number = number, .is_end = true, .is_missing = true, .entries = {}});
}

void LogSource::on(ServerId from, const Survey& survey) {
  const Journal& journal = shared_->journal;
  const auto common = find_common(journal.history(), survey.ends);
  std::vector<Zxid> ends = ends_of(journal.history());
  std::erase_if(ends, [&](Zxid end) { return end >= journal.committed(); });
  ends.insert(ends.begin(), journal.committed());
  shared_->send(from,
                Surveyed{.number = survey.number,
                         .needs_tree = !common,
                         .common = common ? std::min(common->at, journal.committed()) : Zxid{},
                         .ends = std::move(ends)});
}

// ---- segments ---------------------------------------------------------------------------------

void LogSource::on(ServerId from, const Want& want) {
  if (want.up_to > shared_->journal.committed() || want.up_to <= want.after)
    return refuse(from, want.number);
  Reading reading{from, want.number, want.after, want.up_to, 0};
  if (!serve(reading)) readings_.push_back(reading);
}

// From memory as far back as that goes, what is older from the log on disk. True: that was all.
bool LogSource::serve(Reading& reading) {
  const History& history = shared_->journal.history();
  if (reading.sent < history.base()) {
    const auto link = shared_->links.link_of(reading.peer);
    if (!link) return true;
    reading.read = shared_->reads.ask(*link, reading.sent, std::min(reading.up_to, history.base()));
    return false;
  }
  if (!history.contains(reading.sent)) {
    refuse(reading.peer, reading.number);
    return true;
  }
  auto at = history.after(reading.sent);
  const auto end = history.after(history.floor(reading.up_to));
  do {
    std::vector<Entry> batch = take_batch(at, end);
    send(reading, std::move(batch), at == end);
  } while (at != end);
  return true;
}

void LogSource::send(const Reading& to, std::vector<Entry> entries, bool is_end) {
  shared_->send(to.peer, Segment{.number = to.number,
                                 .is_end = is_end,
                                 .is_missing = false,
                                 .entries = std::move(entries)});
}

bool LogSource::log_read(std::uint64_t number, std::optional<std::vector<Entry>>&& entries,
                         bool is_last) {
  const auto found = std::ranges::find(readings_, number, &Reading::read);
  if (found == readings_.end()) return false;
  if (!entries) {
    refuse(found->peer, found->number);
    readings_.erase(found);
    return true;
  }
  if (!entries->empty()) found->sent = entries->back().zxid;
  const bool is_end = is_last && found->sent >= found->up_to;
  auto at = entries->begin();
  do {
    std::vector<Entry> batch = take_batch(at, entries->end());
    send(*found, std::move(batch), is_end && at == entries->end());
  } while (at != entries->end());
  if (is_end || (is_last && serve(*found))) readings_.erase(found);
  return true;
}

// ---- trees ------------------------------------------------------------------------------------

void LogSource::on(ServerId from, const WantTree& want) {
  const bool is_known = std::ranges::binary_search(shared_->peers, from);
  if (!is_known || shared_->installing || !has_tree(want.up_to)) return refuse(from, want.number);
  trees_.begin(from, want.number);
}

// One that holds more than is decided here is of use to who wants no log behind it. If that is a
// stop-sign, the tree does not tell which one was before: who asks must know it.
bool LogSource::has_tree(Zxid up_to) const {
  const Journal& journal = shared_->journal;
  if (journal.applied() <= journal.committed()) return true;
  const Configurations& configurations = journal.configurations();
  return journal.committed() >= up_to &&
         (configurations.undecided().empty() || configurations.decided().version == up_to.value);
}

}  // namespace synod::consensus::omnipaxos
