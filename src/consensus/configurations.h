// The memberships in a server's log: the newest that is decided, and those behind it, which may
// still be cut off. Which of them count, and how, is each engine's own (joint quorums, a
// stop-sign): this only keeps step with the log. The Journal does that; nobody else changes it but
// adopt().
#pragma once

#include <deque>
#include <string_view>

#include "base/ids.h"
#include "consensus/engine.h"
#include "consensus/membership.h"

namespace synod::consensus {

class Configurations {
 public:
  struct Logged {
    Zxid zxid;
    EntryKind kind{};  // kReconfiguration or kConfiguration
    Membership membership;
  };

  // `initial` is decided: it is what the server's own files say. What of the log is no newer than
  // that is decided with it.
  void start(Membership initial, const Beginning& beginning);

  // ---- the log goes on, is cut, is committed, is replaced by a tree that holds this text
  void append(const Entry& entry);
  void cut(Zxid last);
  // True: another membership is decided now.
  [[nodiscard]] bool commit(Zxid up_to);
  void installed(std::string_view text);

  // Decided, as another server says who knows; true if it is newer than what was decided here.
  [[nodiscard]] bool adopt(Membership decided);

  [[nodiscard]] const Membership& decided() const { return decided_; }
  [[nodiscard]] const std::deque<Logged>& undecided() const { return undecided_; }
  [[nodiscard]] const Membership& newest() const {
    return undecided_.empty() ? decided_ : undecided_.back().membership;
  }
  // Counts every change of what decided() and undecided() say: whoever derives something from them
  // derives it again when this has moved.
  [[nodiscard]] std::uint64_t revision() const { return revision_; }

 private:
  void add(Zxid zxid, EntryKind kind, std::string_view text);

  const EntryForms* forms_ = nullptr;
  Membership decided_;
  std::deque<Logged> undecided_;  // oldest first
  std::uint64_t revision_ = 0;
};

}  // namespace synod::consensus
