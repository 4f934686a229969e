#include "consensus/omnipaxos/migration.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "consensus/omnipaxos/positions.h"

namespace synod::consensus::omnipaxos {
namespace {

constexpr std::uint32_t kMaxGuesses = 1 << 16;  // of segments in one epoch
constexpr int kAskedAtOnce = 2;                 // of one server
constexpr int kMaxWidened = 3;
// Waiting for what comes before them, or for the disk: no more is asked for meanwhile.
constexpr std::size_t kMaxBufferedBytes = std::size_t{32} << 20;
constexpr std::size_t kMaxUnflushedBytes = std::size_t{64} << 20;

std::size_t bytes_of(const std::vector<Entry>& entries) {
  std::size_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.bytes->size();
  return bytes;
}

}  // namespace

void Migration::begin(Zxid target) {
  if (is_under_way() && target <= target_) return;
  end();
  target_ = target;
  if (shared_->entered() < target) shared_->enter(target);
  phase_ = Phase::kSaving;
  advance();
}

void Migration::end() {
  phase_ = Phase::kIdle;
  ranges_.clear();
  unflushed_.clear();
  buffered_bytes_ = unflushed_bytes_ = 0;
  widened_ = 0;
}

// ---- who has what -----------------------------------------------------------------------------

void Migration::survey() {
  phase_ = Phase::kSurveying;
  asked_at_ = shared_->now;
  survey_ = ++shared_->last_number;
  ranges_.clear();
  buffered_bytes_ = 0;
  sources_.clear();
  for (const ServerId peer : shared_->connected) ask_how_far(peer);
}

void Migration::ask_how_far(ServerId peer) {
  shared_->send(peer, Survey{survey_, ends_of(shared_->journal.history())});
}

void Migration::up(ServerId peer) {
  if (phase_ != Phase::kIdle && phase_ != Phase::kSaving) ask_how_far(peer);
}

void Migration::down(ServerId peer) {
  for (Range& range : ranges_)
    if (range.source == peer) release(range);
  sources_.erase(peer);
  if (phase_ == Phase::kAskingTree && tree_from_ == peer) return want_tree();
  assign();
}

void Migration::on(ServerId from, const Surveyed& surveyed) {
  if (!is_under_way() || surveyed.number != survey_) return;
  sources_[from].decided = surveyed.ends.front();
  if (phase_ == Phase::kSurveying && surveyed.ends.front() >= target_) plan(surveyed);
  if (phase_ == Phase::kAskingTree && !tree_from_) return want_tree();
  assign();
}

// What differs leaves, and we ask again.
void Migration::plan(const Surveyed& guide) {
  Journal& journal = shared_->journal;
  ends_ = guide.ends;
  if (guide.needs_tree || journal.needs_tree()) return want_tree();
  const Zxid common = std::max(guide.common, journal.committed());
  if (common < journal.last_logged()) {
    phase_ = Phase::kSaving;
    return journal.cut(common);
  }
  phase_ = Phase::kFetching;
  if (common < target_)
    divide(common);
  else
    decided_ = common;  // there already, in a tree that came in an earlier life
}

// Positions are dense within an epoch (consensus.md 2), most logs lie in few epochs, and nobody
// needs to have read them to say where a segment may begin.
void Migration::divide(Zxid from) {
  ranges_.clear();
  const std::uint32_t segment = shared_->options.segment_entries;
  std::vector<Zxid> bounds{from};
  for (auto end = ends_.rbegin(); end != ends_.rend(); ++end)
    if (*end > from && *end < target_) bounds.push_back(*end);
  bounds.push_back(target_);
  for (std::size_t i = 1; i < bounds.size(); ++i) {
    const Zxid last = bounds[i];
    const bool is_same = bounds[i - 1].epoch() == last.epoch();
    const std::uint32_t first = is_same ? bounds[i - 1].counter() : 0;
    Zxid after = bounds[i - 1];
    const bool is_guessed = (last.counter() - first) / segment < kMaxGuesses;
    for (std::uint32_t at = first; is_guessed && last.counter() - at > segment;) {
      at += segment;
      const Zxid next = Zxid::of(last.epoch(), at);
      ranges_.push_back({.after = std::exchange(after, next), .up_to = next});
    }
    ranges_.push_back({.after = after, .up_to = last});
  }
}

// ---- segments are asked for -------------------------------------------------------------------

void Migration::assign() {
  if (phase_ != Phase::kFetching && phase_ != Phase::kInstalling) return;
  if (!ranges_.empty() && is_refused_by_all(ranges_.front())) return widen_or_want_tree();
  int free = 0;
  for (const auto& [server, source] : sources_) free += kAskedAtOnce - source.asked;
  for (Range& range : ranges_) {
    if (free == 0 || unflushed_bytes_ > kMaxUnflushedBytes) return;
    if (buffered_bytes_ > kMaxBufferedBytes && &range != &ranges_.front()) return;
    if (range.source || range.is_complete) continue;
    const auto source = choose(range);
    if (!source) continue;
    ask(range, *source);
    --free;
  }
}

// Who has it and has least to do.
std::optional<ServerId> Migration::choose(const Range& range) const {
  const auto burden = [&](const Source& source) {
    return std::pair(source.slow_until > shared_->now, source.asked);
  };
  auto best = sources_.end();
  for (auto at = sources_.begin(); at != sources_.end(); ++at) {
    const auto& [server, source] = *at;
    if (source.decided < range.up_to || source.asked >= kAskedAtOnce) continue;
    if (std::ranges::binary_search(range.refused_by, server)) continue;
    if (best == sources_.end() || burden(source) < burden(best->second)) best = at;
  }
  return best == sources_.end() ? std::nullopt : std::optional(best->first);
}

bool Migration::is_refused_by_all(const Range& range) const {
  return !range.refused_by.empty() && std::ranges::all_of(sources_, [&](const auto& source) {
    return source.second.decided < range.up_to ||
           std::ranges::binary_search(range.refused_by, source.first);
  });
}

void Migration::ask(Range& range, ServerId source) {
  ++sources_.at(source).asked;
  range.source = source;
  range.number = ++shared_->last_number;
  range.heard_at = shared_->now;
  shared_->send(source, Want{range.number, range.after, range.up_to});
}

void Migration::release(Range& range) {
  if (range.source) --sources_.at(*range.source).asked;
  range.source.reset();
  range.number = 0;
  buffered_bytes_ -= bytes_of(range.entries);
  range.entries.clear();
}

// Either its end is where nobody's log has an entry, or its beginning is further back than all logs
// go.
void Migration::widen_or_want_tree() {
  const bool has_next =
      ranges_.size() > 1 && !ranges_[1].source && !ranges_[1].is_complete && widened_ < kMaxWidened;
  if (phase_ == Phase::kInstalling) return;
  if (!has_next) return want_tree();
  ++widened_;
  ranges_[1].after = ranges_[0].after;
  ranges_.pop_front();
  assign();
}

void Migration::give_up_late_ones() {
  for (Range& range : ranges_) {
    if (!range.source || shared_->now.value - range.heard_at.value < patience_ms()) continue;
    sources_.at(*range.source).slow_until = {shared_->now.value + 4 * patience_ms()};
    release(range);
  }
}

// ---- segments arrive --------------------------------------------------------------------------

void Migration::on(ServerId from, Segment& segment) {
  if (phase_ == Phase::kAskingTree && segment.number == tree_ && segment.is_missing) {
    sources_.erase(from);
    return want_tree();
  }
  const auto range = std::ranges::find_if(
      ranges_, [&](const Range& at) { return at.source == from && at.number == segment.number; });
  if (range == ranges_.end()) return;
  range->heard_at = shared_->now;
  if (segment.is_missing) {
    release(*range);
    add_to(range->refused_by, from);
    return assign();
  }
  buffered_bytes_ += bytes_of(segment.entries);
  std::ranges::move(segment.entries, std::back_inserter(range->entries));
  if (segment.is_end) {
    --sources_.at(from).asked;
    range->source.reset();
    range->is_complete = true;
  }
  append_what_follows();
  assign();
}

// Of the range that follows on our log also what is there of it.
void Migration::append_what_follows() {
  if (phase_ != Phase::kFetching) return;
  while (!ranges_.empty()) {
    Range& range = ranges_.front();
    buffered_bytes_ -= bytes_of(range.entries);
    for (Entry& entry : range.entries) append(std::move(entry));
    range.entries.clear();
    if (!range.is_complete) {
      if (!range.source) range.after = shared_->journal.last_logged();
      break;
    }
    ranges_.pop_front();
    if (ranges_.empty() || ranges_.front().after == shared_->journal.last_logged()) continue;
    // It was to begin where no entry is.
    release(ranges_.front());
    ranges_.front().after = shared_->journal.last_logged();
    ranges_.front().is_complete = false;
    ranges_.front().refused_by.clear();
  }
  shared_->commit(decided_);
}

void Migration::append(Entry entry) {
  if (entry.zxid <= shared_->journal.last_logged()) return;
  decided_ = entry.zxid;
  unflushed_bytes_ += entry.bytes->size();
  if (unflushed_.empty() || unflushed_.back().bytes > kMaxBatchBytes)
    unflushed_.push_back({entry.zxid, 0});
  unflushed_.back().up_to = entry.zxid;
  unflushed_.back().bytes += entry.bytes->size();
  shared_->journal.append(std::move(entry));
}

// ---- trees ------------------------------------------------------------------------------------

void Migration::want_tree() {
  for (Range& range : ranges_) release(range);
  ranges_.clear();
  phase_ = Phase::kAskingTree;
  asked_at_ = shared_->now;
  tree_from_.reset();
  const auto burden = [&](const Source& source) {
    return std::tuple(source.slow_until > shared_->now, source.decided < target_);
  };
  auto best = sources_.end();
  for (auto at = sources_.begin(); at != sources_.end(); ++at) {
    if (at->second.decided <= shared_->journal.committed()) continue;
    if (best == sources_.end() || burden(at->second) < burden(best->second)) best = at;
  }
  if (best == sources_.end()) return;
  tree_from_ = best->first;
  tree_ = ++shared_->last_number;
  shared_->send(*tree_from_, WantTree{tree_, target_});
}

// What lies behind it is fetched while it comes.
void Migration::snapshot(ServerId peer, LinkId link, const SnapshotHead& head, Bytes first_bytes) {
  const bool is_wanted = phase_ == Phase::kAskingTree && peer == tree_from_ &&
                         head.ballot == Ballot{} && head.number == tree_ && shared_->is_settled() &&
                         head.decided >= std::min(head.zxid, target_) &&
                         head.decided >= shared_->journal.committed();
  if (!is_wanted) return shared_->links.close(link, "no tree is wanted here now");
  phase_ = Phase::kInstalling;
  tree_zxid_ = head.zxid;
  tree_decided_ = head.decided;
  shared_->install(peer, link, head, std::move(first_bytes));
  if (head.zxid < target_) divide(head.zxid);
  assign();
}

// ---- time and the disk ------------------------------------------------------------------------

void Migration::advance() {
  if (!is_under_way()) return;
  const Journal& journal = shared_->journal;
  for (; !unflushed_.empty() && unflushed_.front().up_to <= journal.durable();
       unflushed_.pop_front())
    unflushed_bytes_ -= unflushed_.front().bytes;
  if (phase_ == Phase::kSaving && shared_->is_settled()) survey();
  if (phase_ == Phase::kInstalling && !shared_->installing) {
    if (journal.last_logged() == tree_zxid_) {
      phase_ = Phase::kFetching;
      decided_ = tree_decided_;
    } else {
      survey();  // it was lost on the way
    }
  }
  if (phase_ == Phase::kFetching) append_what_follows();
  assign();
}

void Migration::tick() {
  if (!is_under_way() || shared_->now.value - asked_at_.value < patience_ms()) return;
  asked_at_ = shared_->now;
  if (phase_ == Phase::kSurveying) return survey();
  if (phase_ == Phase::kAskingTree) {
    if (!tree_from_) return survey();  // none that can be had was of use
    const auto late = sources_.find(*tree_from_);
    if (late != sources_.end()) late->second.slow_until = {shared_->now.value + 4 * patience_ms()};
    return want_tree();
  }
  give_up_late_ones();
  for (const ServerId peer : shared_->connected) {
    const auto known = sources_.find(peer);
    if (known == sources_.end() || known->second.decided < target_) ask_how_far(peer);
  }
  assign();
}

std::optional<SteadyTimeMs> Migration::next_deadline() const {
  if (!is_under_way()) return std::nullopt;
  return SteadyTimeMs{asked_at_.value + patience_ms()};
}

}  // namespace synod::consensus::omnipaxos
