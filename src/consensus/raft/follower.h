// Following and observing (5.3): entries as the leader of this term has them, acknowledged once
// they are on disk.
#pragma once

#include <optional>

#include "consensus/raft/shared.h"

namespace synod::consensus::raft {

class Follower {
 public:
  // Of the current term's leader.
  Follower(Shared& shared, ServerId leader);

  [[nodiscard]] ServerId leader() const { return leader_; }

  // False: the log has to be cut first, and that is under way; afterwards the same message again.
  [[nodiscard]] bool on_append(const message::AppendEntries& append);
  void on_heartbeat(const message::Heartbeat& heartbeat);
  // Whether the leader's tree may take the place of this log: see the definition.
  [[nodiscard]] bool is_tree_wanted(Zxid zxid) const;
  void prepare_for_tree();
  void tree_installed(Zxid zxid) { verified(zxid); }
  void durable() { acknowledge(); }
  void reconfigured();

  void send_to_leader(const ServiceMessage& message);

 private:
  [[nodiscard]] std::optional<Zxid> take_entries(const message::AppendEntries& append);
  void cut(Zxid after);
  void refuse(const message::AppendEntries& append, bool needs_tree);
  void verified(Zxid up_to);
  void acknowledge();
  void note_leader_commit(Zxid commit);
  void serve_when_in_step();

  Shared* shared_;
  ServerId leader_;
  Zxid verified_;                    // as far as this log is known to be the leader's
  Zxid acknowledged_;                // of that, what the leader was told of
  std::optional<Zxid> owed_;         // it waits to hear of this, even if it was told before
  std::optional<Zxid> serve_after_;  // what the leader had committed when it was found
};

}  // namespace synod::consensus::raft
