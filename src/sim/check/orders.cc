// Rules on zxids alone: no model, no search.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sim/check/rules.h"

namespace synod::sim::check {
namespace {

// Did this operation take a place of its own in the log?
bool is_logged(const Facts& facts, std::size_t index) {
  const Operation& operation = facts.operation(index);
  if (!is_write(operation.kind)) return false;
  const Fate& fate = facts.fate(index);
  return fate.kind == Fate::Kind::kHappened ||
         (fate.kind == Fate::Kind::kRefused && is_verdict_of_tree(operation.error));
}

std::map<SessionId, std::vector<std::size_t>> by_session(const Facts& facts) {
  std::map<SessionId, std::vector<std::size_t>> sessions;
  for (std::size_t i = 0; i < facts.history().operations.size(); ++i) {
    sessions[facts.operation(i).session].push_back(i);
  }
  return sessions;
}

void check_replies(const Facts& facts, std::vector<std::size_t> operations, Report& report) {
  std::erase_if(operations,
                [&](std::size_t i) { return facts.operation(i).outcome == Outcome::kUnknown; });
  std::ranges::sort(operations, {}, [&](std::size_t i) { return facts.operation(i).completed_at; });
  std::size_t highest = 0;
  for (std::size_t at = 1; at < operations.size(); ++at) {
    const Operation& before = facts.operation(operations[at - 1]);
    const Operation& now = facts.operation(operations[at]);
    if (now.xid <= before.xid || now.invoked_at < before.invoked_at) {
      complain(report, Rule::kSessionOrder, "replies of one session out of order",
               {operations[at - 1], operations[at]});
    }
    const Operation& peak = facts.operation(operations[highest]);
    if (now.zxid == Zxid{} || now.zxid >= peak.zxid) {
      if (now.zxid != Zxid{}) highest = at;
    } else {
      complain(report, Rule::kPrefixReads,
               fmt::format("a session that had seen {} was shown the older {}",
                           to_string(peak.zxid), to_string(now.zxid)),
               {operations[highest], operations[at]});
    }
  }
}

void check_session_writes(const Facts& facts, std::vector<std::size_t> operations, Report& report) {
  std::erase_if(operations, [&](std::size_t i) { return !is_logged(facts, i); });
  std::ranges::sort(operations, {}, [&](std::size_t i) { return facts.operation(i).xid; });
  for (std::size_t at = 1; at < operations.size(); ++at) {
    if (facts.fate(operations[at]).zxid > facts.fate(operations[at - 1]).zxid) continue;
    complain(report, Rule::kSessionOrder, "two writes of one session, ordered the other way round",
             {operations[at - 1], operations[at]});
  }
}

}  // namespace

void check_write_order(const Facts& facts, Report& report) {
  std::map<Zxid, std::size_t> places;
  for (std::size_t i = 0; i < facts.history().operations.size(); ++i) {
    if (!is_logged(facts, i)) continue;
    const Zxid zxid = facts.fate(i).zxid;
    const auto [first, is_new] = places.emplace(zxid, i);
    if (!is_new) {
      complain(report, Rule::kLinearizableWrites,
               fmt::format("two writes at one place of the log, {}", to_string(zxid)),
               {first->second, i});
    }
    const Moment invoked_at = facts.operation(i).invoked_at;
    const Zxid visible = facts.visible_before(invoked_at);
    if (zxid > visible) continue;
    complain(report, Rule::kLinearizableWrites,
             fmt::format("a write that began after {} had been shown was ordered at {}",
                         to_string(visible), to_string(zxid)),
             {facts.witness_before(invoked_at), i});
  }
}

void check_syncs(const Facts& facts, Report& report) {
  for (std::size_t i = 0; i < facts.history().operations.size(); ++i) {
    const Operation& operation = facts.operation(i);
    const bool is_sync = operation.kind == Kind::kSync && operation.outcome == Outcome::kOk;
    if (!is_sync && !operation.is_linearizable) continue;
    const Zxid visible = facts.visible_before(operation.invoked_at);
    if (operation.zxid == Zxid{} || operation.zxid >= visible) continue;
    complain(report, Rule::kSyncedReads,
             fmt::format("{} that began after {} had been shown ended at {}",
                         is_sync ? "a sync" : "a linearizable read", to_string(visible),
                         to_string(operation.zxid)),
             {facts.witness_before(operation.invoked_at), i});
  }
}

void check_session_order(const Facts& facts, Report& report) {
  for (auto& [session, operations] : by_session(facts)) {
    check_replies(facts, operations, report);
    check_session_writes(facts, operations, report);
  }
}

}  // namespace synod::sim::check
