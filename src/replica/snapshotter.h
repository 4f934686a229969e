// Takes snapshots while the server serves: a walk over the tree in short steps, its bytes on the
// background lane, then the purge of what is no longer needed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/ids.h"
#include "base/random.h"
#include "replica/state_writer.h"
#include "state/state.h"
#include "storage/data_directory.h"
#include "storage/file_port.h"
#include "storage/purge.h"

namespace synod::replica {

struct SnapshotOptions {
  std::uint64_t txns_between = 100'000;                      // snapCount
  std::uint64_t log_bytes_between = std::uint64_t{4} << 30;  // snapSizeLimitInKb; 0: any number
  storage::Compression compression = storage::Compression::kNone;
  bool with_digest = true;
  bool with_last_zxid = true;
  bool purges = true;
  storage::PurgePolicy purge;
};

class Snapshotter {
 public:
  // `files_there`: what lies in the directory, for the purge.
  Snapshotter(storage::FilePort& files, storage::FileHandleSource& handles,
              storage::DataDirectory directory, SnapshotOptions options,
              storage::PurgeInput files_there, std::uint64_t seed);

  // Told of every appended transaction. True: it is time to roll the log and to start().
  [[nodiscard]] bool appended(std::uint64_t bytes);
  void log_opened(Zxid first_zxid);
  void log_grew(std::uint64_t size_bytes);

  [[nodiscard]] bool is_running() const { return stage_ != Stage::kIdle; }
  // Of the state as it is now, all of which must be committed.
  void start(state::State& state);
  // The log has this, flushed.
  void log_is_durable(Zxid up_to);
  // The directory, or the tree, is about to be replaced, or the tree's one walk is needed
  // elsewhere: it is free at once, the file is gone as soon as what is on its way has arrived. A
  // snapshot that only needs its name still gets it.
  void give_up();
  // What lies in the directory now.
  void replaced(storage::PurgeInput files_there);
  // The same to the end, blocking: for an empty directory, which must not hold a log before a
  // snapshot.
  [[nodiscard]] Result<void> take_now(state::State& state);

  // True: the token was one of this object's. A failed snapshot is given up and tried again later.
  bool io_done(storage::IoToken token, const Result<void>& result);
  // Why the last snapshot failed; told once.
  [[nodiscard]] std::optional<Error> take_failure() {
    return std::exchange(failure_, std::nullopt);
  }

 private:
  void begin(state::State& state);
  void submit(storage::FileBatch batch);
  void go_on();
  void finish(const Result<void>& result);
  void draw_limits();

  storage::FilePort& files_;
  storage::FileHandleSource& handles_;
  storage::DataDirectory directory_;
  SnapshotOptions options_;
  storage::PurgeInput files_there_;
  Random random_;

  std::uint64_t txns_since_ = 0;
  std::uint64_t log_bytes_since_ = 0;
  std::uint64_t txn_limit_ = 0;
  std::uint64_t log_byte_limit_ = 0;

  std::optional<StateWriter> writer_;
  enum class Stage : std::uint8_t {
    kIdle,
    kWriting,
    kWaitingForLog,
    kPublishing,
    kCleaning
  } stage_ = Stage::kIdle;
  bool is_given_up_ = false;
  Zxid log_durable_;
  storage::IoToken token_{};
  std::optional<Error> failure_;
};

// Tokens of the snapshotter have this bit, the log's have not.
inline constexpr std::uint64_t kSnapshotTokenBit = std::uint64_t{1} << 63;

}  // namespace synod::replica
