// How a server comes to hold all that the configurations before its own have decided (consensus.md
// 4.11): from any server that has it, different segments from different servers at the same time,
// also from servers that have not heard of the stop-sign. No leader has a part in this.
//
//   mark saved | survey | what differs cut | segments … appended in order | the target is decided
//
// A segment that does not come, or whose server is lost, is asked of another one. Where no log
// reaches back to where ours ends, one server sends its tree, and what lies behind that tree comes
// from the others meanwhile.
//
// What a server says to be decided is decided for all, so nothing here has to be agreed upon.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "consensus/engine.h"
#include "consensus/omnipaxos/messages.h"
#include "consensus/omnipaxos/shared.h"

namespace synod::consensus::omnipaxos {

class Migration {
 public:
  explicit Migration(Shared& shared) : shared_(&shared) {}

  // Everything up to this stop-sign, or to a later one than was asked for before. From here on this
  // server takes part in no configuration that was before, in its next life neither.
  void begin(Zxid target);
  void end();
  [[nodiscard]] bool is_under_way() const { return phase_ != Phase::kIdle; }
  [[nodiscard]] Zxid target() const { return target_; }

  void up(ServerId peer);
  void down(ServerId peer);
  void on(ServerId from, const Surveyed& surveyed);
  void on(ServerId from, Segment& segment);
  void snapshot(ServerId peer, LinkId link, const SnapshotHead& head, Bytes first_bytes);

  void advance();  // the disk has got on, or a tree is in place or lost
  void tick();
  [[nodiscard]] std::optional<SteadyTimeMs> next_deadline() const;

 private:
  enum class Phase : std::uint8_t {
    kIdle,
    kSaving,     // nothing may be under way to the disk
    kSurveying,  // until somebody has all of it
    kFetching,
    kAskingTree,  // until somebody sends one; who can may turn up later
    kInstalling,
  };
  struct Source {
    Zxid decided;
    int asked = 0;            // segments that are on their way
    SteadyTimeMs slow_until;  // it let us wait
  };
  // (after, up_to] of the log. Where a segment begins is a guess at first: nobody knows where the
  // epochs before memory end. A guess that was wrong is found out by who is asked.
  struct Range {
    Zxid after;
    Zxid up_to;
    std::optional<ServerId> source{};
    std::uint64_t number = 0;
    SteadyTimeMs heard_at{};
    std::vector<Entry> entries{};
    bool is_complete = false;
    Servers refused_by{};
  };

  void survey();
  void ask_how_far(ServerId peer);
  void plan(const Surveyed& guide);
  void divide(Zxid from);
  void assign();
  [[nodiscard]] std::optional<ServerId> choose(const Range& range) const;
  [[nodiscard]] bool is_refused_by_all(const Range& range) const;
  void ask(Range& range, ServerId source);
  void release(Range& range);
  void widen_or_want_tree();
  void want_tree();
  void append_what_follows();
  void append(Entry entry);
  void give_up_late_ones();
  [[nodiscard]] std::int64_t patience_ms() const { return shared_->options.election_timeout_ms; }

  Shared* shared_;
  Phase phase_ = Phase::kIdle;
  Zxid target_;
  SteadyTimeMs asked_at_;
  std::uint64_t survey_ = 0;
  std::map<ServerId, Source> sources_;  // who answered
  std::vector<Zxid> ends_;              // of epochs, as one that has everything says

  std::deque<Range> ranges_;  // by position, without a gap between them
  std::size_t buffered_bytes_ = 0;
  int widened_ = 0;
  Zxid decided_;  // this and all before is decided, and ours
  struct Unflushed {
    Zxid up_to;
    std::size_t bytes;
  };
  std::deque<Unflushed> unflushed_;
  std::size_t unflushed_bytes_ = 0;

  std::uint64_t tree_ = 0;
  Zxid tree_zxid_;
  Zxid tree_decided_;
  std::optional<ServerId> tree_from_;  // none: nobody is known who might send one
};

}  // namespace synod::consensus::omnipaxos
