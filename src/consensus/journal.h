// What this server has logged, promised and committed, and how much of that is on disk. Every role
// of an engine writes through it, so that the order of durability (consensus.md 3.13, 4.12, 5.5)
// has one place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/ids.h"
#include "consensus/configurations.h"
#include "consensus/engine.h"
#include "consensus/history.h"
#include "consensus/outbox.h"

namespace synod::consensus {

class Journal {
 public:
  // So much of the log is kept in memory, to bring other servers up to date. The outbox outlives
  // this.
  struct Memory {
    std::size_t entries = 500;
    std::size_t bytes = std::size_t{16} << 20;
  };
  Journal(Memory memory, Outbox& outbox)
      : outbox_(outbox), history_(memory.entries, memory.bytes) {}

  // `membership`: what the server's own files say; none where there is no ensemble.
  void start(const Beginning& beginning, Membership membership = {});

  // ---- what is written
  void append(Entry entry, bool is_remembered = true);
  void save_epochs(std::uint32_t accepted, std::uint32_t current, ServerId voted_for = {});
  void cut(Zxid after);
  void commit(Zxid up_to);
  // What is known to be committed, though not announced yet: memory may let go of it.
  void trim(Zxid up_to) { history_.trim(up_to < durable_ ? up_to : durable_); }

  // ---- what the disk answers
  void on_durable(Zxid up_to) { durable_ = up_to; }
  void on_epochs_saved() { --saves_under_way_; }
  void on_cut(std::optional<Zxid> last);
  void on_snapshot(Zxid zxid, std::string_view configuration);
  // What another server says to be decided, without an entry of our log that says so.
  void adopt(Membership decided);

  // ---- what is so
  [[nodiscard]] const History& history() const { return history_; }
  [[nodiscard]] const Configurations& configurations() const { return configurations_; }
  [[nodiscard]] Zxid last_logged() const { return history_.last(); }
  [[nodiscard]] Zxid durable() const { return durable_; }
  [[nodiscard]] Zxid committed() const { return committed_; }
  // The tree is here: what was replayed at the start, or committed since.
  [[nodiscard]] Zxid applied() const { return applied_; }
  [[nodiscard]] std::uint32_t accepted_epoch() const { return accepted_epoch_; }
  [[nodiscard]] std::uint32_t current_epoch() const { return current_epoch_; }
  [[nodiscard]] ServerId voted_for() const { return voted_for_; }
  [[nodiscard]] bool has_memory() const { return has_memory_; }
  // The tail could not be cut: only a whole tree can replace it.
  [[nodiscard]] bool needs_tree() const { return needs_tree_; }
  [[nodiscard]] bool are_epochs_durable() const { return saves_under_way_ == 0; }
  // Nothing is on its way to the disk.
  [[nodiscard]] bool is_settled() const;

  void gain_memory() { has_memory_ = true; }

 private:
  Outbox& outbox_;
  History history_;
  Configurations configurations_;
  Zxid durable_;
  Zxid committed_;  // announced to the replica in this run
  Zxid applied_;
  std::uint32_t accepted_epoch_ = 0;
  std::uint32_t current_epoch_ = 0;
  ServerId voted_for_;
  int saves_under_way_ = 0;
  std::optional<Zxid> cut_under_way_;
  bool has_memory_ = true;
  bool needs_tree_ = false;
};

}  // namespace synod::consensus
