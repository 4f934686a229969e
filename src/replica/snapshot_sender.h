// Sends the tree to learners that are too far behind, in slices, as their links take them. One at a
// time, for the tree takes one walk: who waits gets a tree that is somewhat newer than it was
// asked for, as ZooKeeper's always are, and what is newer comes again behind it.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include "base/bytes.h"
#include "consensus/engine.h"
#include "replica/links.h"
#include "replica/snapshot_stream.h"
#include "state/state.h"

namespace synod::replica {

class SnapshotSender {
 public:
  // Both outlive this.
  SnapshotSender(Links& links, state::State& state) : links_(links), state_(state) {}

  void start(consensus::LinkId link);
  // What the engine says on a link while it gets a snapshot follows behind that. False: too much
  // waits there (kBehindMax bytes), and the link is to be given up.
  [[nodiscard]] bool send(consensus::LinkId link, Bytes bytes);
  void drained(consensus::LinkId link) {
    if (is_sending() && queue_.front().link == link) go_on();
  }
  void gone(consensus::LinkId link);
  void drop_all() { queue_.clear(); }
  [[nodiscard]] bool is_sending() const { return !queue_.empty(); }

 private:
  static constexpr std::size_t kBehindMax = std::size_t{128} << 20;
  struct Receiver {
    consensus::LinkId link;
    std::optional<SnapshotStream> stream;  // of the first
    std::deque<Bytes> behind;
    std::size_t bytes_behind = 0;
  };

  void go_on();

  Links& links_;
  state::State& state_;
  std::deque<Receiver> queue_;
};

}  // namespace synod::replica
