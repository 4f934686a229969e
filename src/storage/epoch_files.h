// currentEpoch and acceptedEpoch: a decimal number each, in the snapshot directory of a server that
// is, or was, part of an ensemble. votedFor beside them, "<epoch> <server>", where a
// vote binds: it says whom this server voted for in that epoch, which counts as accepted then. It
// is written first: no crash leaves an epoch without the vote that was given in it, and a vote that
// was overwritten is one of an epoch that is over.
//
// A server whose memory is gone (wiped, or new) may promise an epoch long before it has caught up.
// A crash in between must not make it look like one that remembers. So its acceptedEpoch comes
// alone: it has no currentEpoch until it was synchronised, or until everybody was found to be new
// and (0, 0) is saved. acceptedEpoch without currentEpoch is the sign of it (RecoveryReport).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/ids.h"
#include "storage/file_port.h"

namespace synod::storage {

inline constexpr char kCurrentEpochName[] = "currentEpoch";
inline constexpr char kAcceptedEpochName[] = "acceptedEpoch";
inline constexpr char kVotedForName[] = "votedFor";

struct Vote {
  std::int64_t epoch = 0;
  ServerId server;  // nobody: there is none
  friend bool operator==(const Vote&, const Vote&) = default;
};

// Nothing: there is no such file. An error: it holds no number.
[[nodiscard]] Result<std::optional<std::int64_t>> read_epoch(FilePort& files,
                                                             const std::string& directory,
                                                             const std::string& name);

// An error: it holds no vote.
[[nodiscard]] Result<Vote> read_vote(FilePort& files, const std::string& directory);

// Durable, and the old value or the new one after any crash.
[[nodiscard]] FileBatch write_epoch(const std::string& directory, const std::string& name,
                                    std::int64_t epoch, FileHandle handle);

// What a member saves of its epochs (effect::SaveEpochs). After any crash acceptedEpoch >=
// currentEpoch, each is the old or the new one, and the vote of the epoch that counts as accepted
// is the one that was saved with it.
//
// They must never be newer than the history they speak of: append this batch to the one of
// LogWriter::take_batch() that carries what was appended before, or submit it on IoLane::kLog when
// that completed without an error. (A batch behind a failed one is still carried out.)
class EpochKeeper {
 public:
  // As recovery found them; see RecoveryReport::epoch_keeper().
  EpochKeeper(std::string directory, std::optional<std::int64_t> accepted,
              std::optional<std::int64_t> current, Vote vote = {})
      : directory_(std::move(directory)), accepted_(accepted), current_(current), vote_(vote) {}

  // Empty: all is on disk already (or on its way, in a batch taken before).
  [[nodiscard]] FileBatch save(std::uint32_t accepted, std::uint32_t current, ServerId voted_for,
                               FileHandleSource& handles);

 private:
  std::string directory_;
  std::optional<std::int64_t> accepted_;
  std::optional<std::int64_t> current_;
  Vote vote_;
};

}  // namespace synod::storage
