// All that goes to the disk in order: the log's entries, epochs, cuts, and trees that came from a
// leader. One thing is on its way at a time, in the order asked for; entries that come meanwhile
// share the next batch (group commit). What is done is told by take_answers(), for the engine.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "consensus/engine.h"
#include "replica/flush_pacer.h"
#include "replica/snapshotter.h"
#include "replica/state_writer.h"
#include "state/state.h"
#include "storage/data_directory.h"
#include "storage/epoch_files.h"
#include "storage/file_port.h"
#include "storage/log_writer.h"

namespace synod::replica {

namespace answer {
struct Durable {
  Zxid up_to;
};
struct EpochsSaved {};
struct WasCut {
  std::optional<Zxid> last;  // nothing: it was not possible, and why is among the warnings
};
struct Installed {
  std::unique_ptr<state::State> tree;
};
}  // namespace answer
using Answer =
    std::variant<answer::Durable, answer::EpochsSaved, answer::WasCut, answer::Installed>;

class Journal {
 public:
  struct Options {
    storage::DataDirectory directory;
    storage::LogWriter::Options log;
    storage::Compression compression = storage::Compression::kNone;  // of installed snapshots
    std::int64_t warning_threshold_ms = 1000;                        // fsync.warningthresholdms
  };
  // `snapshotter`: made quiet before the directory is cut or replaced.
  Journal(storage::FilePort& files, storage::FileHandleSource& handles, Snapshotter& snapshotter,
          storage::EpochKeeper epochs, Options options, Zxid last_logged);

  // True: it is time for a snapshot, and for start_file() before that.
  bool append(const consensus::Entry& entry);
  void start_file() { log_.roll(); }
  void save_epochs(const consensus::effect::SaveEpochs& epochs);
  void cut(Zxid after);
  // The tree, as of its applied(), takes the place of everything on disk.
  void install(std::unique_ptr<state::State> tree);
  // An installation that was asked for and has not begun to replace anything is dropped; false: it
  // is too late for that.
  [[nodiscard]] bool drop_install();

  // Starts what can be started.
  void advance(SteadyTimeMs now);
  // True: the token was one of this object's. An error is final: see failure().
  [[nodiscard]] bool io_done(storage::IoToken token, const Result<void>& result, SteadyTimeMs now);
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
  [[nodiscard]] std::vector<Answer> take_answers() { return std::exchange(answers_, {}); }
  [[nodiscard]] std::vector<std::string> take_warnings() { return std::exchange(warnings_, {}); }

  // The log waits for a moment before its next batch: see flush_pacer.h.
  [[nodiscard]] bool is_holding() const {
    return !is_busy_ && tasks_.empty() && unwritten_ > 0 && pacer_.should_wait(unwritten_);
  }
  void hold_over() { pacer_.moment_over(); }
  [[nodiscard]] bool is_idle() const { return !is_busy_ && !log_.has_pending() && tasks_.empty(); }
  [[nodiscard]] Zxid appended() const { return appended_; }
  [[nodiscard]] Zxid durable() const { return durable_; }
  // The last word to the disk; only when idle, and then nothing else may be called.
  [[nodiscard]] storage::FileBatch stop() { return log_.stop(); }

 private:
  using SaveEpochs = consensus::effect::SaveEpochs;
  struct Cut {
    Zxid after;
    std::optional<Zxid> last;  // once it is planned
  };
  struct Install {
    std::unique_ptr<state::State> tree;
    std::unique_ptr<StateWriter> writer;
    bool is_replacing = false;
    bool is_dropped = false;    // but a slice was on its way
    bool is_abandoned = false;  // its file is being removed
  };
  // What the entries behind it wait for.
  struct Task {
    std::variant<SaveEpochs, Cut, Install> what;
    std::vector<consensus::Entry> entries_behind;
  };

  bool write(const consensus::Entry& entry);
  void start(SaveEpochs& task, SteadyTimeMs now);
  void start(Cut& task, SteadyTimeMs now);
  void start(Install& task, SteadyTimeMs now);
  void replace_directory(Install& task, SteadyTimeMs now);
  void finish_step();
  void finish_task(Answer answer);
  void end_task();
  void directory_changed();
  [[nodiscard]] bool is_quiet();
  void submit(storage::FileBatch batch, SteadyTimeMs now);
  void warn_if_slow(SteadyTimeMs now);

  storage::FilePort& files_;
  storage::FileHandleSource& handles_;
  Snapshotter& snapshotter_;
  storage::EpochKeeper epochs_;
  Options options_;
  storage::LogWriter log_;
  std::deque<Task> tasks_;
  Zxid appended_;    // handed to the log
  Zxid on_its_way_;  // in the batch being written
  Zxid durable_;
  std::size_t unwritten_ = 0;  // transactions appended, in no batch yet
  FlushPacer pacer_;
  bool is_busy_ = false;
  bool is_task_busy_ = false;  // what is on its way is of the first task, not of the log
  SteadyTimeMs busy_since_;
  storage::IoToken token_{};
  std::optional<Error> failure_;
  std::vector<Answer> answers_;
  std::vector<std::string> warnings_;
};

}  // namespace synod::replica
