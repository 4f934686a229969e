// What follows from a history before any rule is judged: the place in the log of each write whose
// reply was lost but whose value was seen, and what was visible to somebody at a given moment.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/check/checks.h"
#include "sim/check/history.h"

namespace synod::sim::check {

// What became of an operation, after everything that was seen of it.
struct Fate {
  enum class Kind {
    kHappened,  // at `zxid`
    kRefused,   // at `zxid`, with the operation's error
    kNoTrace,   // it left no trace and can leave none
    kOpaque,    // it happened or was refused, as its reply says; nobody told where
    kInDoubt,   // once, any time after its invocation, or never
  };
  Kind kind = Kind::kInDoubt;
  Zxid zxid;
};

// Where a session ended in the log.
struct Ending {
  bool is_known = false;
  Zxid zxid;  // of its closeSession, where known
};

class Facts {
 public:
  // Contradictions in what was seen of one write (C5) go into the report.
  Facts(const History& history, Report& report);

  [[nodiscard]] const History& history() const { return history_; }
  [[nodiscard]] const Operation& operation(std::size_t index) const {
    return history_.operations[index];
  }
  [[nodiscard]] const Fate& fate(std::size_t index) const { return fates_[index]; }
  [[nodiscard]] Ending ending(SessionId session) const;
  // The node an action made or touched; empty for a sequential one whose name nobody ever saw.
  [[nodiscard]] std::string node_of(const Action& action) const;

  // The highest zxid in a reply that had come before `moment`: all up to it was committed then.
  [[nodiscard]] Zxid visible_before(Moment moment) const;
  // The operation whose reply showed that.
  [[nodiscard]] std::size_t witness_before(Moment moment) const;

  // The lowest zxid of a write that began after `moment`: whatever had ended by then comes before
  // it.
  [[nodiscard]] std::optional<Zxid> first_begun_after(Moment moment) const;
  // When the last sync of the operation's session began that had ended before the operation did.
  [[nodiscard]] std::optional<Moment> last_sync_before(const Operation& operation) const;

 private:
  struct Visible {
    Moment moment = 0;
    Zxid zxid;
    std::size_t witness = 0;
  };
  struct Sighting {  // of a value: in which node, written where
    std::string path;
    Zxid mzxid;
    std::size_t seen_by = 0;
  };

  void learn_from_replies();
  void learn_from_log(Report& report);
  void learn_from_values(Report& report);
  void see(const std::string& value, const Sighting& sighting, Report& report);
  void collect_endings();
  void collect_visible();
  void collect_begun();
  void collect_syncs();

  const History& history_;
  std::vector<Fate> fates_;  // by operation
  std::map<std::string, std::size_t> writer_;
  std::map<std::string, Sighting> sightings_;
  std::map<SessionId, Zxid> endings_;
  std::vector<Visible> visible_;                // by moment, zxids growing
  std::vector<std::pair<Moment, Zxid>> begun_;  // writes by moment; the lowest zxid from there on
  std::map<SessionId, std::vector<std::pair<Moment, Moment>>> syncs_;  // ended, began
};

// Errors that a write gets from the tree: it went through the log to get them.
[[nodiscard]] bool is_verdict_of_tree(jute::ErrorCode error);

// Adds a violation unless the report holds enough of that rule.
void complain(Report& report, Rule rule, std::string text, std::vector<std::size_t> operations);

// As logs write it: 0x700000003.
[[nodiscard]] std::string to_string(Zxid zxid);

}  // namespace synod::sim::check
