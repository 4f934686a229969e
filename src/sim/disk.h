// A server's disk: the disk in memory, with time. Batches of a lane are done one operation after
// another, each taking its while, so that a crash falls between any two of them; and it is noted
// what of the log and of the epoch files is really flushed, whatever the server believes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "sim/dice.h"
#include "sim/timeline.h"
#include "storage/memory_files.h"

namespace synod::sim {

struct DiskOptions {
  Micros write_latency = 30;  // means
  Micros flush_latency = 400;
  Micros other_latency = 50;
};

class Disk final : public storage::FilePort {
 public:
  struct Hooks {
    std::function<void(storage::IoToken, Result<void>)> done;
    std::function<void()> crash;  // the operation that was waited for is due
  };

  Disk(Timeline& timeline, std::uint64_t seed, std::uint64_t number, DiskOptions options,
       Hooks hooks);

  // ---- FilePort
  void submit(storage::IoLane lane, storage::IoToken token, storage::FileBatch batch) override;
  [[nodiscard]] Result<void> perform(storage::FileBatch batch) override;
  [[nodiscard]] Result<std::vector<storage::DirectoryEntry>> list(const std::string& path) override;
  [[nodiscard]] Result<Bytes> read(const std::string& path, std::uint64_t offset,
                                   std::size_t count) override;
  [[nodiscard]] Result<std::uint64_t> free_space(const std::string& path) override;

  // ---- what happens to it
  void process_died();
  void power_cut();
  void wipe();
  // A bit of a file that was flushed turns. False: there is no such file.
  bool flip_bit(Dice& dice);
  // Crashes when so many more operations have been done (0: before the next).
  void crash_after(std::uint64_t operations) { crash_in_ = operations; }
  void fail_next_flush() { fails_flush_ = true; }
  void fail_next_write() { fails_write_ = true; }
  void fail_reads(std::uint64_t per_mille) { read_fails_per_mille_ = per_mille; }
  void fill_up(bool is_full);
  void slow_down(Micros extra) { extra_latency_ = extra; }  // of each operation, up to this
  void heal();
  [[nodiscard]] bool was_damaged() const { return is_damaged_; }
  [[nodiscard]] std::uint64_t operations() const { return operations_; }

  // ---- what is flushed
  // Transactions of the log that were flushed since the process started, oldest first; told once.
  [[nodiscard]] std::vector<Zxid> take_flushed() { return std::exchange(flushed_, {}); }
  // Of an epoch file or the vote, as a power cut would leave it; empty: no such file.
  [[nodiscard]] std::string durable_text(const std::string& name) const;
  // Log files and snapshots with bytes that were never flushed.
  [[nodiscard]] std::vector<std::string> unflushed() const;

 private:
  struct OpenFile {
    std::string path;
    std::vector<Zxid> written;  // of a log: not flushed yet
    Bytes text;                 // of an epoch file
  };

  void schedule(storage::IoLane lane);
  void step(storage::IoLane lane);
  [[nodiscard]] Micros latency(const storage::FileOp& op);
  [[nodiscard]] std::uint64_t damageable_bytes(const std::string& path);
  [[nodiscard]] std::optional<Error> fault(const storage::FileOp& op);
  void note(const storage::FileOp& op);
  void note_write(const storage::op::Write& write);
  void note_flush(const storage::op::Flush& flush);
  void note_rename(const storage::op::Rename& rename);

  Timeline& timeline_;
  Dice dice_;
  DiskOptions options_;
  Hooks hooks_;
  std::unique_ptr<storage::MemoryFiles> files_;
  std::uint64_t life_ = 0;  // of the process; what was scheduled for another is void
  bool is_stepping_[2] = {false, false};
  Micros next_latency_ = 0;

  std::optional<std::uint64_t> crash_in_;
  bool is_crashing_ = false;
  bool fails_flush_ = false;
  bool fails_write_ = false;
  std::uint64_t read_fails_per_mille_ = 0;
  Micros extra_latency_ = 0;
  bool is_damaged_ = false;
  std::uint64_t operations_ = 0;

  std::map<storage::FileHandle, OpenFile> open_;
  std::set<std::string> dirty_;  // paths
  std::vector<Zxid> flushed_;
  std::map<std::string, std::vector<Zxid>> unnamed_;  // by path: flushed, but the name is not yet
  // Of epoch files.
  std::map<std::string, std::string> renamed_texts_;  // by path; wait for the directory's flush
  std::map<std::string, std::string> flushed_texts_;  // of files named otherwise so far
  std::map<std::string, std::string> durable_texts_;  // by path
};

}  // namespace synod::sim
