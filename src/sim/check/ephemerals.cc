// C7: a session's ephemerals go together, when it ends and not otherwise.
//
// nodes.cc judges each node alone and lets a session without a known end have ended anywhere. Here
// the nodes of one session must agree: nobody sees one of them at or behind the place where another
// was found gone without having been deleted.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "sim/check/rules.h"

namespace synod::sim::check {
namespace {

struct Life {
  Zxid alive_at;  // an ephemeral of the session was seen as of here
  std::size_t alive_seen_by = 0;
  Zxid gone_at{kNever};  // one was missing here that nobody can have deleted
  std::size_t gone_seen_by = 0;
};

struct Birth {
  SessionId session;
  Zxid zxid;
};

class Lives {
 public:
  explicit Lives(const Facts& facts) : facts_(facts) {
    for (std::size_t i = 0; i < facts.history().operations.size(); ++i) note_writes(i);
    for (std::size_t i = 0; i < facts.history().operations.size(); ++i) {
      note_alive(i);
      note_gone(i);
    }
  }
  const std::map<SessionId, Life>& all() const { return lives_; }

 private:
  void note_writes(std::size_t index) {
    const Operation& operation = facts_.operation(index);
    const Fate& fate = facts_.fate(index);
    if (fate.kind == Fate::Kind::kNoTrace || fate.kind == Fate::Kind::kRefused) return;
    for_each_action(operation, [&](const Action& action) {
      const std::string node = facts_.node_of(action);
      if (action.kind == Kind::kDelete) deleted_.insert(node);
      if (action.kind != Kind::kCreate || !action.is_ephemeral) return;
      if (fate.kind == Fate::Kind::kHappened) {
        births_.emplace(node, Birth{operation.session, fate.zxid});
        see_alive(operation.session, fate.zxid, index);
      }
    });
  }

  void note_alive(std::size_t index) {
    const Operation& operation = facts_.operation(index);
    const bool is_read = operation.kind == Kind::kGetData || operation.kind == Kind::kExists;
    if (!is_read || operation.outcome != Outcome::kOk || !operation.stat) return;
    if (operation.stat->ephemeral_owner == 0) return;
    see_alive(SessionId{operation.stat->ephemeral_owner}, operation.zxid, index);
  }

  void note_gone(std::size_t index) {
    const Operation& operation = facts_.operation(index);
    const bool is_read = operation.kind == Kind::kGetData || operation.kind == Kind::kExists;
    if (!is_read || operation.error != jute::ErrorCode::kNoNode) return;
    if (deleted_.contains(operation.path)) return;
    // Only the last session to make it before that point can be the one that ended last.
    const auto [first, last] = births_.equal_range(operation.path);
    const Birth* birth = nullptr;
    for (auto at = first; at != last; ++at) {
      const bool is_later = birth == nullptr || at->second.zxid > birth->zxid;
      if (at->second.zxid <= operation.zxid && is_later) birth = &at->second;
    }
    if (birth == nullptr) return;
    Life& life = lives_[birth->session];
    if (operation.zxid >= life.gone_at) return;
    life.gone_at = operation.zxid;
    life.gone_seen_by = index;
  }

  void see_alive(SessionId session, Zxid zxid, std::size_t index) {
    Life& life = lives_[session];
    if (zxid <= life.alive_at) return;
    life.alive_at = zxid;
    life.alive_seen_by = index;
  }

  const Facts& facts_;
  std::map<SessionId, Life> lives_;
  std::multimap<std::string, Birth> births_;
  std::set<std::string> deleted_;  // by somebody, some time
};

void check_final_owners(const Facts& facts, Report& report) {
  if (!facts.history().final_tree) return;
  std::set<std::string> reported;
  std::set<SessionId> ended;
  for (const SessionEvent& event : facts.history().session_events) {
    if (event.kind == SessionEvent::Kind::kExpired) ended.insert(event.session);
  }
  for (const auto& [path, node] : facts.history().final_tree->nodes) {
    const SessionId owner{node.stat.ephemeral_owner};
    const Ending ending = facts.ending(owner);
    const bool has_ended = ended.contains(owner) ||
                           (ending.is_known && ending.zxid <= facts.history().final_tree->zxid);
    if (owner.value == 0 || !has_ended) continue;
    complain(report, Rule::kEphemerals,
             fmt::format("{} is still there, and its session {:#x} has ended", path, owner.value),
             {});
  }
}

}  // namespace

void check_ephemerals(const Facts& facts, Report& report) {
  const Lives lives(facts);
  for (const auto& [session, life] : lives.all()) {
    const Ending ending = facts.ending(session);
    if (ending.is_known && life.alive_at >= ending.zxid) {
      complain(report, Rule::kEphemerals,
               fmt::format("session {:#x} ended at {}; an ephemeral of it was seen at {}",
                           session.value, to_string(ending.zxid), to_string(life.alive_at)),
               {life.alive_seen_by});
    } else if (life.gone_at <= life.alive_at) {
      complain(report, Rule::kEphemerals,
               fmt::format("an ephemeral of session {:#x} was gone at {}, another there at {}",
                           session.value, to_string(life.gone_at), to_string(life.alive_at)),
               {life.gone_seen_by, life.alive_seen_by});
    }
  }
  check_final_owners(facts, report);
}

}  // namespace synod::sim::check
