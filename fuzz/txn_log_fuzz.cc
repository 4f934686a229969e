// A log file with any content, through recovery. The first byte chooses what stands beside it:
// whether it is the newest log, whether a mark speaks of it, and the size of the chunks it is read
// in.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "storage/flushed_mark.h"
#include "storage/log_writer.h"
#include "storage/memory_files.h"
#include "storage/recovery.h"

namespace {

using namespace synod;  // NOLINT: this file is the whole program

class CountingSink : public storage::RecoverySink {
 public:
  void reset() override { txns = 0; }
  void session(SessionId, std::int32_t) override {}
  void acl(std::int64_t, jute::AclList) override {}
  Result<void> node(std::string_view, const storage::NodeImage&) override { return {}; }
  void snapshot_loaded(Zxid, std::optional<storage::SnapshotDigest>) override {}
  void txn(const jute::Txn& txn, BytesView body) override {
    SYNOD_ASSERT(body.size() >= jute::kTxnHeaderBytes);
    if (const auto* multi = std::get_if<jute::MultiTxn>(&txn.record)) {
      for (const jute::SubTxn& sub : multi->txns) {
        static_cast<void>(jute::decode_txn_record(sub.type, sub.record));
      }
    }
    ++txns;
  }
  std::uint64_t txns = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::uint8_t setup = data[0];
  storage::MemoryFiles files;
  const storage::DataDirectory directory{.data_dir = "/d", .data_log_dir = "/d"};
  files.put("/d/version-2/log.1", Bytes(reinterpret_cast<const char*>(data) + 1, size - 1));
  if ((setup & 1) != 0) files.put("/d/version-2/log.64", "");
  if ((setup & 2) != 0) {
    files.put("/d/version-2/log.63", Bytes("ZKLG\0\0\0\2\0\0\0\0\0\0\0\0", 16));
  }
  if ((setup & 4) != 0) {
    const storage::FlushedMark mark{.log_first_zxid = {1}, .offset = (setup >> 4) * 64U};
    files.put("/d/version-2/flushedMark", storage::encode_mark(mark));
  }
  storage::RecoveryOptions options;
  options.accepts_gaps = true;
  options.chunk_bytes = (setup & 8) != 0 ? 32 : 4096;

  CountingSink sink;
  const auto report = storage::recover(files, directory, options, sink);
  if (!report) return 0;
  SYNOD_ASSERT(report->txns_replayed == sink.txns);
  // What was made clean stays clean, and says the same.
  const auto again = storage::recover(files, directory, options, sink);
  SYNOD_ASSERT(again && again->last_zxid == report->last_zxid);
  SYNOD_ASSERT(again->txns_replayed == report->txns_replayed);
  return 0;
}
