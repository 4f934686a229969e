#include "sim/check/node_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_set>

#include "sim/check/facts.h"

namespace synod::sim::check {
namespace {

bool agrees(Zxid known, Zxid seen) { return known == Zxid{} || seen == Zxid{} || known == seen; }

bool is_as_read(const NodeState& state, const Action& action) {
  if (!state.is_present) return false;
  if (action.data && *action.data != state.value) return false;
  if (!action.stat) return true;
  return action.stat->version == state.version && action.stat->ephemeral_owner == state.owner &&
         agrees(state.czxid, action.stat->czxid) && agrees(state.mzxid, action.stat->mzxid);
}

// The state a write made, if its reply's stat allows that; the stat may tell when the node was
// made.
std::optional<NodeState> as_replied(NodeState made, const Action& action) {
  if (!action.stat) return made;
  const bool is_it = action.stat->version == made.version &&
                     agrees(made.mzxid, action.stat->mzxid) &&
                     agrees(made.czxid, action.stat->czxid);
  if (made.czxid == Zxid{}) made.czxid = action.stat->czxid;
  return is_it ? std::optional(made) : std::nullopt;
}

bool has_version(const NodeState& state, const Action& action) {
  return state.is_present && (action.version == -1 || action.version == state.version);
}

std::optional<NodeState> after(const NodeState& state, const Touch& touch, Zxid zxid) {
  NodeState next = state;
  const auto only_if = [&](bool holds) { return holds ? std::optional(next) : std::nullopt; };
  switch (touch.act) {
    case Touch::Act::kCreate:
      next = {.is_present = true,
              .value = touch.action->value,
              .owner = touch.action->is_ephemeral ? touch.session.value : 0,
              .czxid = zxid,
              .mzxid = zxid};
      return state.is_present ? std::nullopt : as_replied(next, *touch.action);
    case Touch::Act::kDelete:
      next = {};
      return only_if(has_version(state, *touch.action));
    case Touch::Act::kSetData:
      next.value = touch.action->value;
      ++next.version;
      next.mzxid = zxid;
      return has_version(state, *touch.action) ? as_replied(next, *touch.action) : std::nullopt;
    case Touch::Act::kEndSession:
      if (state.is_present && state.owner == touch.session.value) next = {};
      return next;
    case Touch::Act::kExpectExists:
      return only_if(state.is_present);
    case Touch::Act::kExpectAbsent:
      return only_if(!state.is_present);
    case Touch::Act::kExpectVersion:
      return only_if(has_version(state, *touch.action));
    case Touch::Act::kExpectOtherVersion:
      return only_if(state.is_present && state.version != touch.action->version);
    case Touch::Act::kExpectAsRead:
      return only_if(is_as_read(state, *touch.action));
  }
  return std::nullopt;
}

std::optional<NodeState> after(NodeState state, const Step& step) {
  for (const Touch& touch : step.touches) {
    const auto next = after(state, touch, step.zxid);
    if (!next) return std::nullopt;
    state = *next;
  }
  return state;
}

// A write whose reply did not say which version it made: writes in doubt may hide before it.
bool is_blind(const Step& step) {
  return std::ranges::any_of(step.touches, [](const Touch& touch) {
    return touch.act == Touch::Act::kSetData && !touch.action->stat;
  });
}

struct Configuration {
  std::size_t chain_at = 0;
  std::vector<bool> placed;  // of the floating
  NodeState state;
};

class Search {
 public:
  Search(const NodeHistory& history, std::uint64_t budget)
      : history_(history), budget_(budget), twin_(history.floating.size()) {
    for (const Step& step : history.floating) has_required_ |= step.is_required;
    pair_twins();
  }

  SearchResult run() {
    open_.push_back({0, std::vector<bool>(history_.floating.size()), {}});
    while (!open_.empty()) {
      Configuration now = std::move(open_.back());
      open_.pop_back();
      if (follow(std::move(now))) return {.kind = SearchResult::Kind::kExplained};
      if (budget_ == 0) return {.kind = SearchResult::Kind::kGaveUp};
    }
    furthest_.kind = SearchResult::Kind::kContradiction;
    return furthest_;
  }

 private:
  // Goes along the chain as far as it explains itself, and leaves the other choices for later.
  bool follow(Configuration now) {
    for (;;) {
      if (budget_ == 0 || !is_new(now)) return false;
      --budget_;
      if (is_done(now)) return true;
      const bool has_head = now.chain_at < history_.chain.size();
      const Step* head = has_head ? &history_.chain[now.chain_at] : nullptr;
      const auto next = head && may_go_next(now, *head) ? after(now.state, *head) : std::nullopt;
      remember(now);
      // What floats moves nothing that the head could not have seen, unless it must be placed
      // anyhow, the head fails without it, or the head does not tell what it saw.
      if (has_required_ || !next || is_blind(*head)) branch(now);
      if (!next) return false;
      now.state = *next;
      ++now.chain_at;
    }
  }

