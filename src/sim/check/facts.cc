#include "sim/check/facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

namespace synod::sim::check {
namespace {

constexpr std::size_t kReportsMax = 20;  // of one rule: the first few tell all

// May `path` be the node that `action` made or wrote?
bool may_be_node_of(const Action& action, const std::string& path) {
  if (!action.is_sequential) return path == action.path;
  if (!action.created_path.empty()) return path == action.created_path;
  return path.size() > action.path.size() && path.starts_with(action.path);
}

}  // namespace

std::string to_string(Zxid zxid) { return fmt::format("{:#x}", zxid.value); }

bool is_verdict_of_tree(jute::ErrorCode error) {
  switch (error) {
    case jute::ErrorCode::kNoNode:
    case jute::ErrorCode::kNodeExists:
    case jute::ErrorCode::kBadVersion:
    case jute::ErrorCode::kNotEmpty:
    case jute::ErrorCode::kNoChildrenForEphemerals:
      return true;
    default:
      return false;
  }
}

void complain(Report& report, Rule rule, std::string text, std::vector<std::size_t> operations) {
  const auto of_rule = std::ranges::count(report.violations, rule, &Violation::rule);
  if (static_cast<std::size_t>(of_rule) >= kReportsMax) return;
  report.violations.push_back({rule, std::move(text), std::move(operations)});
}

Facts::Facts(const History& history, Report& report)
    : history_(history), fates_(history.operations.size()) {
  learn_from_replies();
  learn_from_log(report);
  learn_from_values(report);
  collect_endings();
  collect_visible();
  collect_begun();
  collect_syncs();
}

void Facts::learn_from_replies() {
  for (std::size_t i = 0; i < fates_.size(); ++i) {
    const Operation& operation = history_.operations[i];
    if (operation.outcome == Outcome::kUnknown) {
      if (!is_write(operation.kind)) fates_[i].kind = Fate::Kind::kNoTrace;
      continue;
    }
    if (operation.zxid == Zxid{}) {
      fates_[i].kind = Fate::Kind::kOpaque;
    } else if (operation.outcome == Outcome::kOk) {
      fates_[i] = {Fate::Kind::kHappened, operation.zxid};
    } else {
      fates_[i] = {Fate::Kind::kRefused, operation.zxid};
    }
  }
}

// Where the log is known, nothing is in doubt; and no request may stand in it twice.
void Facts::learn_from_log(Report& report) {
  if (history_.committed.empty()) return;
  std::map<std::pair<SessionId, std::int32_t>, const Committed*> log;
  for (const Committed& entry : history_.committed) {
    if (entry.type == jute::OpCode::kError || entry.type == jute::OpCode::kCreateSession) continue;
    if (entry.type == jute::OpCode::kCloseSession) {
      endings_.emplace(entry.session, entry.zxid);
      if (entry.xid == 0) continue;  // expired
    }
    const auto [first, is_new] = log.emplace(std::pair(entry.session, entry.xid), &entry);
    if (is_new) continue;
    complain(
        report, Rule::kExactlyOnce,
        fmt::format("request {} of session {:#x} stands in the log at {} and at {}", entry.xid,
                    entry.session.value, to_string(first->second->zxid), to_string(entry.zxid)),
        {});
  }
  for (std::size_t i = 0; i < fates_.size(); ++i) {
    if (fates_[i].kind != Fate::Kind::kInDoubt) continue;
    const Operation& operation = history_.operations[i];
    const auto entry = log.find({operation.session, operation.xid});
    fates_[i] = entry == log.end() ? Fate{Fate::Kind::kNoTrace, {}}
                                   : Fate{Fate::Kind::kHappened, entry->second->zxid};
  }
}

// A value that was read names its write, and the stat beside it says where that write stands.
void Facts::learn_from_values(Report& report) {
  std::set<std::string> ambiguous;
  for (std::size_t i = 0; i < fates_.size(); ++i) {
    for_each_action(history_.operations[i], [&](const Action& action) {
      const bool is_named = action.kind == Kind::kCreate || action.kind == Kind::kSetData;
      if (!is_named || action.value.empty()) return;
      if (!writer_.emplace(action.value, i).second) ambiguous.insert(action.value);
    });
  }
  for (const std::string& value : ambiguous) writer_.erase(value);
  for (std::size_t i = 0; i < fates_.size(); ++i) {
    const Operation& operation = history_.operations[i];
    if (operation.data && operation.stat) {
      see(*operation.data, {operation.path, operation.stat->mzxid, i}, report);
    }
  }
  if (!history_.final_tree) return;
  for (const auto& [path, node] : history_.final_tree->nodes) {
    see(node.data, {path, node.stat.mzxid, fates_.size()}, report);
  }
}

void Facts::see(const std::string& value, const Sighting& sighting, Report& report) {
  const auto writer = writer_.find(value);
  if (writer == writer_.end()) return;
  const std::size_t index = writer->second;
  const Operation& operation = history_.operations[index];
  std::vector<std::size_t> concerned{index};
  if (sighting.seen_by < fates_.size()) concerned.push_back(sighting.seen_by);

  bool is_of_it = false;
  for_each_action(operation, [&](const Action& action) {
    is_of_it |= action.value == value && may_be_node_of(action, sighting.path);
  });
  const auto [first, is_new] = sightings_.emplace(value, sighting);
  const bool agrees = first->second.path == sighting.path && first->second.mzxid == sighting.mzxid;
  Fate& fate = fates_[index];
  if (!is_of_it || !agrees) {
    complain(report, Rule::kExactlyOnce,
             fmt::format("the value of one write was seen in {} as of {} and in {} as of {}",
                         first->second.path, to_string(first->second.mzxid), sighting.path,
                         to_string(sighting.mzxid)),
             concerned);
  } else if (fate.kind == Fate::Kind::kInDoubt || fate.kind == Fate::Kind::kOpaque) {
    if (operation.outcome != Outcome::kError) fate = {Fate::Kind::kHappened, sighting.mzxid};
  } else if (fate.kind != Fate::Kind::kHappened || fate.zxid != sighting.mzxid) {
    complain(report, Rule::kExactlyOnce,
             fmt::format("{} shows this write as of {}, which is not what became of it",
                         sighting.path, to_string(sighting.mzxid)),
             concerned);
  }
}

void Facts::collect_endings() {
  for (std::size_t i = 0; i < fates_.size(); ++i) {
    const Operation& operation = history_.operations[i];
    if (operation.kind == Kind::kCloseSession && fates_[i].kind == Fate::Kind::kHappened) {
      endings_.emplace(operation.session, fates_[i].zxid);
    }
  }
}

Ending Facts::ending(SessionId session) const {
  const auto found = endings_.find(session);
  return found == endings_.end() ? Ending{} : Ending{true, found->second};
}

void Facts::collect_visible() {
  std::vector<std::tuple<Moment, Zxid, std::size_t>> replies;
  for (std::size_t i = 0; i < fates_.size(); ++i) {
    const Operation& operation = history_.operations[i];
    if (operation.outcome == Outcome::kUnknown || operation.zxid == Zxid{}) continue;
    replies.emplace_back(operation.completed_at, operation.zxid, i);
  }
  std::ranges::sort(replies);
  for (const auto& [moment, zxid, index] : replies) {
    if (visible_.empty() || zxid > visible_.back().zxid) visible_.push_back({moment, zxid, index});
  }
}

std::string Facts::node_of(const Action& action) const {
  if (action.kind != Kind::kCreate || !action.is_sequential) return action.path;
  if (!action.created_path.empty()) return action.created_path;
  const auto seen = sightings_.find(action.value);
  return seen == sightings_.end() ? "" : seen->second.path;
}

Zxid Facts::visible_before(Moment moment) const {
  const auto after = std::ranges::lower_bound(visible_, moment, {}, &Visible::moment);
  return after == visible_.begin() ? Zxid{} : std::prev(after)->zxid;
}

std::size_t Facts::witness_before(Moment moment) const {
  const auto after = std::ranges::lower_bound(visible_, moment, {}, &Visible::moment);
  return after == visible_.begin() ? fates_.size() : std::prev(after)->witness;
}

void Facts::collect_begun() {
  for (std::size_t i = 0; i < fates_.size(); ++i) {
    if (fates_[i].kind != Fate::Kind::kHappened || !is_write(history_.operations[i].kind)) continue;
    begun_.emplace_back(history_.operations[i].invoked_at, fates_[i].zxid);
  }
  std::ranges::sort(begun_);
  for (std::size_t i = begun_.size(); i-- > 1;) {
    begun_[i - 1].second = std::min(begun_[i - 1].second, begun_[i].second);
  }
}

std::optional<Zxid> Facts::first_begun_after(Moment moment) const {
  const auto later = std::ranges::upper_bound(begun_, moment, {}, &std::pair<Moment, Zxid>::first);
  return later == begun_.end() ? std::nullopt : std::optional(later->second);
}

void Facts::collect_syncs() {
  for (const Operation& operation : history_.operations) {
    if (operation.kind != Kind::kSync || operation.outcome != Outcome::kOk) continue;
    syncs_[operation.session].emplace_back(operation.completed_at, operation.invoked_at);
  }
  for (auto& [session, syncs] : syncs_) std::ranges::sort(syncs);
}

std::optional<Moment> Facts::last_sync_before(const Operation& operation) const {
  if (operation.is_linearizable) return operation.invoked_at;
  const auto syncs = syncs_.find(operation.session);
  if (syncs == syncs_.end()) return std::nullopt;
  const auto later = std::ranges::lower_bound(syncs->second, operation.completed_at, {},
                                              &std::pair<Moment, Moment>::first);
  return later == syncs->second.begin() ? std::nullopt : std::optional(std::prev(later)->second);
}

}  // namespace synod::sim::check
