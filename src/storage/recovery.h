// From a data directory to the state it holds (reference: FileTxnSnapLog.restore, ZKDatabase), and
// the directory made clean on the way: what a crash left is cut, and said.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "jute/txn.h"
#include "storage/data_directory.h"
#include "storage/epoch_files.h"
#include "storage/file_port.h"
#include "storage/snapshot_format.h"

namespace synod::storage {

// What is recovered into. Calls come in this order, and start over with reset() when a snapshot
// turned out to be unloadable: reset, session and acl and node…, snapshot_loaded, txn…
class RecoverySink : public SnapshotSink {
 public:
  // Forget everything: a fresh database, with the nodes every ZooKeeper has. A snapshot's nodes
  // replace those.
  virtual void reset() = 0;
  // Also called, with zxid 0 and no digest, when there is no snapshot. The digest is the one the
  // tree has after its zxid, which may be reached only by the replay.
  virtual void snapshot_loaded(Zxid zxid, std::optional<SnapshotDigest> digest) = 0;
  // Every logged transaction above the snapshot's zxid, once, in the order of zxids. It must be
  // tolerated whatever it says (a create of what exists, a TTL out of range); its effects may be in
  // the snapshot already. Views are good during the call only.
  virtual void txn(const jute::Txn& txn, BytesView body) = 0;
};

// An entry of the log as it lies there.
struct LoggedEntry {
  Zxid zxid;
  SharedBytes bytes;
};

struct RecoveryOptions {
  bool creates_directories = true;     // zookeeper.datadir.autocreate
  bool creates_database = true;        // zookeeper.db.autocreate
  bool trusts_empty_snapshot = false;  // zookeeper.snapshot.trust.empty
  bool accepts_gaps = false;           // replay over missing zxids instead of refusing
  bool is_member = false;              // of an ensemble: see has_memory
  std::size_t recent_max = 500;        // of RecoveryReport::recent, in entries …
  std::size_t recent_bytes_max = std::size_t{32} << 20;  // … and bytes
  std::size_t chunk_bytes = std::size_t{4} << 20;        // of what is read at once
  std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)>
      progress;  // may be empty
};

// The vote of a server with zxid -1 must not count: it may have lost everything it ever knew.
inline constexpr Zxid kNoDatabase{-1};

struct RecoveryReport {
  Zxid last_zxid;  // of snapshot and log; kNoDatabase: empty, and not to be trusted
  std::optional<SnapshotFile> snapshot;  // the one that was loaded
  std::uint64_t txns_replayed = 0;
  std::optional<std::int64_t> current_epoch;   // from the epoch files, as they are now
  std::optional<std::int64_t> accepted_epoch;  // (only ensembles have them)
  Vote vote;                                   // of the epoch it names, which may be over
  // The log's last entries, oldest first and without a gap, ending with last_zxid; possibly from
  // below the snapshot. Empty also where the snapshot is newer than the log.
  std::vector<LoggedEntry> recent;
  // The last zxids of epochs in the log, of which another one followed there; as far as it was
  // read.
  std::vector<Zxid> epoch_ends;
  // False: this directory may be less than what its server promised or acknowledged: it is empty
  // (and no `initialize` marker says that this is how it should be; honoured once), or its server
  // has not been synchronised since it was, or currentEpoch could not be read, or the log's end
  // was cut where a crash alone would not have left it like that.
  bool has_memory = true;
  std::vector<std::string> warnings;  // for the operator, in the order things were found

  // What consensus starts with. A directory of a server that was on its own has no such files, and
  // the epoch of its last transaction then.
  [[nodiscard]] std::uint32_t promised_epoch() const;      // acceptedEpoch, or that of a later vote
  [[nodiscard]] std::uint32_t synchronised_epoch() const;  // currentEpoch
  [[nodiscard]] ServerId voted_for() const;                // in promised_epoch()
};

// Also again, on a port in use, after a cut or an installation: while nothing is on its way to log
// and snapshots, and their files are closed (LogWriter::end_at).
//
// Blocks. An error says which file, where in it, what is wrong and what can be done; nothing has
// been served or cut then that was not safe to.
[[nodiscard]] Result<RecoveryReport> recover(FilePort& files, const DataDirectory& directory,
                                             const RecoveryOptions& options, RecoverySink& sink);

}  // namespace synod::storage