  bool is_done(const Configuration& now) const {
    if (now.chain_at < history_.chain.size()) return false;
    for (std::size_t i = 0; i < now.placed.size(); ++i) {
      if (history_.floating[i].is_required && !now.placed[i]) return false;
    }
    return true;
  }

  // Not past the moment by which something unplaced had ended.
  bool may_go_next(const Configuration& now, const Step& head) const {
    for (std::size_t i = 0; has_required_ && i < now.placed.size(); ++i) {
      const Step& other = history_.floating[i];
      if (other.is_required && !now.placed[i] && other.before && *other.before <= head.zxid) {
        return false;
      }
    }
    return true;
  }

  bool may_be_placed(const Configuration& now, std::size_t index) const {
    const Step& step = history_.floating[index];
    if (now.placed[index] || (twin_[index] != kNoOperation && !now.placed[twin_[index]])) {
      return false;
    }
    if (now.chain_at < history_.chain.size() && history_.chain[now.chain_at].zxid <= step.after) {
      return false;
    }
    for (std::size_t i = 0; has_required_ && i < now.placed.size(); ++i) {
      const Step& other = history_.floating[i];
      if (other.is_required && !now.placed[i] && other.completed_at < step.invoked_at) return false;
    }
    return true;
  }

  void branch(const Configuration& now) {
    for (std::size_t i = history_.floating.size(); i-- > 0;) {
      if (!may_be_placed(now, i)) continue;
      const auto next = after(now.state, history_.floating[i]);
      if (!next || (*next == now.state && !history_.floating[i].is_required)) continue;
      Configuration other = now;
      other.placed[i] = true;
      other.state = *next;
      open_.push_back(std::move(other));
    }
  }

  bool is_new(const Configuration& now) {
    if (history_.floating.empty()) return true;  // one way only
    std::string key =
        fmt::format("{},{},{},{},{},{},{}|", now.chain_at, now.state.is_present, now.state.version,
                    now.state.owner, now.state.czxid.value, now.state.mzxid.value, now.state.value);
    for (const bool is_placed : now.placed) key.push_back(is_placed ? '1' : '0');
    return seen_.insert(std::move(key)).second;
  }

  void remember(const Configuration& now) {
    if (now.chain_at < furthest_.chain_at) return;
    if (now.chain_at == furthest_.chain_at && has_furthest_) return;
    has_furthest_ = true;
    furthest_.chain_at = now.chain_at;
    furthest_.before = now.state;
  }

  // Writes in doubt that differ in nothing anybody saw: placed in the order they began, as any
  // other order would show the same.
  void pair_twins() {
    std::set<std::string_view> values_read;
    for (const auto* steps : {&history_.chain, &history_.floating}) {
      for (const Step& step : *steps) {
        for (const Touch& touch : step.touches) {
          if (touch.action && touch.action->data) values_read.insert(*touch.action->data);
        }
      }
    }
    const auto looks_alike = [&](const Step& a, const Step& b) {
      if (a.touches.size() != 1 || b.touches.size() != 1) return false;
      const Touch &x = a.touches[0], &y = b.touches[0];
      if (x.act != y.act || !x.action || !y.action) return false;
      const bool is_owned = x.action->is_ephemeral || y.action->is_ephemeral;
      return x.action->version == y.action->version && (!is_owned || x.session == y.session) &&
             x.action->is_ephemeral == y.action->is_ephemeral &&
             !values_read.contains(x.action->value) && !values_read.contains(y.action->value);
    };
    for (std::size_t i = 0; i < twin_.size(); ++i) {
      twin_[i] = kNoOperation;
      for (std::size_t j = i; j-- > 0 && twin_[i] == kNoOperation;) {
        const Step &mine = history_.floating[i], &other = history_.floating[j];
        if (!mine.is_required && !other.is_required && looks_alike(mine, other)) twin_[i] = j;
      }
    }
  }

  const NodeHistory& history_;
  std::uint64_t budget_;
  std::vector<std::size_t> twin_;  // the alike one that goes first, kNoOperation if none
  bool has_required_ = false;
  std::vector<Configuration> open_;
  std::unordered_set<std::string> seen_;
  SearchResult furthest_;
  bool has_furthest_ = false;
};

}  // namespace

std::string to_string(const NodeState& state) {
  if (!state.is_present) return "absent";
  return fmt::format("\"{}\" version {} as of {}{}", state.value, state.version,
                     state.mzxid == Zxid{} ? "?" : to_string(state.mzxid),
                     state.owner == 0 ? "" : fmt::format(", owned by {:#x}", state.owner));
}

SearchResult search(const NodeHistory& history, std::uint64_t budget) {
  return Search(history, budget).run();
}

}  // namespace synod::sim::check
